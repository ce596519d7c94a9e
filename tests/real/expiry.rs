//! A classroom's tokens end in the same second.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Folder, Gateway, Process, free_ports};

/// Descriptors are limited to 20,000 per process, and each tunnel takes two of the gateway's.
const SOCKETS: usize = 9_000;
/// Whom it is not about.
const OTHERS: usize = 50;
const SECRET: &str = "a secret of thirty-two bytes, ok";

#[test]
fn nine_thousand_sockets_end_with_their_tokens_and_nobody_else() {
    let folder = Folder::new("expiry");
    let [port] = free_ports();
    let mut echo = Process::start(&folder, "echo", "node", |command| {
        command
            .arg("echo.js")
            .arg(port.to_string())
            .current_dir("tests/real");
    });
    echo.wait_for(port);
    let tables = format!(
        "[limits]\nconnections = 9500\n\
         [upstreams.app]\nservers = [\"http://127.0.0.1:{port}\"]\n\
         [issuers.app]\nalgorithms = [\"HS256\"]\nsecret = \"{SECRET}\"\naudience = \"any\"\n\
         leeway = \"0s\"\nsources = [\"query:token\"]\n\
         [policies.callers]\nissuers = [\"app\"]\n\
         [[routes]]\npath = \"/ws\"\nupstream = \"app\"\npolicy = \"callers\"\n"
    );
    let gateway = Gateway::start(&folder, "", &tables);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(classroom(&gateway, &folder));
}

async fn classroom(gateway: &Gateway, folder: &Folder) {
    let dial = Dial::new(gateway, folder);
    // Long enough to open them all on a slow machine.
    let (end, later) = (now() + 60, now() + 600);
    let mut others = dial.open(OTHERS, &token(later)).await;
    let sockets = dial.open(SOCKETS, &token(end)).await;
    assert!(now() < end, "the tokens ended before the sockets were open");
    let closing = sockets
        .into_iter()
        .map(|socket| tokio::spawn(closed(socket)));
    let closing: Vec<_> = closing.collect();
    let mut last = Duration::ZERO;
    let waited = tokio::time::timeout(Duration::from_secs(120), async {
        for closed in closing {
            last = last.max(closed.await.unwrap());
        }
    });
    // While they end, the others go on.
    let (waited, ()) = tokio::join!(waited, async {
        while now() < end + 2 {
            for other in &mut others {
                echoes(other).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    waited.expect("all are closed");
    let late = last.saturating_sub(Duration::from_secs(end));
    println!("{SOCKETS} sockets closed, the last {late:?} after the end of its token");
    for other in &mut others {
        echoes(other).await;
    }
}

/// How to open WebSockets, many at a time.
struct Dial {
    tls: TlsConnector,
    port: u16,
}

impl Dial {
    fn new(gateway: &Gateway, folder: &Folder) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(folder.join("certs/ca.pem")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Self {
            tls: TlsConnector::from(Arc::new(config)),
            port: gateway.https,
        }
    }

    async fn open(&self, count: usize, token: &str) -> Vec<TlsStream<TcpStream>> {
        let mut open = Vec::with_capacity(count);
        let began = Instant::now();
        while open.len() < count {
            let some = (0..50.min(count - open.len())).map(|_| self.open_one(token));
            open.extend(futures_util::future::join_all(some).await);
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "only {} are open",
                open.len()
            );
        }
        open
    }

    async fn open_one(&self, token: &str) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = self.tls.connect(name, tcp).await.unwrap();
        let handshake = format!(
            "GET /ws?token={token} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(handshake.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101 "),
            "{}",
            String::from_utf8_lossy(&head)
        );
        stream
    }
}

/// Waits for the close frame of an ended permission, answers it, and says when it came.
async fn closed(mut stream: TlsStream<TcpStream>) -> Duration {
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).await.unwrap();
    let at = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!((frame[0], &frame[2..]), (0x88, &1008_u16.to_be_bytes()[..]));
    // Masked with nothing. Whether it still arrives does not matter here.
    let _ = stream
        .write_all(&[0x88, 0x82, 0, 0, 0, 0, frame[2], frame[3]])
        .await;
    let _ = stream.shutdown().await;
    at
}

async fn echoes(stream: &mut TlsStream<TcpStream>) {
    stream
        .write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'])
        .await
        .unwrap();
    stream.flush().await.unwrap();
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x02hi");
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn token(exp: u64) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(
        &jsonwebtoken::Header::default(),
        &json!({ "sub": "pupil", "exp": exp }),
        &key,
    )
    .unwrap()
}
