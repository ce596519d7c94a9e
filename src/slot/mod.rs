//! What is counted, and limited, for each client and each server: connections, requests, sockets to
//! servers and open files.
//!
//! - A [`Slot`] is held by each client connection, from accept until the last byte of its last
//!   tunnel has gone.
//! - A [`SocketSlot`] is held by each socket to a server, an [`UpstreamUse`] by each request or
//!   tunnel that uses one.
//! - A [`QueuePlace`] is held by each request that waits for a socket to a server.
//! - A [`FileSlot`] is held by each open file.
//! - A [`UseSlot`] is held by each WebSocket and long poll of a client, a [`RouteSlot`] by each
//!   request on a route that limits them.
//! - A [`WorkerSlot`] is held by each client connection: new ones are distributed by these.
//!
//! Each is taken back when it is dropped.

mod client;
mod files;
mod full;
mod route_rates;
mod routes;
mod share;
mod slots;
mod sockets;
mod use_slot;
mod uses;
mod workers;

pub use client::{CountedClient, StreamSlot, UnreadShare, UpstreamUse};
pub use files::{FileSlot, OpenFiles};
pub use full::Full;
pub use routes::{RouteRoom, RouteRooms, RouteSlot};
pub use share::OverShare;
pub use slots::{Slot, Slots};
pub use sockets::{
    IdleCount, MaxConnections, NoRoom, QueuePlace, ServerRoom, SocketSlot, Sockets, Waiter,
};
pub use use_slot::UseSlot;
pub use uses::ClientUse;
pub use workers::{WorkerLoads, WorkerSlot};
