//! A newer token for tunnels that are open, on whichever workers they are.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::Worker;
use crate::clock::UnixTime;
use crate::token::issuer::{Tag, Verified};

/// The way from any worker to all of them.
#[derive(Debug, Default)]
pub struct Renewals {
    /// Held for a push at the start, and for a renewal.
    workers: Mutex<Vec<mpsc::UnboundedSender<Renewal>>>,
}

/// Tunnels that were opened with one token may go on by another.
#[derive(Clone, Debug)]
pub struct Renewal {
    old: Tag,
    /// Shared on the way only: each worker makes a copy of its own.
    new: Arc<Verified>,
    /// Where each worker says how many of its tunnels that were.
    renewed: mpsc::UnboundedSender<usize>,
}

impl Renewals {
    /// Nobody takes part yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A worker takes part: what comes out is for [`follow`].
    pub fn join(&self) -> mpsc::UnboundedReceiver<Renewal> {
        let (sender, inbox) = mpsc::unbounded_channel();
        self.lock().push(sender);
        inbox
    }

    /// Has the tunnels of the old token go on by the new one, where their policies take it; how
    /// many did.
    pub(super) async fn renew(&self, old: Tag, new: &Verified) -> usize {
        let (renewed, mut counts) = mpsc::unbounded_channel();
        let renewal = Renewal {
            old,
            new: Arc::new(new.clone()),
            renewed,
        };
        // A worker that has ended has no tunnels.
        self.lock()
            .retain(|worker| worker.send(renewal.clone()).is_ok());
        drop(renewal);
        let mut sum = 0;
        while let Some(count) = counts.recv().await {
            sum += count;
        }
        sum
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<mpsc::UnboundedSender<Renewal>>> {
        // The list is consistent after every statement, so a panic elsewhere does not spoil it.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's part, for as long as it runs.
pub async fn follow(worker: Rc<Worker>, mut inbox: mpsc::UnboundedReceiver<Renewal>) {
    while let Some(renewal) = inbox.recv().await {
        let count = renew(&worker, &renewal);
        // Whoever asked may have gone.
        let _ = renewal.renewed.send(count);
    }
}

fn renew(worker: &Worker, renewal: &Renewal) -> usize {
    let (local, now, new) = (
        worker.local(),
        UnixTime::now(),
        Rc::new(Verified::clone(&renewal.new)),
    );
    // Handshakes too: what they become goes on by the newer token.
    worker.under_way.renew(renewal.old, &new, &local, now);
    let mut count = 0;
    worker.tunnels.each(|tunnel| {
        let permit = tunnel.permit();
        let has_old = permit
            .as_ref()
            .and_then(|permit| permit.token())
            .is_some_and(|token| token.tag == renewal.old);
        if has_old
            && !tunnel.is_being_closed()
            && let Some(permit) = local.judge_anew(tunnel, &new, now)
        {
            tunnel.renew(permit);
            count += 1;
        }
    });
    count
}
