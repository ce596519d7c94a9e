//! How a worker closes what it has open when the gateway is stopped: spread over time, so that not
//! all clients connect again in the same second.
//!
//! | | closed |
//! |---|---|
//! | idle connections | some on each tick, a hundred or more |
//! | long polls of Janus that are judged | answered at a random moment of the first half |
//! | WebSockets and TLS that is passed through | at a random moment of the last nine tenths |
//! | requests | when they have been answered, or at the end |

use std::time::Duration;

use crate::tick::{TICK, Tick};

/// The longest time over which tunnels are closed. Where they may go on for a day, no call should
/// end hours before.
const LONGEST_SPREAD: Duration = Duration::from_secs(600);

/// How many idle connections a worker closes on a tick at least. Most clients do not connect again
/// before they have something to ask.
const IDLE_PER_TICK: usize = 100;

/// How long things may go on once no more connections are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainTimes {
    /// Requests.
    pub requests: Duration,
    /// Tunnels.
    pub tunnels: Duration,
    /// Whether idle connections of HTTP/1.1 stay for as long as requests.
    pub keeps_idle: bool,
}

impl DrainTimes {
    /// How long all tunnels go on, before the first one is closed.
    pub fn before_closing(&self) -> Duration {
        self.tunnels - LONGEST_SPREAD.min(self.tunnels / 10 * 9)
    }
}

/// The ticks at which a worker closes what it has open.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrainPlan {
    polls: (Tick, Tick),
    /// When requests are cut.
    pub(super) requests: Tick,
    tunnels: (Tick, Tick),
    /// How many idle connections are closed on each tick.
    pub(super) idle_per_tick: usize,
    /// Until when idle connections of HTTP/1.1 stay.
    pub(super) idle: Tick,
}

impl DrainPlan {
    /// For a worker with this number of idle connections.
    pub(super) fn new(times: DrainTimes, now: Tick, idle: usize) -> Self {
        let at = |time: Duration| {
            let ticks = time.as_millis() / TICK.as_millis();
            now.saturating_add(Tick::try_from(ticks).unwrap_or(Tick::MAX))
        };
        let half = times.requests / 2;
        let ticks = usize::try_from(half.as_millis() / TICK.as_millis()).unwrap_or(usize::MAX);
        Self {
            polls: (now, at(half)),
            requests: at(times.requests),
            tunnels: (at(times.before_closing()), at(times.tunnels)),
            idle: if times.keeps_idle {
                at(times.requests)
            } else {
                now
            },
            idle_per_tick: idle.div_ceil(ticks.max(1)).max(IDLE_PER_TICK),
        }
    }

    /// When to answer a long poll.
    pub(super) fn poll_end(&self) -> Tick {
        between(self.polls)
    }

    /// When to close a tunnel.
    pub(super) fn tunnel_end(&self) -> Tick {
        between(self.tunnels)
    }
}

/// A random tick from the first to the last.
fn between((first, last): (Tick, Tick)) -> Tick {
    let mut bytes = [0; 4];
    // Without randomness all are closed at the same moment.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    let span = u64::from(last - first) + 1;
    let offset = (u64::from(u32::from_le_bytes(bytes)) * span) >> 32;
    first + Tick::try_from(offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(requests: u64, tunnels: u64, idle: usize) -> DrainPlan {
        let times = DrainTimes {
            requests: Duration::from_secs(requests),
            tunnels: Duration::from_secs(tunnels),
            keeps_idle: false,
        };
        DrainPlan::new(times, 100, idle)
    }

    #[test]
    fn tunnels_are_closed_in_the_last_nine_tenths_and_at_most_ten_minutes() {
        assert_eq!(plan(30, 30, 0).tunnels, (106, 160));
        assert_eq!(plan(0, 0, 0).tunnels, (100, 100));
        let day = 24 * 3600;
        assert_eq!(
            plan(30, day, 0).tunnels,
            (100 + 2 * 85_800, 100 + 2 * 86_400)
        );
    }

    #[test]
    fn idle_connections_are_closed_in_the_first_half_and_few_at_once() {
        assert_eq!(plan(30, 30, 50).idle_per_tick, IDLE_PER_TICK);
        assert_eq!(plan(30, 30, 9000).idle_per_tick, 300);
        assert_eq!(plan(0, 0, 9000).idle_per_tick, 9000);
    }

    #[test]
    fn random_moments_are_spread_over_the_whole_time() {
        let mut seen = [0; 10];
        for _ in 0..10_000 {
            seen[(between((20, 29)) - 20) as usize] += 1;
        }
        assert!(
            seen.iter().all(|count| (500..2000).contains(count)),
            "{seen:?}"
        );
        assert_eq!(between((7, 7)), 7);
        assert!(between((0, Tick::MAX)) > 0);
    }
}
