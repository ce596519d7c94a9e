//! The `[limits]` table: how much one client, one request and one connection may use.

use std::fmt;
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
    /// Requests of one client; more get 429.
    pub requests_per_client: Rate,
    /// Invalid tokens of one client, such as guesses; more get 429.
    pub bad_tokens_per_client: Rate,
    /// Refused messages of one WebSocket; more close it with 1008.
    pub refusals_per_tunnel: Rate,
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
    /// How long requests and tunnels may go on after SIGTERM.
    pub drain: Duration,
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
            requests_per_client: Rate {
                events: 2_000,
                per: Duration::from_secs(1),
            },
            // More than a person pastes by mistake, and too few to guess a token.
            bad_tokens_per_client: Rate {
                events: 20,
                per: Duration::from_secs(60),
            },
            // A page that asks for what it may not do, and shows it, goes on; a search ends.
            refusals_per_tunnel: Rate {
                events: 20,
                per: Duration::from_secs(10),
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
            drain: Duration::from_secs(30),
        }
    }
}

/// A number of events per time, written `2000/s`, `300/m` or `50/10s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The number of events; at least one.
    pub events: u32,
    /// The time; never zero.
    pub per: Duration,
}

/// A token bucket in one number (GCRA): `full_at`, when all events are available again, in
/// microseconds of any clock.
impl Rate {
    /// Uses one event, and returns the new `full_at`.
    ///
    /// # Errors
    /// How long it takes until an event is available.
    pub fn take(self, full_at: u64, now: u64) -> Result<u64, Duration> {
        let room_until = now.saturating_add(self.window());
        let next = full_at.max(now).saturating_add(self.cost());
        if next <= room_until {
            Ok(next)
        } else {
            Err(Duration::from_micros(next - room_until))
        }
    }

    /// How many events are used.
    pub fn used(self, full_at: u64, now: u64) -> u32 {
        u32::try_from(full_at.saturating_sub(now).div_ceil(self.cost())).unwrap_or(u32::MAX)
    }

    fn window(self) -> u64 {
        u64::try_from(self.per.as_micros()).unwrap_or(u64::MAX)
    }

    fn cost(self) -> u64 {
        (self.window() / u64::from(self.events)).max(1)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {:?}", self.events, self.per)
    }
}
