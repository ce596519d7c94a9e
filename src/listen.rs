//! Listening sockets: each listener has one for each worker.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use http::HeaderName;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

pub use crate::addr::Kind;
use crate::addr::{ListenAddr, NetworkSet, PeerAddr};
use crate::host::HostName;
use crate::socket::watch_peer;
use crate::telemetry::panics::caught;
use crate::telemetry::summed;

/// `[listen]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenSpec {
    /// TLS listeners.
    pub https: Vec<ListenAddr>,
    /// Plain listeners, which redirect.
    pub http: Vec<ListenAddr>,
    /// Plain listeners for proxies in front that end TLS.
    pub plain: Vec<ListenAddr>,
    /// Whether those serve any peer, and not only known proxies and this machine.
    pub plain_for_everybody: bool,
    /// The status listener: health, metrics and the status page, in plain HTTP.
    pub status: Option<ListenAddr>,
    /// Names that requests to the status listener may use, beside addresses and `localhost`.
    pub status_hosts: Vec<HostName>,
    /// The port that redirects name, if a port mapping makes it differ from the first TLS
    /// listener's.
    pub public_port: Option<u16>,
    /// Worker threads; 0 means one per core.
    pub workers: usize,
    /// Whether addresses are bound that no interface has yet.
    pub freebind: bool,
    /// Whether WebSockets are offered on streams of HTTP/2 (RFC 8441).
    pub h2_websockets: bool,
    /// The path at which health checks by address are answered.
    pub health_path: Option<Box<str>>,
    /// Networks of load balancers, which must send a PROXY header.
    pub proxy_protocol: NetworkSet,
    /// Networks of proxies whose `X-Forwarded-For` and `Forwarded` are believed.
    pub trusted_proxies: NetworkSet,
    /// The header field in which these proxies name the client by its address alone.
    pub client_address_header: Option<HeaderName>,
}

/// Connections that the kernel queues while a worker is busy.
const BACKLOG: i32 = 4096;

/// A listener: one socket for each worker. The kernel distributes connections among them.
#[derive(Debug)]
pub struct Listener {
    /// What is spoken on it.
    pub kind: Kind,
    /// The address as configured.
    pub addr: ListenAddr,
    /// The address as bound: with the port that the system chose, and IPv4 if the machine has no
    /// IPv6.
    pub bound: SocketAddr,
    /// One for each worker.
    pub sockets: Vec<StdListener>,
}

impl Listener {
    /// Binds an address.
    ///
    /// With SO_REUSEPORT a second gateway could bind the same port unnoticed, so the port is bound
    /// without it first, unless the address overlaps one of this gateway's own (`own`).
    ///
    /// With `freebind` the address need not exist yet.
    ///
    /// # Errors
    /// The address and the likely cause.
    pub fn bind(
        kind: Kind,
        addr: ListenAddr,
        workers: usize,
        own: &[ListenAddr],
        freebind: bool,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError { addr, source };
        let first = bind_one(addr, own, freebind)?;
        let bound = first.local_addr().map_err(failed)?;
        let mut sockets = vec![first];
        while sockets.len() < workers {
            sockets.push(socket(bound, true, freebind).map_err(failed)?);
        }
        Ok(Self {
            kind,
            addr,
            bound,
            sockets,
        })
    }
}

/// Binds one socket, by the rules of [`Listener::bind`].
///
/// # Errors
/// The address and the likely cause.
pub fn bind_one(
    addr: ListenAddr,
    own: &[ListenAddr],
    freebind: bool,
) -> Result<StdListener, BindError> {
    let failed = |source| BindError { addr, source };
    let wanted = usable(addr);
    if wanted.port() != 0 && !own.iter().any(|other| other.overlaps(ListenAddr(wanted))) {
        drop(socket(wanted, false, freebind).map_err(failed)?);
    }
    socket(wanted, true, freebind).map_err(failed)
}

/// On a machine without IPv6, `[::]` becomes `0.0.0.0`.
fn usable(addr: ListenAddr) -> SocketAddr {
    if addr.is_dual_stack() && Socket::new(Domain::IPV6, Type::STREAM, None).is_err() {
        tracing::warn!(%addr, "this machine has no IPv6: listening on 0.0.0.0 instead");
        return SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port());
    }
    addr.0
}

fn socket(addr: SocketAddr, shared: bool, freebind: bool) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    if freebind && addr.is_ipv6() {
        socket.set_freebind_v6(true)?;
    } else if freebind {
        socket.set_freebind_v4(true)?;
    }
    // Accepted sockets inherit these on Linux, which saves the calls for each.
    watch_peer(&socket)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&addr.into())?;
    if shared {
        socket.listen(BACKLOG)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// An address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}{}", cause(source, *addr))]
pub struct BindError {
    addr: ListenAddr,
    source: io::Error,
}

fn cause(error: &io::Error, addr: ListenAddr) -> impl fmt::Display {
    let port = addr.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                ": another process has the port, perhaps NGINX or a second ianitor; \
                 see `ss -ltnp sport = :{port}`"
            )
        }
        io::ErrorKind::PermissionDenied => format!(
            ": ports below 1024 need the capability CAP_NET_BIND_SERVICE (systemd: \
             AmbientCapabilities=), or a higher port than {port}"
        ),
        io::ErrorKind::AddrNotAvailable => {
            ": no interface of this machine has the address; see `ip addr`, or write \
             listen.freebind = true if it comes later"
                .to_owned()
        }
        _ => String::new(),
    }
}

