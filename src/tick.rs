//! Coarse time for deadlines: each worker checks all of them once a tick, instead of having a timer
//! for each request.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::clock;
use crate::pulse::Pulse;

/// How often deadlines are checked while anything happens, and so how late they may be noticed.
pub const TICK: Duration = Duration::from_millis(500);

/// A moment, counted in [`TICK`]s since the worker started.
pub type Tick = u32;

/// The clock of one worker and the alarms set by it.
#[derive(Debug, Default)]
pub struct Ticks {
    now: Cell<Tick>,
    /// Whether anything has asked for the time since [`Self::was_used`].
    used: Cell<bool>,
    is_resting: Cell<bool>,
    rest: RefCell<Option<Rest>>,
    alarms: RefCell<Slab<AlarmEntry>>,
    pulse: Arc<Pulse>,
}

/// A tick that is left out because nothing asks for the time.
#[derive(Debug)]
struct Rest {
    /// When that tick begins.
    at: Instant,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct AlarmEntry {
    due: Tick,
    waker: Option<Waker>,
}

impl Ticks {
    /// A clock at tick zero.
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    /// A clock at tick zero, of a worker whose signs of life are read elsewhere.
    pub fn of(pulse: Arc<Pulse>) -> Rc<Self> {
        Rc::new(Self {
            pulse,
            ..Self::default()
        })
    }

    /// The signs of life of the worker.
    #[inline]
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// The current tick.
    pub fn now(&self) -> Tick {
        self.used.set(true);
        if self.is_resting.get() {
            self.end_rest(clock::monotonic());
        }
        self.now.get()
    }

    /// Whether anything has asked for the time since the last call of this function.
    pub fn was_used(&self) -> bool {
        self.used.replace(false)
    }

