//! A timer of the kernel. Each deadline wakes the worker once; a timer of the runtime wakes it two
//! or three times, to look at finer and finer intervals.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::clock;

/// A timer for one deadline at a time. `None` if the process had no descriptor left for it.
#[derive(Debug)]
pub(super) struct Timer(Option<AsyncFd<OwnedFd>>);

impl Timer {
    /// Must be called on a runtime.
    #[expect(
        deprecated,
        reason = "an OwnedFd stays open as long as it is registered; the new call is unsafe"
    )]
    pub(super) fn new() -> Self {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags);
        Self(timer.ok().and_then(|timer| AsyncFd::new(timer).ok()))
    }

    /// Waits for a moment, which may have passed.
    pub(super) async fn wait_until(&self, moment: Instant) {
        let wait = moment.saturating_duration_since(clock::monotonic());
        if wait.is_zero() {
            return;
        }
        let waited = match &self.0 {
            Some(timer) => sleep(timer, wait).await,
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        if waited.is_err() {
            tokio::time::sleep_until(moment.into()).await;
        }
    }
}

async fn sleep(timer: &AsyncFd<OwnedFd>, wait: Duration) -> io::Result<()> {
    let deadline = Itimerspec {
        it_interval: Timespec::default(),
        it_value: Timespec::try_from(wait).map_err(io::Error::other)?,
    };
    // This also forgets a deadline that has passed and was not waited for to the end.
    timerfd_settime(timer.get_ref(), TimerfdTimerFlags::empty(), &deadline)?;
    loop {
        let mut ready = timer.readable().await?;
        let mut count = [0; 8];
        let read = rustix::io::read(timer.get_ref(), &mut count);
        ready.clear_ready();
        if read != Err(rustix::io::Errno::AGAIN) {
            return read.map(drop).map_err(io::Error::from);
        }
    }
}
