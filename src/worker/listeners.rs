//! The listeners that a worker has open.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd as _;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::admit::admit;
use super::commands::{ListenerKey, ListenerSocket, SharedSocket};
use super::hand_over::Peers;
use crate::listen::{self, Kind};
use crate::serve::Worker;

/// A worker's open listeners. Each accepts until its sender is dropped.
pub(super) struct Listeners {
    worker: Rc<Worker>,
    peers: Rc<Peers>,
    open: HashMap<ListenerKey, Vec<Open>>,
    /// Sockets that accept nothing while another process shows that it works.
    paused: Vec<SharedSocket>,
}

/// A socket that accepts until this is dropped.
struct Open {
    _stop: oneshot::Sender<()>,
    /// Not held: the kernel resets what is queued on a socket when its last owner closes it.
    socket: Weak<TcpListener>,
}

impl Listeners {
    /// None is open yet.
    pub(super) fn new(worker: Rc<Worker>, peers: Peers) -> Self {
        Self {
            worker,
            peers: Rc::new(peers),
            open: HashMap::new(),
            paused: Vec::new(),
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
            listeners.push((key, port, Arc::new(TcpListener::from_std(socket)?)));
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
            let socket = Arc::downgrade(&listener);
            let handle = move |stream, peer| admit((stream, peer), (key.0, port), &worker, &peers);
            tokio::task::spawn_local(listen::accept(listener, room, handle, async {
                let _ = stopped.await;
            }));
            let open = Open {
                _stop: stop,
                socket,
            };
            self.open.entry(key).or_default().push(open);
        }
        Ok(())
    }

    /// The sockets, for another process.
    pub(super) fn share(&self) -> io::Result<Vec<SharedSocket>> {
        let mut all = Vec::new();
        for (key, open) in &self.open {
            for socket in open.iter().filter_map(|open| open.socket.upgrade()) {
                let socket = socket.as_fd().try_clone_to_owned()?;
                all.push(SharedSocket { key: *key, socket });
            }
        }
        Ok(all)
    }

    /// Accepts nothing for now. The sockets stay open: what is queued on them is not reset.
    pub(super) fn pause(&mut self) -> io::Result<()> {
        let sockets = self.share()?;
        self.paused.extend(sockets);
        self.keep(&[]);
        Ok(())
    }

    /// Accepts again after [`Listeners::pause`].
    pub(super) fn resume(&mut self) -> io::Result<()> {
        let sockets = self.paused.drain(..).map(|paused| ListenerSocket {
            key: paused.key,
            socket: paused.socket.into(),
        });
        let sockets = sockets.collect();
        self.open(sockets)
    }

    /// Closes all listeners.
    pub(super) fn close(&mut self) {
        self.paused.clear();
        self.keep(&[]);
    }

    /// Closes all listeners but these.
    pub(super) fn keep(&mut self, keep: &[ListenerKey]) {
        self.open.retain(|key, _| keep.contains(key));
    }
}
