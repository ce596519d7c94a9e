//! An accepted connection.

use tokio::net::TcpStream;

use super::connection_guard::ConnectionGuard;
use super::handshake_places::Place;
use crate::addr::{Kind, PeerAddr};
use crate::overload::Overload;

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
    /// Its place among the handshakes, if it is to make one and has it already.
    pub place: Option<Place>,
    /// Why its requests are rejected, if it has come during an overload.
    pub overload: Option<Overload>,
    /// Whether the peer is a load balancer, which must send a PROXY header.
    pub expects_proxy_header: bool,
}
