//! The watchdog: a thread that notices workers that have stalled, and says in the log what they
//! were doing. It needs no runtime, which might have stalled as well.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock;
use crate::telemetry::metrics::WorkerMetrics;

/// How often the workers are looked at. They tick at least as often.
const PACE: Duration = Duration::from_secs(1);

/// A worker that has not ticked for this long has stalled. It is logged then, and again whenever
/// this time has doubled.
const STALLED: Duration = Duration::from_secs(5);

/// If the watchdog itself is late by this much, the process was stopped or the machine asleep, and
/// the workers have not had the time to tick.
const LATE: Duration = Duration::from_secs(2);

/// Watches the workers until it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches workers by their pulse.
    ///
    /// # Errors
    /// If the system does not start the thread.
    pub fn start(workers: Vec<Arc<WorkerMetrics>>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let mut watch = Watch::new(workers);
        let thread = std::thread::Builder::new().name("watchdog".to_owned());
        let thread = thread.spawn(move || {
            let mut last = clock::monotonic();
            while stopped.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
                let now = clock::monotonic();
                if now.saturating_duration_since(last) < PACE + LATE {
                    watch.look(now);
                }
                last = now;
            }
        })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If it has panicked, the log has that already.
            let _ = thread.join();
        }
    }
}

/// What the watchdog knows of each worker.
struct Watch(Vec<Watched>);

struct Watched {
    worker: Arc<WorkerMetrics>,
    number: usize,
    /// How long it had been silent when it was looked at last.
    silence: Duration,
    /// It is logged when it has been silent for this long.
    report: Duration,
}

impl Watch {
    fn new(workers: Vec<Arc<WorkerMetrics>>) -> Self {
        let watched = workers.into_iter().enumerate();
        let watched = watched.map(|(number, worker)| Watched {
            worker,
            number,
            silence: Duration::ZERO,
            report: STALLED,
        });
        Self(watched.collect())
    }

    fn look(&mut self, now: Instant) {
        for watched in &mut self.0 {
            watched.look(now);
        }
    }
}

impl Watched {
    fn look(&mut self, now: Instant) {
        let (pulse, worker) = (&self.worker.pulse, self.number);
        let silence = pulse.silence(now);
        if silence >= self.report {
            let (activity, state) = (pulse.activity(), pulse.thread_state());
            let seconds = silence.as_secs();
            tracing::error!(
                worker,
                activity,
                state,
                seconds,
                "a worker has stalled; its connections wait"
            );
            pulse.set_stalled(true);
            self.report = silence * 2;
        } else if silence < STALLED && self.report != STALLED {
            let seconds = self.silence.as_secs();
            tracing::warn!(worker, seconds, "a worker that had stalled goes on");
            pulse.set_stalled(false);
            self.report = STALLED;
        }
        self.silence = silence;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_reported_after_five_seconds_and_whenever_it_has_doubled() {
        let worker = WorkerMetrics::new();
        let mut watch = Watch::new(vec![Arc::clone(&worker)]);
        let start = clock::monotonic();
        worker.pulse.tick(start);
        let mut reports = Vec::new();
        for second in 1..=25 {
            let before = watch.0[0].report;
            watch.look(start + PACE * second);
            if watch.0[0].report != before {
                reports.push(second);
            }
        }
        assert_eq!(reports, [5, 10, 20]);
        assert!(worker.pulse.is_stalled());

        let now = start + PACE * 26;
        worker.pulse.tick(now);
        watch.look(now);
        assert_eq!(
            (worker.pulse.is_stalled(), worker.pulse.stalls()),
            (false, 1)
        );
        watch.look(now + STALLED);
        assert_eq!(
            (worker.pulse.is_stalled(), worker.pulse.stalls()),
            (true, 2)
        );
        worker.pulse.end();
        watch.look(now + STALLED * 9);
        assert!(!worker.pulse.is_stalled());
    }
}