    /// Leaves out the tick that begins at this moment, unless an alarm goes off then. While nothing
    /// asks for the time, deadlines need not be checked as often.
    ///
    /// The future ends early as soon as the time is asked for, and returns whether the tick that
    /// was to be left out has begun by then. If it is dropped before, the tick was left out.
    pub async fn rest(&self, at: Instant) -> bool {
        let next = self.now.get().saturating_add(1);
        let is_due = |(_, entry): (_, &AlarmEntry)| entry.due <= next;
        if self.alarms.borrow().iter().any(is_due) {
            return false;
        }
        self.is_resting.set(true);
        *self.rest.borrow_mut() = Some(Rest { at, waker: None });
        poll_fn(|cx| match &mut *self.rest.borrow_mut() {
            Some(rest) => {
                rest.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        })
        .await;
        self.now.get() == next
    }

    fn end_rest(&self, moment: Instant) {
        self.is_resting.set(false);
        let Some(rest) = self.rest.take() else { return };
        if moment >= rest.at {
            self.now.set(self.now.get().saturating_add(1));
        }
        if let Some(waker) = rest.waker {
            waker.wake();
        }
    }

    /// The first tick by which at least this much time has passed.
    pub fn after(&self, wait: Duration) -> Tick {
        Self::later(self.now(), wait)
    }

    /// The first tick by which at least this much time has passed since another tick.
    pub fn later(since: Tick, wait: Duration) -> Tick {
        let ticks = wait.as_millis().div_ceil(TICK.as_millis());
        // One more, because part of that tick had passed already.
        since
            .saturating_add(Tick::try_from(ticks).unwrap_or(Tick::MAX))
            .saturating_add(1)
    }

    /// Moves the clock by one tick, or by two if one was left out, and wakes the tasks whose alarms
    /// are due.
    pub fn advance(&self) {
        let left_out = self.is_resting.replace(false) && self.rest.take().is_some();
        let now = self.now.get().saturating_add(1 + Tick::from(left_out));
        self.now.set(now);
        let mut due = Vec::new();
        for (_, entry) in self.alarms.borrow_mut().iter_mut() {
            if entry.due <= now {
                due.extend(entry.waker.take());
            }
        }
        // Woken outside the borrow: a waker may run code that drops an alarm.
        due.into_iter().for_each(Waker::wake);
    }

    /// Waits for the next tick.
    pub async fn next(self: &Rc<Self>) {
        let next = self.alarm(Duration::ZERO);
        poll_fn(|cx| {
            if next.is_due(cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// An alarm that goes off after this much time.
    pub fn alarm(self: &Rc<Self>, wait: Duration) -> Alarm {
        let due = self.after(wait);
        let key = self
            .alarms
            .borrow_mut()
            .insert(AlarmEntry { due, waker: None });
        Alarm {
            ticks: Rc::clone(self),
            key,
            due: Cell::new(due),
        }
    }
}

/// One deadline, until it is dropped.
#[derive(Debug)]
pub struct Alarm {
    ticks: Rc<Ticks>,
    key: usize,
    due: Cell<Tick>,
}

impl Alarm {
    /// Whether the deadline has passed. If not, the task is woken when it does.
    pub fn is_due(&self, cx: &Context<'_>) -> bool {
        if self.due.get() <= self.ticks.now() {
            return true;
        }
        let mut alarms = self.ticks.alarms.borrow_mut();
        let waker = &mut alarms[self.key].waker;
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        false
    }

    /// The tick at which it goes off.
    pub fn due(&self) -> Tick {
        self.due.get()
    }

    /// Sets it to this much time from now.
    pub fn reset(&self, wait: Duration) {
        self.put_off(self.ticks.after(wait));
    }

    /// Sets it to a tick.
    pub fn put_off(&self, due: Tick) {
        if self.due.replace(due) != due {
            self.ticks.alarms.borrow_mut()[self.key].due = due;
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.ticks.alarms.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_alarm_never_goes_off_early_and_wakes_once() {
        let (ticks, count) = (Ticks::new(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        let alarm = ticks.alarm(TICK * 2);
        for _ in 0..2 {
            assert!(!alarm.is_due(&cx));
            ticks.advance();
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert!(!alarm.is_due(&cx));
        ticks.advance();
        assert!(alarm.is_due(&cx));
        ticks.advance();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_clock_that_nothing_asks_leaves_out_a_tick() {
        let (ticks, count) = (Ticks::new(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let (begun, later) = (clock::monotonic(), clock::monotonic() + TICK);
        assert!(!ticks.was_used());

        let mut rest = Box::pin(ticks.rest(later));
        assert!(rest.as_mut().poll(&mut cx).is_pending());
        drop(rest);
        ticks.advance();
        assert_eq!(ticks.now(), 2);
        assert!(ticks.was_used() && !ticks.was_used());

        // The time is asked for before that tick, and after its beginning.
        for (at, has_begun) in [(later, false), (begun, true)] {
            let before = ticks.now();
            let mut rest = Box::pin(ticks.rest(at));
            assert!(rest.as_mut().poll(&mut cx).is_pending());
            let woken = count.0.load(Ordering::Relaxed);
            assert_eq!(ticks.now(), before + Tick::from(has_begun));
            assert_eq!(count.0.load(Ordering::Relaxed), woken + 1);
            assert_eq!(rest.as_mut().poll(&mut cx), Poll::Ready(has_begun));
        }
    }

    #[test]
    fn a_tick_with_an_alarm_is_not_left_out() {
        let ticks = Ticks::new();
        let mut cx = Context::from_waker(Waker::noop());
        let at = clock::monotonic() + TICK;
        let alarm = ticks.alarm(Duration::ZERO);
        let rest = Box::pin(ticks.rest(at)).as_mut().poll(&mut cx);
        assert_eq!(rest, Poll::Ready(false));
        alarm.reset(TICK);
        let rest = Box::pin(ticks.rest(at)).as_mut().poll(&mut cx);
        assert!(rest.is_pending());
    }

    #[test]
    fn reset_puts_it_off_and_drop_forgets_it() {
        let ticks = Ticks::new();
        let cx = Context::from_waker(Waker::noop());
        let alarm = ticks.alarm(TICK);
        ticks.advance();
        alarm.reset(TICK);
        ticks.advance();
        assert!(!alarm.is_due(&cx));
        ticks.advance();
        assert!(alarm.is_due(&cx));
        drop(alarm);
        assert!(ticks.alarms.borrow().is_empty());
    }
}