/// The pause after an error such as a lack of descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);

/// Connections that are accepted before other tasks run. If thousands of clients connect at once,
/// the others wait in the kernel's queue, and requests are served in between.
const ACCEPTED_AT_ONCE: usize = 16;

/// Accepts connections until the future `stop` ends, then those that are still queued. Each is
/// left to the kernel's queue until there is `room` for it.
pub async fn accept(
    listener: TcpListener,
    room: impl AsyncFn(),
    handle: impl Fn(TcpStream, PeerAddr),
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    for number in 1_usize.. {
        let accepted = tokio::select! {
            accepted = next(&listener, &room) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            // A panic about one connection does not end the listener.
            Ok((stream, peer)) => drop(caught(|| handle(stream, PeerAddr::new(peer)))),
            Err(error) => after_error(&error).await,
        }
        if number.is_multiple_of(ACCEPTED_AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
    if let Err(error) = take_queued(listener, &handle) {
        tracing::warn!(%error, "connections that were queued on a closing listener may be lost");
    }
}

async fn next(
    listener: &TcpListener,
    room: &impl AsyncFn(),
) -> io::Result<(TcpStream, SocketAddr)> {
    room().await;
    listener.accept().await
}

/// Accepts the queued connections, which the kernel would reset when the socket is closed. The
/// kernel is asked directly, because the runtime may not know of the latest connection yet.
fn take_queued(listener: TcpListener, handle: &impl Fn(TcpStream, PeerAddr)) -> io::Result<()> {
    let listener = listener.into_std()?;
    for _ in 0..BACKLOG {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                let stream = TcpStream::from_std(stream)?;
                caught(|| handle(stream, PeerAddr::new(peer)));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Pauses after an error that would occur again at once. A peer that has closed its connection is
/// no reason to pause.
async fn after_error(error: &io::Error) {
    if is_peers_fault(error) {
        tracing::debug!(%error, "a connection was gone before it was accepted");
        return;
    }
    let text = error.to_string();
    summed("accept", "", move |times| {
        tracing::error!(
            times,
            error = text,
            "cannot accept connections; trying again (out of descriptors? see `ulimit -n`)"
        );
    });
    tokio::time::sleep(EXHAUSTED_PAUSE).await;
}

fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> ListenAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[test]
    fn each_worker_gets_a_socket_on_one_port() {
        let listener = Listener::bind(Kind::Https, local(), 3, &[], false).unwrap();
        assert_eq!(listener.sockets.len(), 3);
        assert!(
            listener
                .sockets
                .iter()
                .all(|s| s.local_addr().unwrap() == listener.bound)
        );
    }

    #[test]
    fn a_second_gateway_is_an_error_with_a_cause() {
        let first = Listener::bind(Kind::Https, local(), 2, &[], false).unwrap();
        let error = Listener::bind(Kind::Https, ListenAddr(first.bound), 2, &[], false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&first.bound.to_string()) && error.contains("another process"),
            "{error}"
        );
    }

    #[test]
    fn a_foreign_address_is_an_error_with_a_cause() {
        let error = Listener::bind(Kind::Http, "192.0.2.1:0".parse().unwrap(), 1, &[], false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no interface of this machine") && error.contains("listen.freebind"),
            "{error}"
        );
        for addr in ["192.0.2.1:0", "[2001:db8::1]:0"] {
            let bound = Listener::bind(Kind::Http, addr.parse().unwrap(), 2, &[], true);
            assert_eq!(bound.unwrap().sockets.len(), 2, "{addr}");
        }
    }

    #[test]
    fn accepted_sockets_have_the_options_of_their_listener() {
        let listener = Listener::bind(Kind::Https, local(), 2, &[], false).unwrap();
        for socket in &listener.sockets {
            socket.set_nonblocking(false).unwrap();
        }
        // Which of the sockets accepts it is the kernel's choice, so one is left.
        let socket = listener.sockets.into_iter().next_back().unwrap();
        let _client = std::net::TcpStream::connect(listener.bound).unwrap();
        let (accepted, _) = socket.accept().unwrap();
        let accepted = socket2::SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap());
        assert!(accepted.keepalive().unwrap());
        assert_eq!(
            accepted.tcp_keepalive_time().unwrap(),
            Duration::from_secs(30)
        );
        assert_eq!(
            accepted.tcp_keepalive_interval().unwrap(),
            Duration::from_secs(5)
        );
        let unacknowledged = Some(Duration::from_secs(60));
        assert_eq!(accepted.tcp_user_timeout().unwrap(), unacknowledged);
    }

    #[tokio::test]
    async fn what_is_queued_is_accepted_before_closing() {
        let listener = Listener::bind(Kind::Http, local(), 1, &[], false).unwrap();
        let clients: Vec<_> = (0..20)
            .map(|_| std::net::TcpStream::connect(listener.bound).unwrap())
            .collect();
        let socket = TcpListener::from_std(listener.sockets.into_iter().next().unwrap()).unwrap();
        let accepted = std::cell::Cell::new(0);
        accept(
            socket,
            async || {},
            |_, _| accepted.set(accepted.get() + 1),
            std::future::ready(()),
        )
        .await;
        assert_eq!(accepted.get(), clients.len());
    }
}
