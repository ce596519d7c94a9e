//! A gateway in this process with an upstream, a client that counts, and a reader of metrics.

#[path = "metrics.rs"]
mod metrics;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ianitor::config;
use ianitor::gateway::{Gateway, Running, StartError};
use ianitor::listen::Kind;
use ianitor::telemetry::panics::caught_in;
pub(crate) use metrics::Metrics;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};

/// Waits for what happens elsewhere.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A configuration with a route that answers, one that nobody may use, and one whose server is not
/// there.
pub(crate) fn config(upstream: &Upstream, more: &str, workers: usize) -> String {
    let echo = upstream.addr;
    format!(
        "[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\n\
         workers = {workers}\n\
         [tls]\nself_signed = [\"localhost\"]\n\
         [upstreams]\necho = {{ servers = [\"http://{echo}\"] }}\n\
         down = {{ servers = [\"http://127.0.0.1:1\"] }}\n\
         [policies]\nnobody = {{ allow = [\"192.0.2.1\"] }}\n\
         [[routes]]\npath = \"/echo\"\nupstream = \"echo\"\npolicy = \"open\"\n\
         [[routes]]\npath = \"/closed\"\nupstream = \"echo\"\npolicy = \"nobody\"\n\
         [[routes]]\npath = \"/down\"\nupstream = \"down\"\npolicy = \"open\"\n{more}"
    )
}

fn folder() -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("status");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn parsed(text: &str) -> config::Config {
    let name = folder().join("gateway.toml");
    config::parse(&name, text)
        .unwrap_or_else(|report| panic!("{report}"))
        .config
}

/// A certificate that signs itself, and its key, as an entry of `tls.certificates`.
pub(crate) fn pair(folder: &Path, name: &str, hosts: &[&str], is_past: bool) -> String {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(hosts).unwrap();
    if is_past {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 2);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let (cert_file, key_file) = (
        folder.join(format!("{name}.pem")),
        folder.join(format!("{name}-key.pem")),
    );
    std::fs::write(&cert_file, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    format!(
        "{{ cert = \"{}\", key = \"{}\" }}",
        cert_file.display(),
        key_file.display()
    )
}

/// Reads and binds what a text says.
/// What `ianitor check` warns about.
pub(crate) fn check(config: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .args(["check", "--config"])
        .arg(config)
        .output()
        .unwrap();
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{warnings}");
    warnings
}

pub(crate) fn bind(text: &str) -> Result<Gateway, StartError> {
    // Tests run side by side, and the first makes the certificates.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap();
    Gateway::bind(parsed(text))
}

/// A gateway that accepts connections, its control runtime on a thread of its own.
pub(crate) struct TestGateway {
    running: Option<Running>,
    runtime: Arc<Runtime>,
    _over: oneshot::Sender<()>,
    _log: WorkerGuard,
}

impl TestGateway {
    pub(crate) fn open(text: &str, log: &Log) -> Self {
        let text = if text.contains("[log]") {
            text.to_owned()
        } else {
            format!("{text}[log]\nformat = \"json\"\n")
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let gateway = bind(&text).unwrap_or_else(|error| panic!("{error}"));
        let (writer, guard) = NonBlocking::new(log.clone());
        let running = runtime
            .block_on(async { gateway.start(Some(writer)) })
            .unwrap();
        let runtime = Arc::new(runtime);
        let (over, is_over) = oneshot::channel::<()>();
        let driven = Arc::clone(&runtime);
        std::thread::spawn(move || driven.block_on(is_over));
        Self {
            running: Some(running),
            runtime,
            _over: over,
            _log: guard,
        }
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn https(&self) -> SocketAddr {
        self.running().addresses(Kind::Https).next().unwrap()
    }

    pub(crate) fn status(&self) -> SocketAddr {
        self.running().status_address().unwrap()
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let answer = get(self.status(), "/metrics");
        assert_eq!(answer.status, 200);
        assert!(answer.head.contains("application/openmetrics-text"));
        Metrics::parse(&answer.body)
    }

    pub(crate) fn reload(&mut self, text: &str) -> Result<(), StartError> {
        let config = parsed(&format!("{text}[log]\nformat = \"json\"\n"));
        self.runtime
            .block_on(self.running.as_mut().unwrap().reload(config, None))
    }

    /// A reload as the program does it; whether it has panicked.
    pub(crate) fn reload_panics(&mut self, text: &str) -> bool {
        let config = parsed(&format!("{text}[log]\nformat = \"json\"\n"));
        let running = self.running.as_mut().unwrap();
        let reloaded = caught_in(running.reload(config, None));
        let has_panicked = self.runtime.block_on(reloaded).is_none();
        if has_panicked {
            running.note_failed_reload();
        }
        has_panicked
    }

    /// Begins to drain; the thread ends when nothing is open any more.
    pub(crate) fn drain(&mut self) -> JoinHandle<()> {
        let (running, runtime) = (self.running.take().unwrap(), Arc::clone(&self.runtime));
        std::thread::spawn(move || {
            assert_eq!(runtime.block_on(running.drain(running.drain_to_stop())), 0);
            running.stop();
        })
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

/// The access log in memory.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().unwrap();
        bytes
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A server that answers 200 with the path. What ends in `/slow` waits until it is released.
pub(crate) struct Upstream {
    addr: SocketAddr,
    is_slow: Arc<AtomicBool>,
    is_released: Arc<AtomicBool>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (is_slow, is_released) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let flags = (Arc::clone(&is_slow), Arc::clone(&is_released));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let flags = flags.clone();
                std::thread::spawn(move || answer_all(stream.unwrap(), &flags.0, &flags.1));
            }
        });
        Self {
            addr,
            is_slow,
            is_released,
        }
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::SeqCst)
    }

    pub(crate) fn release(&self) {
        self.is_released.store(true, Ordering::SeqCst);
    }
}

