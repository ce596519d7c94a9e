//! The listeners that a worker has open.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::admit::admit;
use super::commands::{ListenerKey, ListenerSocket};
use super::hand_over::Peers;
use crate::listen::{self, Kind};
use crate::serve::Worker;

/// A worker's open listeners. Each accepts until its sender is dropped.
pub(super) struct Listeners {
    worker: Rc<Worker>,
    peers: Rc<Peers>,
    open: HashMap<ListenerKey, oneshot::Sender<()>>,
}

impl Listeners {
    /// None is open yet.
    pub(super) fn new(worker: Rc<Worker>, peers: Peers) -> Self {
        Self {
            worker,
            peers: Rc::new(peers),
            open: HashMap::new(),
        }
    }

    /// Accepts connections on all of these sockets, or on none of them.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends when its sender in `open` is dropped"
    )]
    pub(super) fn open(&mut self, sockets: Vec<ListenerSocket>) -> io::Result<()> {
        let mut listeners = Vec::new();
        for ListenerSocket { key, socket } in sockets {
            let port = socket.local_addr()?.port();
            listeners.push((key, port, TcpListener::from_std(socket)?));
        }
        for (key, port, listener) in listeners {
            let (stop, stopped) = oneshot::channel::<()>();
            let (worker, peers) = (Rc::clone(&self.worker), Rc::clone(&self.peers));
            let waiting = Rc::clone(&worker);
            let room = async move || {
                if key.0 == Kind::Https {
                    let most = || waiting.view().snapshot.limits.handshakes;
                    waiting.places.room(most).await;
                }
            };
            let handle = move |stream, peer| admit((stream, peer), (key.0, port), &worker, &peers);
            tokio::task::spawn_local(listen::accept(listener, room, handle, async {
                let _ = stopped.await;
            }));
            self.open.insert(key, stop);
        }
        Ok(())
    }

    /// Closes all listeners but these.
    pub(super) fn keep(&mut self, keep: &[ListenerKey]) {
        self.open.retain(|key, _| keep.contains(key));
    }
}
