//! Connections that one worker accepts and another one serves.
//!
//! The kernel distributes new connections by a hash, whatever a worker has open. A worker that has
//! many more than the others ([`crate::slot::WorkerLoads`]) hands what it accepts over to the one
//! that has fewest. On its way the connection has its slot, so limits and a drain count it.

use std::io;
use std::net::TcpStream as StdStream;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::admitted::Admitted;
use crate::serve::Worker;
use crate::telemetry::panics::caught;
use crate::telemetry::summed;

/// The workers, as one of them sees them.
#[derive(Debug)]
pub struct Peers {
    own: usize,
    inboxes: Arc<[mpsc::UnboundedSender<HandedOver>]>,
}

/// Connections that are handed over to a worker.
#[derive(Debug)]
pub struct Inbox(mpsc::UnboundedReceiver<HandedOver>);

/// A connection that no runtime knows while it is on its way.
type HandedOver = Admitted<StdStream>;

/// For each worker the others, and its inbox.
pub fn peers(workers: usize) -> (impl Iterator<Item = Peers>, impl Iterator<Item = Inbox>) {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..workers).map(|_| mpsc::unbounded_channel()).unzip();
    let inboxes: Arc<[_]> = senders.into();
    let peers = (0..workers).map(move |own| Peers {
        own,
        inboxes: Arc::clone(&inboxes),
    });
    (peers, receivers.into_iter().map(Inbox))
}

impl Peers {
    /// The number of the worker itself.
    pub fn own(&self) -> usize {
        self.own
    }

    /// Hands a connection over to another worker. If that worker has stopped, it is served here.
    pub(super) fn hand_over(&self, to: usize, admitted: Admitted<TcpStream>, worker: &Rc<Worker>) {
        let sent = admitted.map(TcpStream::into_std).map(|admitted| {
            worker.metrics.handed_over.inc();
            self.inboxes[to].send(admitted)
        });
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(mpsc::error::SendError(admitted))) => receive(admitted, worker),
            Err(error) => note_error(&error),
        }
    }
}

/// Serves the connections that other workers hand over.
pub(super) async fn serve(mut inbox: Inbox, worker: Rc<Worker>) {
    while let Some(admitted) = inbox.0.recv().await {
        caught(|| receive(admitted, &worker));
    }
}

fn receive(admitted: HandedOver, worker: &Rc<Worker>) {
    match admitted.map(TcpStream::from_std) {
        Ok(admitted) => admitted.serve(worker),
        Err(error) => note_error(&error),
    }
}

/// The kernel lacks memory for another entry of epoll: the connection is closed.
fn note_error(error: &io::Error) {
    let error = error.to_string();
    summed("accept", "hand_over", move |times| {
        tracing::error!(
            times,
            error,
            "connections closed: they could not be handed over"
        );
    });
}
