//! Listening sockets: each listener has one for each worker.

mod inherited;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

pub use inherited::{InheritError, Inherited, UPGRADE};

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
///
/// Of sockets that the process was started with there may be more, or fewer.
#[derive(Debug)]
pub struct Listener {
    /// What is spoken on it.
    pub kind: Kind,
    /// The address as configured.
    pub addr: ListenAddr,
    /// The address as bound: with the port that the system chose, and IPv4 if the machine has no
    /// IPv6.
    pub bound: SocketAddr,
    /// One for each worker, unless they are inherited.
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

    /// Makes a listener of sockets that the process was started with. All are used, or connections
    /// that the kernel has queued on the others would be lost. If there are fewer than workers,
    /// further ones are bound, unless the inherited ones cannot share their address, such as those
    /// of systemd: those of a socket unit belong to root, and only sockets of one user may share.
    /// Then the workers that have one accept, and hand connections over to the others: a socket
    /// that all workers wait on would wake all of them for each connection.
    ///
    /// # Errors
    /// The address, if an option cannot be set.
    pub fn adopt(
        kind: Kind,
        addr: ListenAddr,
        mut sockets: Vec<StdListener>,
        workers: usize,
        freebind: bool,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError { addr, source };
        let mut bound = addr.0;
        let mut is_shared = true;
        for inherited in &sockets {
            is_shared &= prepare_inherited(inherited).map_err(failed)?;
            bound = inherited.local_addr().map_err(failed)?;
        }
        if sockets.iter().any(is_ipv6_only) {
            tracing::warn!(
                %addr,
                "the inherited socket accepts no IPv4, as one of the gateway's own would; write \
                 BindIPv6Only=both into the socket unit"
            );
        }
        while is_shared && sockets.len() < workers {
            match socket(bound, true, freebind) {
                Ok(further) => sockets.push(further),
                Err(error) => {
                    tracing::debug!(%addr, %error, "workers share an inherited socket");
                    is_shared = false;
                }
            }
        }
        Ok(Self {
            kind,
            addr,
            bound,
            sockets,
        })
    }
}

/// Uses one socket that the process was started with, by the rules of [`Listener::adopt`].
///
/// # Errors
/// The address, if an option cannot be set.
pub fn adopt_one(addr: ListenAddr, inherited: StdListener) -> Result<StdListener, BindError> {
    prepare_inherited(&inherited).map_err(|source| BindError { addr, source })?;
    Ok(inherited)
}

/// Whether a socket of all addresses accepts those of IPv6 alone.
fn is_ipv6_only(socket: &StdListener) -> bool {
    let at = socket.local_addr();
    at.is_ok_and(|at| ListenAddr(at).is_dual_stack())
        && SockRef::from(socket).only_v6().unwrap_or(false)
}

/// Sets the options of an inherited socket as [`socket`] does, and says whether it shares its
/// address with others (`SO_REUSEPORT`).
fn prepare_inherited(inherited: &StdListener) -> io::Result<bool> {
    let socket = SockRef::from(inherited);
    watch_peer(inherited)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_cloexec(true)?;
    // A listening socket takes the new length of its queue.
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    socket.reuse_port()
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
/// left to the kernel's queue until there is `room` for it. Others may hold a [`std::sync::Weak`]
/// of the listener, to hand it over to another process.
pub async fn accept(
    listener: Arc<TcpListener>,
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
    let taken = Arc::into_inner(listener).map_or(Ok(()), |last| take_queued(last, &handle));
    if let Err(error) = taken {
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
mod tests;
