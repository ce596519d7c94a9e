//! How fast a client may send messages over one tunnel.
//!
//! A client that sends faster is not closed: nothing more is read from it until its rate has room,
//! so that its socket fills up and it sends more slowly. Pings and the fragments of a message count
//! as well, since each of them is work.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep};

use crate::clock;
use crate::limits::Rate;

/// The shortest wait: a client that sends too fast wakes its tunnel no more often.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// What a client has used of its rate, and what it has sent beyond it.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    /// When all messages are available again, in microseconds since `since`.
    full_at: u64,
    since: Instant,
    /// The time in the same unit, when it was last looked at.
    now: u64,
    has_been_late: bool,
    late: Option<Late>,
}

/// What has been read of a client that has to wait.
#[derive(Debug)]
struct Late {
    rest: Vec<u8>,
    wait: Pin<Box<Sleep>>,
}

impl Pace {
    /// With all messages available.
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate,
            full_at: 0,
            since: clock::monotonic(),
            now: 0,
            has_been_late: false,
            late: None,
        }
    }

    /// Looks at the clock, for the bytes that have just been read.
    pub(super) fn look(&mut self) {
        let now = clock::monotonic().saturating_duration_since(self.since);
        self.now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
    }

    /// Whether the client may send one more message.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(super) fn check(&mut self) -> Result<(), Duration> {
        if self.rate.take_strictly(self.full_at, self.now).is_ok() {
            return Ok(());
        }
        // The messages before may have taken a while.
        self.look();
        let taken = self.rate.take_strictly(self.full_at, self.now);
        taken.map(drop)
    }

    /// Uses some messages, even if there are not as many.
    pub(super) fn spend(&mut self, messages: u32) {
        self.full_at = self.rate.spend(self.full_at, self.now, messages);
    }

    /// Keeps what the client has sent too early. Returns whether it is the first time.
    pub(super) fn hold(&mut self, rest: &[u8], wait: Duration) -> bool {
        self.late = Some(Late {
            rest: rest.to_vec(),
            wait: Box::pin(sleep(wait.max(SHORTEST_WAIT))),
        });
        !std::mem::replace(&mut self.has_been_late, true)
    }

    /// Whether the client has to wait.
    pub(super) fn is_waiting(&self) -> bool {
        self.late.is_some()
    }

    /// What the client has sent too early, if it has waited for long enough. If not, the task is
    /// woken when it has.
    pub(super) fn poll_late(&mut self, cx: &mut Context<'_>) -> Option<Vec<u8>> {
        let late = self.late.as_mut()?;
        let has_waited = late.wait.as_mut().poll(cx).is_ready();
        has_waited.then(|| self.take_late()).flatten()
    }

    /// The same at once.
    pub(super) fn take_late(&mut self) -> Option<Vec<u8>> {
        self.late.take().map(|late| late.rest)
    }
}