fn answer_all(stream: TcpStream, is_slow: &AtomicBool, is_released: &AtomicBool) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some((first, head, _)) = read_message(&mut reader) {
        if let Some(key) = head
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-key: "))
        {
            return echo(&mut writer, &mut reader, key);
        }
        if first.contains("/slow ") {
            is_slow.store(true, Ordering::SeqCst);
            until("released", || is_released.load(Ordering::SeqCst));
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{first}",
            first.len()
        );
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A WebSocket as far as a raw tunnel can tell: what comes goes back.
fn echo(writer: &mut TcpStream, reader: &mut BufReader<TcpStream>, key: &str) {
    let accept = ianitor::proxy::websocket::accept(&key.parse().unwrap());
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Accept: ";
    writer
        .write_all(format!("{head}{accept}\r\n\r\n").as_bytes())
        .unwrap();
    let _ = std::io::copy(reader, writer);
}

/// The first line, the head and the body of a message with a length; `None` at the end.
fn read_message(reader: &mut impl BufRead) -> Option<(String, String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((
        head.lines().next().unwrap_or_default().to_owned(),
        head,
        body,
    ))
}

fn client_config() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(folder().join("certs/ca.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// The first flight of a TLS client that asks for this name.
pub(crate) fn hello(name: &'static str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut session =
        ClientConnection::new(client_config(), ServerName::try_from(name).unwrap()).unwrap();
    session.write_tls(&mut bytes).unwrap();
    bytes
}

/// A client with one TLS connection.
pub(crate) struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> Self {
        let session =
            ClientConnection::new(client_config(), ServerName::try_from("localhost").unwrap())
                .unwrap();
        Self(BufReader::new(StreamOwned::new(
            session,
            TcpStream::connect(to).unwrap(),
        )))
    }

    /// Posts a body and returns the status.
    pub(crate) fn ask(&mut self, path: &str, body: &str) -> u16 {
        self.try_ask(path, body).unwrap()
    }

    /// The same, or nothing if the gateway closes the connection instead.
    pub(crate) fn try_ask(&mut self, path: &str, body: &str) -> Option<u16> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.0
            .get_mut()
            .write_all((head + body).as_bytes())
            .unwrap();
        let (first, ..) = read_message(&mut self.0)?;
        first.split(' ').nth(1).unwrap().parse().ok()
    }
}

impl Client {
    /// Opens a WebSocket.
    pub(crate) fn open_websocket(&mut self, path: &str) {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.0.get_mut().write_all(head.as_bytes()).unwrap();
        assert!(read_message(&mut self.0).unwrap().0.contains(" 101 "));
    }

    /// Sends bytes and waits for as many.
    pub(crate) fn echo(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
        self.0.read_exact(&mut vec![0; bytes.len()]).unwrap();
    }
}

/// An answer of the status listener.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn get(to: SocketAddr, path: &str) -> Answer {
    ask(to, "GET", path)
}

pub(crate) fn ask(to: SocketAddr, method: &str, path: &str) -> Answer {
    try_ask(to, method, path).unwrap()
}

pub(crate) fn try_ask(to: SocketAddr, method: &str, path: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(to)?;
    stream.write_all(format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes())?;
    let mut whole = String::new();
    stream.read_to_string(&mut whole)?;
    let (head, body) = whole
        .split_once("\r\n\r\n")
        .ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
