//! The gateway's listeners: which there are to be, which are open already, and how the workers get
//! their sockets.

use std::net::SocketAddr;

use crate::listen::{Kind, ListenSpec, Listener};
use crate::worker::{ListenerKey, ListenerSocket};

/// A listener whose sockets the workers have.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenListener {
    pub(super) key: ListenerKey,
    pub(super) bound: SocketAddr,
}

impl From<&Listener> for OpenListener {
    fn from(listener: &Listener) -> Self {
        Self {
            key: (listener.kind, listener.addr),
            bound: listener.bound,
        }
    }
}

/// The listener of this key, if it is among these.
pub(super) fn find(listeners: &[OpenListener], key: ListenerKey) -> Option<&OpenListener> {
    listeners.iter().find(|listener| listener.key == key)
}

/// The listeners of a configuration, in its order.
pub(super) fn keys(listen: &ListenSpec) -> Vec<ListenerKey> {
    let https = listen.https.iter().map(|addr| (Kind::Https, *addr));
    let http = listen.http.iter().map(|addr| (Kind::Http, *addr));
    let plain = listen.plain.iter().map(|addr| (Kind::Plain, *addr));
    https.chain(http).chain(plain).collect()
}

/// How many workers a configuration asks for.
pub(super) fn worker_count(listen: &ListenSpec) -> usize {
    match listen.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

/// Distributes the sockets of listeners to the workers. Where a listener has fewer, the workers
/// that accept are others for each listener; where it has more, a worker has several.
pub(super) fn distribute(listeners: Vec<Listener>, workers: usize) -> Vec<Vec<ListenerSocket>> {
    let mut all: Vec<Vec<ListenerSocket>> = (0..workers).map(|_| Vec::new()).collect();
    for (at, listener) in listeners.into_iter().enumerate() {
        let key = (listener.kind, listener.addr);
        let first = if listener.sockets.len() < workers {
            at
        } else {
            0
        };
        for (number, socket) in listener.sockets.into_iter().enumerate() {
            all[(first + number) % workers].push(ListenerSocket { key, socket });
        }
    }
    all
}

/// Logs which listeners have been opened and closed.
pub(super) fn log_changes(old: &[OpenListener], new: &[OpenListener]) {
    for opened in new.iter().filter(|l| find(old, l.key).is_none()) {
        tracing::info!(address = %opened.bound, listener = %opened.key.0, "listening");
    }
    for closed in old.iter().filter(|l| find(new, l.key).is_none()) {
        tracing::info!(address = %closed.bound, listener = %closed.key.0, "no longer listening");
    }
}
