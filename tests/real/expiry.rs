//! A classroom's tokens end in the same second.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
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

/// One at a time: both together need more descriptors than a process may have.
static ROOM: Mutex<()> = Mutex::new(());

#[test]
fn nine_thousand_sockets_end_with_their_tokens_and_nobody_else() {
    classroom("expiry", "http", "", "hi");
}

#[test]
fn nine_thousand_sockets_with_judged_messages_end_with_their_tokens_and_nobody_else() {
    let message = r#"{"janus":"create","transaction":"t"}"#;
    classroom(
        "expiry-judged",
        "janus",
        "messages = [\"janus-caller\"]",
        message,
    );
}

/// Sockets to a server that sends back what it gets, with lines of their policy.
fn classroom(name: &str, protocol: &str, policy: &str, message: &'static str) {
    let _room = ROOM.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Folder::new(name);
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
         [upstreams.app]\nservers = [\"http://127.0.0.1:{port}\"]\nprotocol = \"{protocol}\"\n\
         [issuers.app]\nalgorithms = [\"HS256\"]\nsecret = \"{SECRET}\"\naudience = \"any\"\n\
         leeway = \"0s\"\nsources = [\"query:token\"]\n\
         [policies.callers]\nissuers = [\"app\"]\n{policy}\n\
         [[routes]]\npath = \"/ws\"\nupstream = \"app\"\npolicy = \"callers\"\n"
    );
    let gateway = Gateway::start(&folder, "", &tables);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(lesson(&gateway, &folder, message));
}

async fn lesson(gateway: &Gateway, folder: &Folder, message: &'static str) {
    let dial = Dial::new(gateway, folder);
    // Long enough to open them all on a slow machine.
    let (end, later) = (now() + 60, now() + 600);
    let others = dial.open(OTHERS, &token(later)).await;
    let mut others: Vec<_> = others.into_iter().map(Socket).collect();
    // Each answers pings as soon as it is open.
    let (mut closing, token) = (Vec::with_capacity(SOCKETS), token(end));
    while closing.len() < SOCKETS {
        let some = dial.open(250.min(SOCKETS - closing.len()), &token).await;
        closing.extend(
            some.into_iter()
                .map(|socket| tokio::spawn(Socket(socket).closed())),
        );
        for other in &mut others {
            other.echoes(message).await;
        }
    }
    assert!(now() < end, "the tokens ended before the sockets were open");
    let mut last = Duration::ZERO;
    let waited = tokio::time::timeout(Duration::from_secs(120), async {
        for closed in closing {
            let at = closed.await.unwrap();
            assert!(at.as_secs() >= end, "closed at {at:?}, before {end}");
            last = last.max(at);
        }
    });
    // While they end, the others go on.
    let (waited, ()) = tokio::join!(waited, async {
        while now() < end + 2 {
            for other in &mut others {
                other.echoes(message).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    waited.expect("all are closed");
    let late = last.saturating_sub(Duration::from_secs(end));
    println!("{SOCKETS} sockets closed, the last {late:?} after the end of its token");
    for other in &mut others {
        other.echoes(message).await;
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

/// A WebSocket with short frames.
struct Socket(TlsStream<TcpStream>);

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

impl Socket {
    /// The next frame that is no ping, which is answered.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).await.unwrap();
            assert!(head[0] & 0x80 != 0 && head[1] < 126, "{head:?}");
            let mut payload = vec![0; usize::from(head[1])];
            self.0.read_exact(&mut payload).await.unwrap();
            match head[0] & 0x0f {
                PING => self.send(PONG, &payload).await.unwrap(),
                opcode => return (opcode, payload),
            }
        }
    }

    /// Masked with nothing.
    async fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let length = u8::try_from(payload.len()).unwrap();
        let head = [0x80 | opcode, 0x80 | length, 0, 0, 0, 0];
        self.0.write_all(&[&head, payload].concat()).await?;
        self.0.flush().await
    }

    /// Waits for the close frame of an ended permission, answers it, and says when it came.
    async fn closed(mut self) -> Duration {
        let (opcode, payload) = self.frame().await;
        let at = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let code = payload.first_chunk().copied().map(u16::from_be_bytes);
        assert_eq!((opcode, code), (CLOSE, Some(1008)));
        // Whether it still arrives does not matter here.
        let _ = self.send(CLOSE, &payload[..2]).await;
        let _ = self.0.shutdown().await;
        at
    }

    async fn echoes(&mut self, message: &str) {
        self.send(TEXT, message.as_bytes()).await.unwrap();
        assert_eq!(self.frame().await, (TEXT, message.as_bytes().to_vec()));
    }
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
