//! The `[limits]` table: how much one client, one request and one connection may use.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::addr::{ClientAddr, NetworkSet};

/// `[limits]`. The defaults suit a signalling server whose clients may be a whole school behind one
/// address.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Open client connections, tunnels included.
    pub connections: usize,
    /// The same for one client: an IPv4 address or an IPv6 /64.
    pub connections_per_client: usize,
    /// TLS handshakes in progress.
    pub handshakes: usize,
    /// How much memory the process may have.
    pub memory: MemoryLimit,
    /// Requests of one client; more get 429.
    pub requests_per_client: Rate,
    /// Invalid tokens of one client, such as guesses; more get 429.
    pub bad_tokens_per_client: Rate,
    /// Open WebSockets of one client; more get 429.
    pub tunnels_per_client: usize,
    /// Open WebSockets of one subject of tokens; more get 429. `None`: no limit.
    pub tunnels_per_subject: Option<usize>,
    /// Long polls of one client that wait for an answer; more get 429.
    pub polls_per_client: usize,
    /// Refused messages of one WebSocket; more close it with 1008.
    pub refusals_per_tunnel: Rate,
    /// Messages of a client over one WebSocket whose messages are judged; it is read no faster.
    pub messages_per_tunnel: Rate,
    /// Networks to which the limits per client do not apply.
    pub exempt: NetworkSet,
    /// The time from the first byte of a request head, or of a TLS handshake, to the last.
    pub header_timeout: Duration,
    /// The time that a kept-alive connection may be idle between requests.
    pub idle_timeout: Duration,
    /// The largest request body in bytes, unless the route sets another limit.
    pub body: u64,
    /// Longest request target in bytes; more get 414.
    pub target: u64,
    /// Longest token in bytes; more get 401.
    pub token: u64,
    /// How long connections are still accepted after SIGTERM.
    pub drain_delay: Duration,
    /// How long requests and tunnels may go on after that.
    pub drain: Duration,
    /// How long tunnels may go on in a process that another one has replaced.
    pub drain_tunnels: Duration,
}

impl Limits {
    /// Whether the limits per client do not apply to this client.
    pub fn exempts(&self, client: ClientAddr) -> bool {
        self.exempt.contains(client)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 50_000,
            connections_per_client: 5_000,
            // Clients that all connect at once may be slow to send their first bytes.
            handshakes: 30_000,
            memory: MemoryLimit::OfCgroup,
            requests_per_client: Rate::new(2_000, Duration::from_secs(1)),
            // More than a person pastes by mistake, and too few to guess a token.
            bad_tokens_per_client: Rate::new(20, Duration::from_secs(60)),
            // As many as connections: each of them needs one, or a stream of HTTP/2.
            tunnels_per_client: 5_000,
            // All users of an application may share a subject.
            tunnels_per_subject: None,
            polls_per_client: 5_000,
            // A page that asks for what it may not do, and shows it, goes on; a search ends.
            refusals_per_tunnel: Rate::new(20, Duration::from_secs(10)),
            // An application server has the messages of all its users on one WebSocket. No media
            // server handles more for long; a class that joins at once is the burst.
            messages_per_tunnel: Rate {
                burst: NonZeroU32::new(20_000),
                ..Rate::new(2_000, Duration::from_secs(1))
            },
            // Local tools and health checks must work while other clients are being rejected.
            exempt: ["127.0.0.0/8", "::1"]
                .iter()
                .filter_map(|net| net.parse().ok())
                .collect(),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body: 1 << 20,
            // Tokens of a few KiB fit.
            target: 8 << 10,
            token: 8 << 10,
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(30),
            drain_tunnels: Duration::from_secs(24 * 3600),
        }
    }
}

/// How much memory the process may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// As much as its control group, if that has a limit.
    OfCgroup,
    /// As much as there is.
    Off,
    /// This many bytes.
    Bytes(u64),
}

/// A number of events per time, written `2000/s`, `300/m`, `50/10s` or `100/s burst 200`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The number of events; at least one.
    pub events: u32,
    /// The time; never zero.
    pub per: Duration,
    /// How many events may come at once; `None`: as many as in the time.
    pub burst: Option<NonZeroU32>,
}

/// A token bucket in one number (GCRA): `full_at`, when all events are available again, in
/// microseconds of any clock.
///
/// The bucket holds as many events as may come at once, and gets one more whenever an event's part
/// of the time has passed: `100/s` are 100 at once and then one every 10 ms, `100/s burst 200` are
/// 200 at once and then one every 10 ms.
impl Rate {
    /// A rate at which as many events may come at once as in the time.
    pub const fn new(events: u32, per: Duration) -> Self {
        Self {
            events,
            per,
            burst: None,
        }
    }

    /// Uses one event, and returns the new `full_at`. A bucket that lacks more than it can hold was
    /// used at a lower rate, before a reload: it counts as one with a single event left.
    ///
    /// # Errors
    /// How long it takes until an event is available.
    pub fn take(self, full_at: u64, now: u64) -> Result<u64, Duration> {
        // Threads that count at once may differ in what time it is.
        const APART: u64 = 1_000_000;
        let window = self.window();
        let most = now.saturating_add(window.saturating_mul(2).saturating_add(APART));
        if full_at > most {
            return Ok(now.saturating_add(window));
        }
        self.take_strictly(full_at, now)
    }

