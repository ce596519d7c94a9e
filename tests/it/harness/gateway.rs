//! The gateway inside the test's own process, on ports that the system chooses.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ianitor::config;
use ianitor::gateway::{Gateway, Running};
use ianitor::listen::Kind;
use ianitor::resolve::Resolver;
use ianitor::tls::CertCache;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

use super::{Client, Config, DEADLINE, Dial, eventually};

/// A running gateway; it is stopped on drop.
#[derive(Debug)]
pub(crate) struct TestGateway {
    running: Option<Running>,
    control: Runtime,
    folder: TempDir,
    pub(crate) access: AccessLog,
    _guard: WorkerGuard,
}

impl TestGateway {
    pub(crate) fn start(config: &Config) -> Self {
        Self::start_text(&config.text())
    }

    /// With a whole file.
    pub(crate) fn start_text(text: &str) -> Self {
        Self::start_with(text, CertCache::new(), |_| {})
    }

    /// With names that are looked up by this function instead of the system's resolver.
    pub(crate) fn start_resolving(
        config: &Config,
        look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::bind(parsed(folder.path(), &config.text())).unwrap();
        Self::run(folder, gateway.resolve_by(Resolver::new(look_up)))
    }

    /// With certificates that are there already, and a configuration that is adjusted once it is
    /// read.
    pub(crate) fn start_with(
        text: &str,
        cache: Arc<CertCache>,
        adjust: impl FnOnce(&mut config::Config),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = parsed(folder.path(), text);
        adjust(&mut config);
        Self::run(folder, Gateway::bind_with(config, cache).unwrap())
    }

    fn run(folder: TempDir, gateway: Gateway) -> Self {
        let access = AccessLog::default();
        let (writer, guard) = NonBlockingBuilder::default()
            .lossy(false)
            .finish(access.clone());
        let control = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let entered = control.enter();
        let running = Some(gateway.start(Some(writer)).unwrap());
        drop(entered);
        Self {
            running,
            control,
            folder,
            access,
            _guard: guard,
        }
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn https(&self) -> SocketAddr {
        self.running().addresses(Kind::Https).next().unwrap()
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.running().addresses(Kind::Http).next().unwrap()
    }

    /// A way in, to be adjusted.
    pub(crate) fn dial(&self) -> Dial {
        Dial::new(self.https(), trusted(self.folder.path()))
    }

    /// A way in for a client that takes any certificate.
    pub(crate) fn dial_blindly(&self) -> Dial {
        Dial::new(self.https(), RootCertStore::empty()).blind()
    }

    /// An HTTP/1.1 client.
    pub(crate) fn client(&self) -> Client {
        self.dial().h1()
    }

    pub(crate) fn reload(&mut self, config: &Config) {
        self.reload_text(&config.text());
    }

    /// Takes up a whole file.
    pub(crate) fn reload_text(&mut self, text: &str) {
        let config = parsed(self.folder.path(), text);
        let running = self.running.as_mut().unwrap();
        self.control.block_on(running.reload(config, None)).unwrap();
    }

    /// Where its files lie.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A way in for a client that trusts this certificate only.
    pub(crate) fn dial_trusting(&self, pem: &str) -> Dial {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
            .unwrap();
        Dial::new(self.https(), roots)
    }

    /// Has the gateway look at its certificates on disk.
    pub(crate) fn follow_files(&mut self) {
        let running = self.running.as_mut().unwrap();
        self.control.block_on(running.follow_files());
    }

    /// Has the gateway take up what is in the certificate cache.
    pub(crate) fn follow_cert_cache(&mut self) {
        let running = self.running.as_mut().unwrap();
        self.control.block_on(running.follow_certificates());
    }

    /// What the status listener answers. It is served by the control, which runs only while it is
    /// asked something.
    pub(crate) fn status(&self, path: &str) -> (u16, String) {
        self.status_of(path, "Host: localhost\r\n")
    }

    /// The same with other lines in place of `Host`.
    pub(crate) fn status_of(&self, target: &str, lines: &str) -> (u16, String) {
        let address = self.running().status_address().unwrap();
        let request = format!("GET {target} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n");
        let answer = self.control.block_on(async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
                .await
                .unwrap();
            let mut answer = String::new();
            tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer))
                .await
                .unwrap()
                .unwrap();
            answer
        });
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            body.to_owned(),
        )
    }

    /// Drains; how many connections were cut.
    pub(crate) fn drain(&self) -> usize {
        let running = self.running();
        self.control
            .block_on(running.drain(running.drain_to_stop()))
    }

    /// Waits until every slot has been given back.
    #[track_caller]
    pub(crate) fn is_left_by_all(&self) {
        eventually("all slots given back", || self.running().connections() == 0);
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

fn parsed(folder: &Path, text: &str) -> config::Config {
    config::parse(&folder.join("gateway.toml"), text)
        .unwrap_or_else(|report| panic!("{report}\n{text}"))
        .config
}

/// The CA that a gateway has made beside its configuration.
pub(crate) fn trusted(folder: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(folder.join("certs/ca.pem")).unwrap())
        .unwrap();
    roots
}

/// What the gateway wrote to its access log.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessLog(Arc<Mutex<Vec<u8>>>);

impl AccessLog {
    /// The lines, once there are this many.
    #[track_caller]
    pub(crate) fn lines(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} access lines"), || {
            self.now().len() >= count
        });
        let lines = self.now();
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }

    /// Forgets what has been written.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// The lines there are.
    pub(crate) fn now(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone())
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

impl Write for AccessLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
