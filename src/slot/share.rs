//! A client's share of the sockets to servers.
//!
//! A share depends on how much is still free, so there is room for each client that comes later. A
//! client that is alone gets a fixed part of all.

use super::client::{CountedClient, UpstreamUse};
use super::sockets::{MaxConnections, ServerRoom, Sockets};
use crate::sync::Ordering;

/// One client may have a third of what is free: a quarter of all, if the others have none.
const CLIENT_DIVISOR: usize = 3;

/// The client has its share of a server's connections, or of the gateway's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has its share of the connections already")]
pub struct OverShare;

impl CountedClient {
    /// Counts a request or tunnel that is about to go to a server.
    ///
    /// # Errors
    /// If the client has its share already.
    pub fn enter(
        &self,
        room: &ServerRoom,
        max: MaxConnections,
        is_tunnel: bool,
    ) -> Result<UpstreamUse, OverShare> {
        let Some(client) = &self.0 else {
            return Ok(UpstreamUse::exempt());
        };
        let most = max.of(is_tunnel);
        // Counted first and judged afterwards: if it is rejected, dropping it takes it back.
        let (entered, of_all, of_server) = UpstreamUse::count(client, most.map(|_| room.number));
        let is_over = most.is_some_and(|most| is_over_share_of_server(room, of_server, max, most));
        if is_over || is_over_share_of_all(&room.sockets, of_all) {
            Err(OverShare)
        } else {
            Ok(entered)
        }
    }
}

/// A client may have as many as are still free: half of all, if the others have none. Idle
/// connections count as free, because they can be closed at once.
fn is_over_share_of_server(
    room: &ServerRoom,
    mine: usize,
    max: MaxConnections,
    most: usize,
) -> bool {
    let counted = room.counted(room.open.load(Ordering::Relaxed), max);
    // Most clients have so few that the idle connections need not be summed up.
    if mine <= most / 16 && mine < most.saturating_sub(counted) {
        return false;
    }
    // Idle before open: a connection that is closed in between must not look busy.
    let idle = room.idle();
    let busy = room
        .counted(room.open.load(Ordering::Relaxed), max)
        .saturating_sub(idle);
    mine > 0 && mine >= most.saturating_sub(busy)
}

fn is_over_share_of_all(sockets: &Sockets, mine: usize) -> bool {
    let (most, open) = (sockets.most(), sockets.open.load(Ordering::Relaxed));
    if mine <= most / 64 && mine.saturating_mul(CLIENT_DIVISOR) < most.saturating_sub(open) {
        return false;
    }
    mine > 0 && mine.saturating_mul(CLIENT_DIVISOR) >= sockets.free()
}

#[cfg(test)]
mod tests;
