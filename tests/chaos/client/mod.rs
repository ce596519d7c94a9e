//! Clients of a gateway, which say exactly where something went wrong.

pub(crate) mod frames;
pub(crate) mod h1;
pub(crate) mod h2;
mod stream;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What a client waits for, before it gives up: longer than any answer here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Where a gateway is, and what is trusted there.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    h1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
    /// Handshakes, and those of them that were resumptions.
    pub(crate) handshakes: AtomicUsize,
    pub(crate) resumed: AtomicUsize,
}

/// Why there is no complete response.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection, or no TLS.
    Connect(io::Error),
    /// The connection ended before a byte of a response.
    NoAnswer(String),
    /// It ended within a response, or what came is not one.
    Cut(String),
    /// Nothing came for [`PATIENCE`].
    TimedOut,
}

/// A response that has come to its end.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Door {
    /// To TLS on this port of loopback, with a CA's certificate in a file.
    pub(crate) fn new(port: u16, ca: &Path) -> Arc<Self> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(ca).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        let with = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        Arc::new(Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            h1: with(b"http/1.1"),
            h2: with(b"h2"),
            handshakes: AtomicUsize::new(0),
            resumed: AtomicUsize::new(0),
        })
    }

    /// From one of many addresses of loopback, as clients have addresses of their own.
    pub(crate) async fn tcp(&self, client: usize) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        let source = Ipv4Addr::new(127, 1, 0, u8::try_from(client % 200 + 1).unwrap());
        socket.bind((source, 0).into())?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub(crate) async fn h1(&self, client: usize) -> io::Result<TlsStream<TcpStream>> {
        self.tls(client, &self.h1).await
    }

    pub(crate) async fn h2(&self, client: usize) -> io::Result<TlsStream<TcpStream>> {
        self.tls(client, &self.h2).await
    }

    async fn tls(
        &self,
        client: usize,
        config: &Arc<ClientConfig>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let open = async {
            let tcp = self.tcp(client).await?;
            let name = ServerName::try_from("localhost").unwrap();
            TlsConnector::from(Arc::clone(config))
                .connect(name, tcp)
                .await
        };
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let stream = tokio::time::timeout(PATIENCE, open).await.map_err(late)??;
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
            self.resumed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(stream)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::NoAnswer(why) => write!(f, "no response: {why}"),
            Self::Cut(why) => write!(f, "half a response: {why}"),
            Self::TimedOut => write!(f, "nothing came for {PATIENCE:?}"),
        }
    }
}
