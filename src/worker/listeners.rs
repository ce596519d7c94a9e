//! The listeners that a worker has open.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::admit::admit;
use super::commands::{ListenerKey, Share};
use super::sweep::judge_tunnels;
use crate::listen;
use crate::serve::Worker;
use crate::serve::snapshot::{Snapshot, Ways, WorkerView};

/// The worker's open listeners; dropping one's sender ends its accept loop.
pub(super) struct Doors {
    pub(super) worker: Rc<Worker>,
    pub(super) open: HashMap<ListenerKey, oneshot::Sender<()>>,
}

impl Doors {
    pub(super) fn open(&mut self, shares: Vec<Share>) -> io::Result<()> {
        let mut sockets = Vec::new();
        for share in shares {
            let port = share.socket.local_addr()?.port();
            sockets.push((share.key, port, TcpListener::from_std(share.socket)?));
        }
        for (key, port, socket) in sockets {
            let (stop, stopped) = oneshot::channel::<()>();
            let worker = Rc::clone(&self.worker);
            let handle = move |stream, peer| admit(stream, peer, key.0, port, &worker);
            tokio::task::spawn_local(listen::accept(socket, handle, async {
                let _ = stopped.await;
            }));
            self.open.insert(key, stop);
        }
        Ok(())
    }

    pub(super) fn reload(
        &mut self,
        snapshot: Arc<Snapshot>,
        open: Vec<Share>,
        keep: &[ListenerKey],
    ) -> io::Result<()> {
        self.open(open)?;
        let worker = &self.worker;
        worker
            .access
            .configure(snapshot.log.format, snapshot.log.access);
        let ways = Ways {
            ticks: &worker.ticks,
            sockets: &worker.sockets,
            resolver: &worker.resolver,
        };
        let local = WorkerView::new(snapshot, ways, &worker.metrics, Some(&worker.local()));
        *worker.local.borrow_mut() = local;
        self.open.retain(|key, _| keep.contains(key));
        judge_tunnels(worker, &worker.local());
        Ok(())
    }
}
