//! Signs of life of a worker: when it last ticked, and what it has been doing since. Its thread
//! writes them, the watchdog reads them.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock;

/// What a worker does, as far as the log names it if the worker stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Activity {
    /// It is about to open its listeners.
    Start,
    /// A connection that was accepted just now.
    Accept,
    /// The start of a TLS handshake.
    Handshake,
    /// Requests of a connection.
    Requests,
    /// A tunnel.
    Tunnel,
    /// A command of the control runtime, such as a reload.
    Command,
    /// Its tick: deadlines, and permissions that have expired.
    Tick,
}

impl Activity {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Start, "start"),
        (Self::Accept, "accept"),
        (Self::Handshake, "handshake"),
        (Self::Requests, "requests"),
        (Self::Tunnel, "tunnel"),
        (Self::Command, "command"),
        (Self::Tick, "tick"),
    ];
}

/// The signs of life of one worker, alone on their cache lines.
#[derive(Debug)]
#[repr(align(128))]
pub struct Pulse {
    started: Instant,
    /// The time of the last tick, in milliseconds since `started`; `ENDED` after the last one.
    ticked: AtomicU64,
    activity: AtomicU8,
    /// The kernel's number of the thread; 0 if it is not known.
    thread: AtomicU32,
    is_stalled: AtomicBool,
    stalls: AtomicU64,
}

const ENDED: u64 = u64::MAX;

impl Default for Pulse {
    fn default() -> Self {
        Self {
            started: clock::monotonic(),
            ticked: AtomicU64::new(0),
            activity: AtomicU8::new(Activity::Start as u8),
            thread: AtomicU32::new(0),
            is_stalled: AtomicBool::new(false),
            stalls: AtomicU64::new(0),
        }
    }
}

impl Pulse {
    /// Notes which thread is the worker's. It calls this itself.
    pub fn set_thread(&self) {
        // "PID/task/TID".
        let link = fs::read_link("/proc/thread-self").unwrap_or_default();
        let id = link
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        self.thread.store(id.unwrap_or(0), Ordering::Relaxed);
    }

    /// Notes what the worker does from now on.
    #[inline]
    pub fn note(&self, activity: Activity) {
        self.activity.store(activity as u8, Ordering::Relaxed);
    }

    /// Notes a tick.
    pub fn tick(&self, now: Instant) {
        self.note(Activity::Tick);
        self.ticked.store(self.millis(now), Ordering::Relaxed);
    }

    /// Notes that the worker ends, and will not tick any more.
    pub fn end(&self) {
        self.ticked.store(ENDED, Ordering::Relaxed);
    }

    /// The time since the last tick; zero if the worker has ended.
    pub fn silence(&self, now: Instant) -> Duration {
        let ticked = self.ticked.load(Ordering::Relaxed);
        Duration::from_millis(self.millis(now).saturating_sub(ticked))
    }

    /// The name of what the worker does.
    pub fn activity(&self) -> &'static str {
        let activity = self.activity.load(Ordering::Relaxed);
        let mut all = Activity::ALL.into_iter();
        all.find(|(one, _)| *one as u8 == activity)
            .map_or("", |(_, name)| name)
    }

    /// What the kernel says that the thread does, if it is known.
    pub fn thread_state(&self) -> Option<&'static str> {
        let thread = self.thread.load(Ordering::Relaxed);
        let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?;
        // The name before it is in brackets, and may contain any others.
        match stat.rsplit_once(") ")?.1.as_bytes().first()? {
            b'R' => Some("running"),
            b'S' => Some("waiting"),
            b'D' => Some("waiting for a disk"),
            b'T' | b't' => Some("stopped"),
            _ => None,
        }
    }

    /// Notes whether the worker has stalled, and counts each time that it has.
    pub fn set_stalled(&self, is_stalled: bool) {
        if !self.is_stalled.swap(is_stalled, Ordering::Relaxed) && is_stalled {
            self.stalls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the worker has stalled, as the watchdog saw it last.
    pub fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::Relaxed)
    }

    /// How often the worker has stalled.
    pub fn stalls(&self) -> u64 {
        self.stalls.load(Ordering::Relaxed)
    }

    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.started);
        u64::try_from(since.as_millis()).unwrap_or(ENDED - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_begins_with_each_tick_and_ends_with_the_worker() {
        let pulse = Pulse::default();
        let later = |seconds| pulse.started + Duration::from_secs(seconds);
        assert_eq!(pulse.silence(later(3)), Duration::from_secs(3));
        pulse.tick(later(4));
        assert_eq!(pulse.silence(later(9)), Duration::from_secs(5));
        pulse.end();
        assert_eq!(pulse.silence(later(90)), Duration::ZERO);
    }

    #[test]
    fn the_activity_and_the_state_of_the_thread_have_names() {
        let pulse = Pulse::default();
        assert_eq!((pulse.activity(), pulse.thread_state()), ("start", None));
        pulse.set_thread();
        assert_eq!(pulse.thread_state(), Some("running"));
        for (activity, name) in Activity::ALL {
            pulse.note(activity);
            assert_eq!(pulse.activity(), name);
        }
    }
}
