//! Open connections of each worker, by which new ones are distributed.

use std::sync::Arc;

use crate::sync::{AtomicUsize, Ordering};

/// Open connections of each worker. Written when a connection opens and closes, not by a request.
#[derive(Debug)]
pub struct WorkerLoads(Box<[Arc<Load>]>);

/// Alone on its cache lines: processors fetch them in pairs, and each worker writes its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Load(AtomicUsize);

/// One worker may have an eighth more connections than the mean. Where there are many, the kernel's
/// own distribution stays below that.
const DIVISOR: usize = 8;

/// And this many more: where there are few, handing one over costs more than it gives.
const MARGIN: usize = 2;

impl WorkerLoads {
    /// Without connections.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self((0..workers).map(|_| Arc::default()).collect()))
    }

    /// The worker that serves a connection which the worker `own` has accepted: another one if
    /// `own` has many more than the mean. `open` is how many connections all workers have, with
    /// this one.
    pub fn choose(&self, own: usize, open: usize) -> usize {
        let mean = open / self.0.len();
        if self.of(own) < mean + mean / DIVISOR + MARGIN {
            return own;
        }
        let least = (0..self.0.len()).min_by_key(|worker| self.of(*worker));
        least
            .filter(|least| self.of(*least) < self.of(own))
            .unwrap_or(own)
    }

    /// Counts a connection of a worker.
    pub fn count(&self, worker: usize) -> WorkerSlot {
        let load = Arc::clone(&self.0[worker]);
        load.0.fetch_add(1, Ordering::Relaxed);
        WorkerSlot(load)
    }

    fn of(&self, worker: usize) -> usize {
        self.0[worker].0.load(Ordering::Relaxed)
    }
}

/// One connection of a worker, counted until it is dropped.
#[derive(Debug)]
pub struct WorkerSlot(Arc<Load>);

impl Drop for WorkerSlot {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens connections, each accepted by the worker that `accepts` says.
    fn open(
        loads: &WorkerLoads,
        count: usize,
        accepts: impl Fn(usize) -> usize,
    ) -> Vec<WorkerSlot> {
        let open = || all(loads).iter().sum::<usize>() + 1;
        let place = |at| loads.count(loads.choose(accepts(at), open()));
        (0..count).map(place).collect()
    }

    fn all(loads: &WorkerLoads) -> Vec<usize> {
        (0..loads.0.len()).map(|worker| loads.of(worker)).collect()
    }

    #[test]
    fn no_worker_has_many_more_connections_than_the_mean_even_if_it_accepts_all() {
        let loads = WorkerLoads::new(8);
        let _open = open(&loads, 1000, |_| 3);
        let most = all(&loads).into_iter().max();
        assert!(
            most.is_some_and(|most| most <= 125 + 125 / 8 + 2),
            "{loads:?}"
        );
        assert_eq!(all(&loads).iter().sum::<usize>(), 1000);
    }

    #[test]
    fn a_worker_serves_what_it_accepts_while_loads_are_about_equal() {
        let loads = WorkerLoads::new(4);
        // Two more than the others have.
        let few = open(&loads, 2, |_| 1);
        assert_eq!(all(&loads), [0, 2, 0, 0]);
        drop(few);
        let _equal = open(&loads, 400, |at| at % 4);
        let _more = open(&loads, 12, |_| 2);
        assert_eq!(all(&loads), [100, 100, 112, 100]);
    }

    #[test]
    fn a_worker_whose_connections_have_closed_gets_new_ones() {
        let loads = WorkerLoads::new(2);
        let kept = open(&loads, 100, |at| at % 2);
        let kept: Vec<_> = kept.into_iter().step_by(2).collect();
        assert_eq!(all(&loads), [50, 0]);
        assert_eq!((loads.choose(0, 51), loads.choose(1, 51)), (1, 1));
        drop(kept);
        assert_eq!(all(&loads), [0, 0]);
    }

    #[test]
    fn one_worker_serves_everything() {
        let loads = WorkerLoads::new(1);
        let _open = open(&loads, 100, |_| 0);
        assert_eq!(all(&loads), [100]);
    }
}
