//! What follows from the answers of servers, and what does not.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

fn host() -> HostName {
    "media.example".parse().unwrap()
}

/// A server that answers each request by this function.
async fn http(answer: impl Fn(&str) -> String + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let length = stream.read(&mut head).await.unwrap();
            let answer = answer(std::str::from_utf8(&head[..length]).unwrap());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    addr
}

/// A server that makes each handshake with the settings of this function.
async fn tls(settings: impl Fn() -> Arc<ServerConfig> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let accepted = TlsAcceptor::from(settings()).accept(stream).await;
            if let Ok(mut stream) = accepted {
                _ = stream.read(&mut [0]).await;
            }
        }
    });
    addr
}

fn other_tls(protocols: &[&[u8]]) -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["other.example".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

async fn found(
    challenges: &Arc<Challenges>,
    kind: ChallengeKind,
    addrs: &[SocketAddr],
) -> Option<String> {
    let found = look_at_all(challenges, &host(), kind, addrs).await;
    found.map(|found| found.to_string())
}

/// What this gateway would answer.
async fn ours(challenges: &Arc<Challenges>) -> SocketAddr {
    let challenges = Arc::clone(challenges);
    http(move |head| {
        let path = head.split(' ').nth(1).unwrap();
        let token = path.rsplit('/').next().unwrap();
        let proof = challenges.http(&host(), token).unwrap();
        format!("HTTP/1.1 200 OK\r\n\r\n{proof}")
    })
    .await
}

#[tokio::test]
async fn another_web_server_is_named_and_a_redirect_says_nothing() {
    let challenges = Challenges::new();
    let kind = ChallengeKind::Http01;
    let nginx = "HTTP/1.1 404 Not Found\r\nserver: nginx\r\n\r\nServer: none\n";
    let other = http(|_| nginx.to_owned()).await;
    assert_eq!(
        found(&challenges, kind, &[other]).await.as_deref(),
        Some(&*format!(
            "media.example leads to another server: {other} answers 404 and not the token, \
             Server: \"nginx\""
        ))
    );
    let page = http(|_| "HTTP/1.1 200 OK\r\n\r\nhello".to_owned()).await;
    assert!(found(&challenges, kind, &[page]).await.is_some());
    let redirect = "HTTP/1.1 301 Moved\r\nlocation: https://media.example/\r\n\r\n";
    let redirect = http(|_| redirect.to_owned()).await;
    let silent = http(|_| String::new()).await;
    for addr in [redirect, silent] {
        assert_eq!(found(&challenges, kind, &[addr]).await, None);
    }
    assert!(challenges.is_empty(), "nothing stays in the table");
}

#[tokio::test]
async fn one_address_that_leads_here_is_enough_to_ask_the_ca() {
    let challenges = Challenges::new();
    let other = http(|_| "HTTP/1.1 404 Not Found\r\n\r\n".to_owned()).await;
    let ours = ours(&challenges).await;
    let kind = ChallengeKind::Http01;
    for addrs in [[other, ours], [ours, other]] {
        assert_eq!(found(&challenges, kind, &addrs).await, None);
    }
}

#[tokio::test]
async fn where_nothing_listens_nothing_follows() {
    let challenges = Challenges::new();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = gone.local_addr().unwrap();
    drop(gone);
    for kind in [ChallengeKind::Http01, ChallengeKind::TlsAlpn01] {
        assert_eq!(found(&challenges, kind, &[addr]).await, None);
        assert_eq!(look(&challenges, &[host()], kind).await, None);
    }
}

#[tokio::test]
async fn another_tls_server_is_named_and_the_challenge_is_recognized() {
    let challenges = Challenges::new();
    let kind = ChallengeKind::TlsAlpn01;
    let table = Arc::clone(&challenges);
    let ours = tls(move || table.alpn(&host()).unwrap()).await;
    assert_eq!(found(&challenges, kind, &[ours]).await, None);
    let nginx = tls(|| other_tls(&[])).await;
    let text = found(&challenges, kind, &[nginx]).await.unwrap();
    assert!(text.contains("shows a certificate of "), "{text}");
    let strict = tls(|| other_tls(&[b"h2"])).await;
    let text = found(&challenges, kind, &[strict]).await.unwrap();
    assert!(
        text.ends_with("does not accept the protocol of the challenge"),
        "{text}"
    );
}

#[test]
fn addresses_of_the_machine_itself_are_not_those_of_the_world() {
    for (addr, may_be) in [
        ("127.0.1.1", false),
        ("::1", false),
        ("0.0.0.0", false),
        ("169.254.1.1", false),
        ("fe80::1", false),
        ("10.1.2.3", true),
        ("203.0.113.9", true),
        ("2001:db8::1", true),
    ] {
        assert_eq!(may_be_public(&addr.parse().unwrap()), may_be, "{addr}");
    }
}
