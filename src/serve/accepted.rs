//! An accepted connection.

use tokio::net::TcpStream;

use super::connection_guard::ConnectionGuard;
use crate::addr::{Kind, PeerAddr};

/// An accepted connection that has a slot.
#[derive(Debug)]
pub struct AcceptedConn {
    /// The socket.
    pub stream: TcpStream,
    /// The other end of the socket.
    pub peer: PeerAddr,
    /// What is spoken on the listener.
    pub kind: Kind,
    /// The port of the listener.
    pub port: u16,
    /// Its slot.
    pub slot: ConnectionGuard,
    /// Whether the peer is a load balancer, which must send a PROXY header.
    pub expects_proxy_header: bool,
}
