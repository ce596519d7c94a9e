//! A worker's tick: deadlines, permissions that have expired, and what is gathered for the log.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use super::timer::Timer;
use crate::clock::{self, UnixTime};
use crate::serve::Worker;
use crate::serve::control::ConnControl;
use crate::telemetry;
use crate::telemetry::panics::caught;
use crate::tick::TICK;

/// Runs the ticks of a worker: two a second, or one while nothing happens.
pub(super) async fn run(worker: Rc<Worker>) {
    let (ticks, timer) = (&worker.ticks, Timer::new());
    let first = clock::monotonic() + until_next_second(clock::wall());
    let mut next = first;
    loop {
        timer.wait_until(next).await;
        let now = clock::monotonic();
        ticks.pulse().tick(now);
        clock::look();
        worker.note_lag(now.saturating_duration_since(next), now);
        ticks.advance();
        let is_idle = !ticks.was_used();
        caught(|| sweep(&worker, UnixTime::now()));
        // What the tick itself has asked for does not count.
        ticks.was_used();
        next = following(next, clock::monotonic());
        if is_idle && is_within_second(next - first) {
            let has_begun = tokio::select! {
                biased;
                has_begun = ticks.rest(next) => has_begun,
                () = timer.wait_until(next + TICK) => true,
            };
            if has_begun {
                next += TICK;
            }
        }
    }
}

/// Whether a tick, by its time after the first one, is not at the beginning of a second.
fn is_within_second(since_first: Duration) -> bool {
    !(since_first.as_millis() / TICK.as_millis()).is_multiple_of(2)
}

/// The tick after this one; ticks that have passed meanwhile are skipped.
fn following(tick: Instant, now: Instant) -> Instant {
    let late = now.saturating_duration_since(tick).as_millis() / TICK.as_millis();
    let skipped = u32::try_from(late).unwrap_or_default();
    tick + TICK * (skipped + 1)
}

fn sweep(worker: &Rc<Worker>, now: UnixTime) {
    let view = worker.view();
    let limits = &view.snapshot.limits;
    worker
        .connections
        .each(|connection| connection.sweep(limits));
    if worker.shared.memory.is_short() {
        worker.connections.each(ConnControl::close_if_idle);
    }
    worker.tunnels.each(|tunnel| tunnel.close_if_expired(now));
    worker.sweep_drain();
    if view.have_keys_changed() {
        worker.under_way.note_keys_changed();
        worker.judge_tunnels();
    }
    // A panic in one of these keeps none of the others from its turn.
    caught(|| worker.under_way.sweep(&view, now));
    caught(|| worker.recheck_logins());
    caught(|| view.sweep());
    let moment = clock::monotonic();
    caught(|| view.forget_sessions(worker.ticks.now(), moment));
    caught(|| worker.shared.refusal_floods.sweep(moment));
    caught(|| view.publish(&worker.metrics));
    worker.access.flush();
    telemetry::write_due();
}

/// Every other tick begins with a second of the wall clock. So do the expiry times of tokens, which
/// are therefore noticed at once.
fn until_next_second(now: SystemTime) -> Duration {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let elapsed = since.unwrap_or_default().subsec_nanos();
    Duration::from_secs(1) - Duration::from_nanos(elapsed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_keep_to_the_seconds_whatever_was_skipped() {
        let first = clock::monotonic();
        for (tick, late, next) in [
            (0, 0, 1),
            (0, 499, 1),
            (0, 500, 2),
            (1, 100, 2),
            (3, 2600, 9),
        ] {
            let now = first + TICK * tick + Duration::from_millis(late);
            assert_eq!(following(first + TICK * tick, now), first + TICK * next);
            assert_eq!(is_within_second(TICK * next), next % 2 == 1, "{next}");
        }
        let half_past = SystemTime::UNIX_EPOCH + Duration::from_millis(12_500);
        assert_eq!(until_next_second(half_past), TICK);
    }
}
