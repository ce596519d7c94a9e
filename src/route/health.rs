//! Probes of the servers of an upstream: how they are made, and what they find out.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use http::uri::PathAndQuery;
use parking_lot::Mutex;

/// How the servers of an upstream are probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSpec {
    /// The time from the start of a probe to the start of the next.
    pub every: Duration,
    /// How long a server has for its answers.
    pub timeout: Duration,
    /// How many probes in a row must succeed until a server that was down is up.
    pub up_after: usize,
    /// How many probes in a row must fail until a server is down.
    pub down_after: usize,
    /// What a GET requests, where no protocol says it.
    pub path: Option<ProbePath>,
    /// The statuses that count as success; 2xx and 3xx if empty.
    pub statuses: Box<[StatusCode]>,
}

impl HealthSpec {
    /// The shortest time from one probe to the next.
    pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
}

impl Default for HealthSpec {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            up_after: 2,
            down_after: 3,
            path: None,
            statuses: Box::default(),
        }
    }
}

/// A path, perhaps with a query, exactly as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbePath(Box<str>);

impl ProbePath {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProbePath {
    type Err = BadProbePath;

    fn from_str(text: &str) -> Result<Self, BadProbePath> {
        if !text.starts_with('/') {
            return Err(BadProbePath::NoSlash);
        }
        if text.contains('#') {
            return Err(BadProbePath::Fragment);
        }
        match text.is_ascii() && text.parse::<PathAndQuery>().is_ok() {
            true => Ok(Self(text.into())),
            false => Err(BadProbePath::Character),
        }
    }
}

/// Why a text is no path. Displayed after the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProbePath {
    /// It has another beginning.
    #[error("does not begin with \"/\"")]
    NoSlash,
    /// It has a part that no server gets.
    #[error("has a fragment, which is not sent; take \"#\" and what follows it out")]
    Fragment,
    /// It has a character that has to be encoded.
    #[error("has a character that a URL cannot have; encode it with %")]
    Character,
}

/// What the probes of a server say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probed {
    /// The server is not probed, or has not been probed often enough to say.
    #[default]
    Unknown,
    /// It works.
    Up,
    /// It works for the sessions that it has and accepts no new ones.
    Full,
    /// It does not work.
    Down,
}

impl Probed {
    /// Each with its word on the status page and in metrics.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("unknown", Self::Unknown),
        ("up", Self::Up),
        ("full", Self::Full),
        ("down", Self::Down),
    ];

    /// The word on the status page and in metrics.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

/// What probes say of one server. Its prober writes it, and every worker reads it for each request.
#[derive(Debug, Default)]
pub struct ServerState {
    probed: AtomicU8,
    answers: AtomicU32,
    /// Locked by the prober and by the status listener.
    last: Mutex<Option<LastProbe>>,
}

/// The last probe of a server.
#[derive(Clone, Debug)]
pub struct LastProbe {
    /// When it ended.
    pub at: Instant,
    /// How long it took.
    pub took: Duration,
    /// What the server is, or what is wrong with it, in words.
    pub words: Arc<str>,
}

impl ServerState {
    /// What the probes say.
    pub fn probed(&self) -> Probed {
        Probed::NAMES[usize::from(self.probed.load(Ordering::Relaxed))].1
    }

    /// How many probes have succeeded, modulo 2³². Where this has changed since a connection
    /// failed, the server need not be left alone any longer.
    pub fn answers(&self) -> u32 {
        self.answers.load(Ordering::Relaxed)
    }

    /// The last probe, if there was one.
    pub fn last(&self) -> Option<LastProbe> {
        self.last.lock().clone()
    }

    /// Sets what the probes say.
    pub fn set(&self, probed: Probed) {
        self.probed.store(probed as u8, Ordering::Relaxed);
    }

    /// Notes a probe, and whether it has succeeded.
    pub fn note(&self, probe: LastProbe, is_answer: bool) {
        *self.last.lock() = Some(probe);
        if is_answer {
            // Only the prober writes it.
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Forgets what the probes have said: they have stopped.
    pub fn clear(&self) {
        self.set(Probed::Unknown);
        *self.last.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read() {
        let state = ServerState::default();
        assert_eq!((state.probed(), state.answers()), (Probed::Unknown, 0));
        for (name, probed) in Probed::NAMES {
            state.set(probed);
            assert_eq!((state.probed(), state.probed().name()), (probed, name));
        }
        let probe = LastProbe {
            at: Instant::now(),
            took: Duration::from_millis(3),
            words: "answers".into(),
        };
        state.note(probe.clone(), false);
        assert_eq!(state.answers(), 0);
        state.note(probe, true);
        assert_eq!(state.answers(), 1);
        assert_eq!(&*state.last().unwrap().words, "answers");
        state.clear();
        assert!(state.last().is_none());
        assert_eq!((state.probed(), state.answers()), (Probed::Unknown, 1));
    }
}
