//! Sockets to upstream servers: TCP, TLS, or a path in the file system.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::host::HostName;
use crate::route::upstream::{ServerAddr, UpstreamTls};
use crate::socket::{socket_enum, watch_peer};

/// For one address of a server to take the connection, and for a TLS handshake with it.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A socket to a server.
#[derive(Debug)]
pub enum UpstreamStream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP. Boxed: it is large, and most upstreams are plain.
    Tls(Box<TlsStream<TcpStream>>),
    /// In the file system.
    Unix(UnixStream),
}

socket_enum!(UpstreamStream { Tcp, Tls, Unix });

/// How a server is reached.
#[derive(Clone)]
pub struct Connector {
    addr: ServerAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Connector {
    /// To a server; `config` says whom to trust where it speaks TLS.
    pub fn new(addr: ServerAddr, tls: &UpstreamTls, config: Option<&Arc<ClientConfig>>) -> Self {
        let name = match &addr {
            ServerAddr::Tcp { tls: true, host, .. } => Some(tls.server_name.as_ref().unwrap_or(host)),
            _ => None,
        };
        let tls = name.zip(config).and_then(|(name, config)| {
            let name = ServerName::try_from(name.as_str().to_owned()).ok()?;
            Some((TlsConnector::from(Arc::clone(config)), name))
        });
        Self { addr, tls }
    }

    /// The server.
    pub fn addr(&self) -> &ServerAddr {
        &self.addr
    }

    /// Opens a socket.
    ///
    /// # Errors
    /// What was tried and how it failed.
    pub async fn connect(&self) -> Result<UpstreamStream, ConnectError> {
        match &self.addr {
            ServerAddr::Unix(path) => UnixStream::connect(path)
                .await
                .map(UpstreamStream::Unix)
                .map_err(|source| ConnectError { tried: format!("unix:{}", path.display()), source }),
            ServerAddr::Tcp { host, port, .. } => {
                let tcp = connect_tcp(host, *port).await?;
                self.secure(tcp).await
            }
        }
    }

    async fn secure(&self, tcp: TcpStream) -> Result<UpstreamStream, ConnectError> {
        let Some((connector, name)) = &self.tls else { return Ok(UpstreamStream::Tcp(tcp)) };
        let handshake = tokio::time::timeout(CONNECT_TIMEOUT, connector.connect(name.clone(), tcp)).await;
        let late = || io::Error::new(io::ErrorKind::TimedOut, "no end to the TLS handshake");
        handshake
            .unwrap_or_else(|_| Err(late()))
            .map(|tls| UpstreamStream::Tls(Box::new(tls)))
            .map_err(|source| ConnectError { tried: self.addr.to_string(), source })
    }
}

/// Tries every address of the host in turn.
async fn connect_tcp(host: &HostName, port: u16) -> Result<TcpStream, ConnectError> {
    let addrs =
        resolve(host, port).await.map_err(|source| ConnectError { tried: format!("the name {host}"), source })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for addr in &addrs {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(addr)).await {
            Ok(Ok(stream)) => {
                let prepared = stream.set_nodelay(true).and_then(|()| watch_peer(&stream));
                return prepared.map(|()| stream).map_err(|source| ConnectError { tried: addr.to_string(), source });
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "no answer to the connection attempt"),
        }
    }
    let tried = addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(ConnectError { tried, source: last })
}

async fn resolve(host: &HostName, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host.ip() {
        Some(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        None => Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()),
    }
}

/// No connection: at the upstream's side or in between.
#[derive(Debug, thiserror::Error)]
#[error("no connection (tried {tried})")]
pub struct ConnectError {
    tried: String,
    source: io::Error,
}

impl ConnectError {
    /// The socket is there, HTTP is not to be had on it.
    pub(super) fn http(addr: &ServerAddr, error: hyper::Error) -> Self {
        Self::broke(addr, io::Error::other(error))
    }

    /// The socket broke before it was of any use.
    pub fn broke(addr: &ServerAddr, source: io::Error) -> Self {
        Self { tried: addr.to_string(), source }
    }
}