    /// The same for a bucket from which [`Self::spend`] takes more than it can hold.
    ///
    /// # Errors
    /// How long it takes until an event is available.
    pub fn take_strictly(self, full_at: u64, now: u64) -> Result<u64, Duration> {
        let room_until = now.saturating_add(self.window());
        let next = full_at.max(now).saturating_add(self.cost());
        if next <= room_until {
            Ok(next)
        } else {
            Err(Duration::from_micros(next - room_until))
        }
    }

    /// Uses some events, whether they are available or not, and returns the new `full_at`.
    pub fn spend(self, full_at: u64, now: u64, events: u32) -> u64 {
        let cost = self.cost().saturating_mul(u64::from(events));
        full_at.max(now).saturating_add(cost)
    }

    /// How many events are used.
    pub fn used(self, full_at: u64, now: u64) -> u32 {
        u32::try_from(full_at.saturating_sub(now).div_ceil(self.cost())).unwrap_or(u32::MAX)
    }

    /// How many events may come at once.
    pub fn at_once(self) -> u32 {
        self.burst.map_or(self.events, NonZeroU32::get)
    }

    /// How long it takes until an empty bucket is full, in microseconds.
    fn window(self) -> u64 {
        self.burst.map_or(self.time(), |burst| {
            self.cost().saturating_mul(u64::from(burst.get()))
        })
    }

    /// An event's part of the time, in microseconds.
    fn cost(self) -> u64 {
        (self.time() / u64::from(self.events)).max(1)
    }

    fn time(self) -> u64 {
        u64::try_from(self.per.as_micros()).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {:?}", self.events, self.per)?;
        match self.burst {
            Some(burst) => write!(f, ", {burst} at once"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn with_burst(burst: u32) -> Rate {
        Rate {
            burst: NonZeroU32::new(burst),
            ..Rate::new(100, SECOND)
        }
    }

    /// How many events pass that come at this moment.
    fn pass(rate: Rate, full_at: &mut u64, now: u64) -> usize {
        let take = || {
            *full_at = rate.take(*full_at, now).ok()?;
            Some(())
        };
        std::iter::from_fn(take).count()
    }

    #[test]
    fn as_many_events_pass_at_once_as_the_bucket_holds_and_then_the_rate() {
        for (rate, at_once) in [
            (Rate::new(100, SECOND), 100),
            (with_burst(100), 100),
            (with_burst(250), 250),
            (with_burst(5), 5),
            (with_burst(1), 1),
        ] {
            let mut full_at = 0;
            assert_eq!(pass(rate, &mut full_at, 1_000_000), at_once, "{rate}");
            assert_eq!(rate.at_once() as usize, at_once);
            assert_eq!(rate.used(full_at, 1_000_000) as usize, at_once);
            let wait = rate.take(full_at, 1_000_000).unwrap_err();
            assert_eq!(wait, Duration::from_millis(10), "{rate}");
            assert_eq!(pass(rate, &mut full_at, 1_009_999), 0, "{rate}");
            for tick in 1..=10 {
                assert_eq!(pass(rate, &mut full_at, 1_000_000 + tick * 10_000), 1);
            }
            // After a long pause it is full again, and no fuller.
            assert_eq!(pass(rate, &mut full_at, 90_000_000), at_once, "{rate}");
        }
    }

    #[test]
    fn without_a_burst_the_bucket_is_as_before() {
        // Of 7 a second, what the division leaves over is kept: not 7 times 142,857 microseconds.
        let rate = Rate::new(7, SECOND);
        let mut full_at = 0;
        assert_eq!(pass(rate, &mut full_at, 0), 7);
        assert_eq!(rate.take(full_at, 0), Err(Duration::from_micros(142_856)));
    }

    #[test]
    fn what_was_used_at_a_lower_rate_does_not_keep_a_client_out_at_a_higher_one() {
        let (hourly, now) = (Rate::new(3, 3 * 3600 * SECOND), 1_000_000);
        let mut full_at = 0;
        assert_eq!(pass(hourly, &mut full_at, now), 3);
        let (fast, used) = (Rate::new(100, SECOND), full_at);
        assert_eq!(pass(fast, &mut full_at, now), 1);
        assert_eq!(pass(fast, &mut full_at, now + 10_000), 1);
        assert_eq!(pass(fast, &mut full_at, now + 5_000_000), 100);
        // Threads that are a little apart find no more events than there are.
        let mut full_at = 0;
        pass(fast, &mut full_at, now + 1_900_000);
        assert_eq!(pass(fast, &mut full_at, now), 0);
        // Nor does a bucket that was spent beyond its end.
        assert!(fast.take_strictly(used, now).is_err());
    }

    #[test]
    fn rates_beyond_the_clock_do_not_overflow() {
        let rate = Rate {
            burst: NonZeroU32::new(u32::MAX),
            ..Rate::new(1, Duration::from_secs(366 * 86_400))
        };
        let mut full_at = 0;
        for _ in 0..3 {
            full_at = rate.take(full_at, u64::MAX / 2).unwrap();
        }
        let fast = Rate::new(u32::MAX, Duration::from_millis(1));
        assert!(fast.take(0, u64::MAX).is_ok());
    }
}
