//! What the gateway fetches from the internet, keys of issuers and the directory of a CA, goes
//! through the proxy that the environment names.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::issuer::{KeyServer, Says, Signer, set};
use crate::harness::process::GatewayProcess;
use crate::harness::upstream::Conn;
use crate::harness::{Config, TestGateway, Upstream};
use crate::jwks::{ask, guarded};

/// Joins everything that is asked for to one address, whatever its name is.
fn proxy_to(addr: SocketAddr) -> Upstream {
    Upstream::raw(move |conn| {
        if conn.head()?.is_some() {
            let server = TcpStream::connect(addr)?;
            conn.send("HTTP/1.1 200 Connection established\r\n\r\n")?;
            join(conn, &server)?;
        }
        Ok(())
    })
}

fn join(conn: &Conn, server: &TcpStream) -> io::Result<()> {
    let client = conn.wire.stream.try_clone()?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = std::thread::spawn(move || {
        let copied = io::copy(&mut from_server, &mut to_client);
        to_client.shutdown(std::net::Shutdown::Both).and(copied)
    });
    let (mut from_client, mut to_server) = (client, server);
    io::copy(&mut from_client, &mut to_server)?;
    server.shutdown(std::net::Shutdown::Both)?;
    let _ = back.join();
    Ok(())
}

/// Servers that exist by these names only behind a proxy: an issuer's keys, and a CA.
struct Internet {
    keys: KeyServer,
    front: TestGateway,
}

impl Internet {
    fn with(signer: &Signer) -> Self {
        let keys = KeyServer::with_set(&[signer]);
        keys.says(
            "/directory",
            Says::ok(r#"{"newNonce":"https://ca.invalid/"}"#),
        );
        let config = Config::new()
            .tls("self_signed = [\"keys.invalid\", \"ca.invalid\"]")
            .upstream("keys", &keys.url(""))
            .route("/", "keys");
        let front = TestGateway::start(&config);
        Self { keys, front }
    }

    fn ca(&self) -> std::path::PathBuf {
        self.front.folder().join("certs/ca.pem")
    }

    fn config(&self, upstream: &Upstream) -> Config {
        let config = Config::new().upstream("app", &upstream.url());
        let url = "https://keys.invalid/jwks.json";
        let lines = format!("jwks_url = \"{url}\"\nca_file = {:?}", self.ca());
        guarded(config, "staff", "/", &lines)
    }
}

fn check_live(config: &Path, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command.args(["check", "--live", "--config"]).arg(config);
    command.envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn keys_and_a_ca_are_asked_through_the_proxy_of_the_environment() {
    let (upstream, one) = (Upstream::ok(), Signer::new("one"));
    let internet = Internet::with(&one);
    let proxy = proxy_to(internet.front.https());
    let acme = format!(
        "[acme]\ndirectory = \"https://ca.invalid/directory\"\ndirectory_ca = {:?}\n\
         certificates = [{{ hosts = [\"media.example.com\"] }}]\n",
        internet.ca()
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, internet.config(&upstream).table(&acme).text()).unwrap();
    let asked = |environment: &[(&str, &str)], answer: &[&str]| {
        let output = check_live(&file, environment);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        for line in answer {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("sesame"), "{text}");
    };
    let url = format!("http://user:sesame@{}", proxy.addr);
    asked(
        &[("HTTPS_PROXY", &url)],
        &[
            "  staff  https://keys.invalid/jwks.json  ok: 1 key: \"one\"\n",
            "  https://ca.invalid/directory  ok: answers\n",
        ],
    );
    let heads = proxy.heads();
    let asked_for: Vec<&str> = heads.iter().map(|head| head.first.as_str()).collect();
    assert_eq!(
        asked_for,
        [
            "CONNECT keys.invalid:443 HTTP/1.1",
            "CONNECT ca.invalid:443 HTTP/1.1"
        ]
    );
    // base64 of `user:sesame`.
    let wanted = Some("Basic dXNlcjpzZXNhbWU=");
    assert!(
        heads
            .iter()
            .all(|head| head.get("proxy-authorization") == wanted)
    );
    let seen = internet.keys.asked();
    assert_eq!(seen, ["/jwks.json", "/directory"]);
    // An exception is looked for directly, where there is nothing.
    asked(
        &[("https_proxy", &url), ("NO_PROXY", "invalid")],
        &[
            "jwks.json  problem: cannot be reached",
            "the CA at ca.invalid cannot be reached",
        ],
    );
    // A proxy that wants to know who asks, and what is no proxy.
    let strict = Upstream::answering_last("HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n");
    let through = format!(
        "cannot be reached through the proxy {}/ (HTTPS_PROXY)",
        strict.url()
    );
    asked(
        &[("HTTPS_PROXY", &format!("http://sesame@{}", strict.addr))],
        &[
            &format!("jwks.json  problem: {through}"),
            &format!("the CA at ca.invalid {through}"),
            "proxy authorization required",
        ],
    );
    let wrong = "cannot be reached, because HTTPS_PROXY is not the URL of an HTTP proxy; write \
                 http://HOST:PORT";
    asked(
        &[("HTTPS_PROXY", "socks5://sesame@127.0.0.1:1080")],
        &[
            &format!("jwks.json  problem: {wrong}"),
            &format!("the CA at ca.invalid {wrong}"),
        ],
    );
    assert_eq!((proxy.heads().len(), internet.keys.asked().len()), (2, 2));
}

#[test]
fn a_running_gateway_fetches_keys_through_the_proxy() {
    let (upstream, one, two) = (Upstream::ok(), Signer::new("one"), Signer::new("two"));
    let internet = Internet::with(&one);
    let proxy = proxy_to(internet.front.https());
    let environment = [("HTTPS_PROXY", &*proxy.url())];
    let gateway = GatewayProcess::start_with(&environment, &internet.config(&upstream));
    let mut client = gateway.dial().h1();
    assert_eq!(ask(&mut client, "/", &one.token()), 200);
    internet.keys.publish(&[&one, &two]);
    assert_eq!(ask(&mut client, "/", &two.token()), 200);
    assert_eq!(proxy.heads().len(), 2);
}

#[test]
fn a_key_server_on_this_machine_is_asked_directly() {
    let (upstream, one) = (Upstream::ok(), Signer::new("one"));
    let keys = KeyServer::start();
    keys.says("/jwks.json", Says::ok(set(&[&one])));
    let config = Config::new().upstream("app", &upstream.url());
    let lines = format!("jwks_url = \"{}\"", keys.url("/jwks.json"));
    let config = guarded(config, "staff", "/", &lines);
    let environment = [
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
    ];
    let gateway = GatewayProcess::start_with(&environment, &config);
    assert_eq!(ask(&mut gateway.dial().h1(), "/", &one.token()), 200);
    let coding = keys.heads()[0].get("accept-encoding").map(str::to_owned);
    assert_eq!(coding.as_deref(), Some("identity"));
}
