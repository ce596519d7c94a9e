//! The tick of a worker: deadlines, and what is judged again.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::UnixTime;
use crate::serve::Worker;
use crate::serve::snapshot::WorkerView;
use crate::tick::TICK;

/// The tick: deadlines, idle upstream connections, gathered log lines.
pub(super) async fn keep_time(worker: Rc<Worker>) {
    let mut interval =
        tokio::time::interval_at(Instant::now() + until_next_tick(SystemTime::now()), TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        worker.ticks.advance();
        let local = worker.local();
        worker
            .connections
            .each(|connection| connection.sweep(&local.snapshot.limits));
        let now = UnixTime::now();
        worker.tunnels.each(|tunnel| tunnel.judge_end(now));
        if local.have_keys_changed() {
            worker.under_way.note_keys_changed();
            judge_tunnels(&worker, &local);
        }
        worker.under_way.look(&local, now);
        local.sweep();
        local.publish(&worker.metrics);
        worker.access.flush();
        worker.report();
    }
}

/// Closes the tunnels that would not be let in today.
pub(super) fn judge_tunnels(worker: &Worker, local: &WorkerView) {
    worker.tunnels.each(|tunnel| {
        if let Some(order) = local.judge(tunnel) {
            tunnel.close(order);
        }
    });
}

/// Ticks begin with the seconds of the wall clock, as tokens end with them: what ends is noticed at
/// once.
fn until_next_tick(now: SystemTime) -> Duration {
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let gone = since.as_micros() % TICK.as_micros();
    TICK - Duration::from_micros(u64::try_from(gone).unwrap_or_default())
}
