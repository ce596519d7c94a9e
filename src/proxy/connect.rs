//! Sockets to upstream servers: TCP, TLS, or a path in the file system.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::host::HostName;
use crate::resolve::Resolver;
use crate::route::upstream::{ServerAddr, UpstreamTls};
use crate::socket::{TlsTransport, socket_enum, watch_peer};

/// How long connecting may take in all: resolving the name, trying its addresses, and TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long each address is tried at least. Beyond that, time is left for the next addresses.
const LEAST_PER_ADDRESS: Duration = Duration::from_millis(500);

/// A socket to a server.
#[derive(Debug)]
pub enum UpstreamStream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP. Boxed: it is large, and most upstreams are plain.
    Tls(Box<TlsStream<TlsTransport>>),
    /// A Unix socket.
    Unix(UnixStream),
}

socket_enum!(UpstreamStream { Tcp, Tls, Unix });

/// How a server is reached.
#[derive(Clone)]
pub struct Connector {
    addr: ServerAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    resolver: Resolver,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// A connector to a server. `config` is used if the server speaks TLS.
    pub fn new(
        addr: ServerAddr,
        tls: &UpstreamTls,
        config: Option<&Arc<ClientConfig>>,
        resolver: &Resolver,
    ) -> Self {
        let name = match &addr {
            ServerAddr::Tcp {
                tls: true, host, ..
            } => Some(tls.server_name.as_ref().unwrap_or(host)),
            _ => None,
        };
        let tls = name.zip(config).and_then(|(name, config)| {
            let name = ServerName::try_from(name.as_str().to_owned()).ok()?;
            Some((TlsConnector::from(Arc::clone(config)), name))
        });
        Self {
            addr,
            tls,
            resolver: resolver.clone(),
        }
    }

    /// The server.
    pub fn addr(&self) -> &ServerAddr {
        &self.addr
    }

    /// Opens a socket, within [`CONNECT_TIMEOUT`].
    ///
    /// # Errors
    /// What was tried and how it failed.
    pub async fn connect(&self) -> Result<UpstreamStream, ConnectError> {
        let until = Instant::now() + CONNECT_TIMEOUT;
        match &self.addr {
            ServerAddr::Unix(path) => within(
                until,
                "no answer to the connection attempt",
                UnixStream::connect(path),
            )
            .await
            .map(UpstreamStream::Unix)
            .map_err(|source| ConnectError {
                tried: format!("unix:{}", path.display()),
                source,
            }),
            ServerAddr::Tcp { host, port, .. } => {
                let tcp = self.connect_tcp(host, *port, until).await?;
                self.secure(tcp, until).await
            }
        }
    }

    async fn secure(&self, tcp: TcpStream, until: Instant) -> Result<UpstreamStream, ConnectError> {
        let Some((connector, name)) = &self.tls else {
            return Ok(UpstreamStream::Tcp(tcp));
        };
        within(
            until,
            "no end to the TLS handshake",
            connector.connect(name.clone(), TlsTransport(tcp)),
        )
        .await
        .map(|tls| UpstreamStream::Tls(Box::new(tls)))
        .map_err(|error| ConnectError {
            tried: self.addr.to_string(),
            source: in_words(error),
        })
    }

    /// Tries every address of the host in turn.
    async fn connect_tcp(
        &self,
        host: &HostName,
        port: u16,
        until: Instant,
    ) -> Result<TcpStream, ConnectError> {
        let addrs = within(
            until,
            "no answer from the name server",
            self.resolve(host, port),
        )
        .await
        .map_err(|source| ConnectError {
            tried: format!("the name {host}"),
            source,
        })?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for (at, addr) in addrs.iter().enumerate() {
            let end = share(Instant::now(), until, addrs.len() - at);
            match within(
                end,
                "no answer to the connection attempt",
                TcpStream::connect(addr),
            )
            .await
            {
                Ok(stream) => {
                    let prepared = stream.set_nodelay(true).and_then(|()| watch_peer(&stream));
                    return prepared.map(|()| stream).map_err(|source| ConnectError {
                        tried: addr.to_string(),
                        source,
                    });
                }
                Err(error) => last = error,
            }
            if Instant::now() >= until {
                break;
            }
        }
        let tried = addrs
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        Err(ConnectError {
            tried,
            source: last,
        })
    }

    async fn resolve(&self, host: &HostName, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Some(ip) = host.ip() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let mut addrs = self.resolver.find(host.as_str()).await?.to_vec();
        addrs.iter_mut().for_each(|addr| addr.set_port(port));
        Ok(addrs)
    }
}

/// Until when to try an address, with `left` addresses left including this one.
fn share(now: Instant, until: Instant, left: usize) -> Instant {
    let part =
        until.saturating_duration_since(now) / u32::try_from(left.max(1)).unwrap_or(u32::MAX);
    until.min(now + part.max(LEAST_PER_ADDRESS))
}

async fn within<T>(
    until: Instant,
    late: &'static str,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    timeout_at(until, work)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, late)))
}

/// What the verifier of certificates says of a server.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct DistrustedServer(rustls::OtherError);

/// Takes the verifier's own words out of an error of the TLS library.
fn in_words(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::Other(why)) => io::Error::other(DistrustedServer(why.clone())),
        _ => error,
    }
}

/// Why there is no connection to a server.
#[derive(Debug, thiserror::Error)]
#[error("no connection (tried {tried})")]
pub struct ConnectError {
    tried: String,
    source: io::Error,
}

impl ConnectError {
    /// Whether the server was there and its certificate was not trusted.
    pub fn is_distrust(&self) -> bool {
        let error = self.source.get_ref();
        error.is_some_and(|error| error.is::<DistrustedServer>())
    }

    /// Whether the server was there and what it sent is not TLS.
    pub fn is_not_tls(&self) -> bool {
        let tls = self.source.get_ref().and_then(|error| error.downcast_ref());
        matches!(tls, Some(rustls::Error::InvalidMessage(_)))
    }

    /// Whether there was no answer in time.
    pub fn is_timeout(&self) -> bool {
        self.source.kind() == io::ErrorKind::TimedOut
    }

    /// The socket broke before it was used.
    pub fn broke(addr: &ServerAddr, source: io::Error) -> Self {
        Self {
            tried: addr.to_string(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_dead_leaves_time_for_the_next() {
        let now = Instant::now();
        let until = now + CONNECT_TIMEOUT;
        assert_eq!(share(now, until, 1), until);
        assert_eq!(share(now, until, 2), now + CONNECT_TIMEOUT / 2);
        assert_eq!(share(now, until, 100), now + LEAST_PER_ADDRESS);
        assert_eq!(share(until, until, 3), until);
    }
}
