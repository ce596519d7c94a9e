//! A worker's tick: deadlines, permissions that have expired, and what is gathered for the log.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::{self, UnixTime};
use crate::serve::Worker;
use crate::telemetry;
use crate::tick::TICK;

/// Runs the ticks of a worker.
pub(super) async fn run(worker: Rc<Worker>) {
    let first = Instant::now() + until_next_tick(clock::wall());
    let mut interval = tokio::time::interval_at(first, TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        worker.ticks.advance();
        sweep(&worker, UnixTime::now());
    }
}

fn sweep(worker: &Worker, now: UnixTime) {
    let view = worker.view();
    let limits = &view.snapshot.limits;
    worker
        .connections
        .each(|connection| connection.sweep(limits));
    worker.tunnels.each(|tunnel| tunnel.close_if_expired(now));
    if view.have_keys_changed() {
        worker.under_way.note_keys_changed();
        worker.judge_tunnels();
    }
    worker.under_way.sweep(&view, now);
    view.sweep();
    let moment = clock::monotonic();
    view.forget_sessions(worker.ticks.now(), moment);
    worker.shared.refusal_floods.sweep(moment);
    view.publish(&worker.metrics);
    worker.access.flush();
    telemetry::write_due();
}

/// Ticks begin with the seconds of the wall clock. So do the expiry times of tokens, which are
/// therefore noticed at once.
fn until_next_tick(now: SystemTime) -> Duration {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let elapsed = since.unwrap_or_default().as_micros() % TICK.as_micros();
    TICK - Duration::from_micros(u64::try_from(elapsed).unwrap_or_default())
}
