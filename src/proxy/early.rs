//! An answer that begins before the request's body has ended.
//!
//! The client may not look at the answer before it has sent everything, so the rest of its body is
//! read in any case. As long as the server accepts it, the rest is forwarded; what nothing accepts
//! is dropped, for a bounded time and size.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::Frame;

use super::client::{LoadGuard, UpstreamConn, UpstreamFault};
use super::request_body::{NOT_TAKEN, Progress};
use crate::tick::Alarm;

/// A connection over which the rest of a request's body goes to the server, in a task beside the
/// answer. When both have ended the connection goes back to its pool.
#[derive(Debug)]
pub(super) struct EarlyAnswer {
    /// `None` once it has gone back to its pool, or nothing more can come of it.
    conn: RefCell<Option<Box<UpstreamConn>>>,
    progress: Rc<Progress>,
    answer: Cell<AnswerState>,
    /// Whether the task has ended.
    has_sent: Cell<bool>,
    /// Wakes the task when the state of the answer changes.
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnswerState {
    Coming,
    Whole,
    GivenUp,
}

impl EarlyAnswer {
    /// Sends the rest of a request's body to the server.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends with the body of the request, or at its deadline"
    )]
    pub(super) fn new(
        conn: Box<UpstreamConn>,
        load: LoadGuard,
        progress: Rc<Progress>,
    ) -> Rc<Self> {
        progress.set_early();
        let early = Rc::new(Self {
            conn: RefCell::new(Some(conn)),
            progress,
            answer: Cell::new(AnswerState::Coming),
            has_sent: Cell::new(false),
            waker: RefCell::default(),
        });
        tokio::task::spawn_local(send_rest(Rc::clone(&early), load));
        early
    }

    /// The next piece of the answer's body.
    pub(super) fn poll_frame(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFault>>> {
        match &mut *self.conn.borrow_mut() {
            Some(conn) => conn.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    /// Whether all of the answer's body has been taken, and how many bytes are still to come, if
    /// that is known.
    pub(super) fn left(&self) -> (bool, Option<u64>) {
        let conn = self.conn.borrow();
        conn.as_ref()
            .map_or((true, Some(0)), |conn| (conn.has_ended(), conn.left()))
    }

    /// How far the request's body has come.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Notes that the whole answer has been passed on.
    pub(super) fn finish(&self, load: &LoadGuard) {
        self.set(AnswerState::Whole, load);
        if self.has_sent.get() {
            self.give_back(load);
        }
    }

    /// Notes that nothing more of the answer is wanted, unless it has been passed on.
    pub(super) fn give_up(&self, load: &LoadGuard) {
        self.set(AnswerState::GivenUp, load);
    }

    fn set(&self, state: AnswerState, load: &LoadGuard) {
        if self.answer.get() != AnswerState::Coming {
            return;
        }
        self.answer.set(state);
        self.progress.set_answered(load.pool().ticks().now());
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn give_back(&self, load: &LoadGuard) {
        let conn = self.conn.borrow_mut().take();
        if let Some(conn) = conn {
            load.pool().give_back(conn);
        }
    }

    /// Ready when all of the body has been sent, or the rest of it cannot be.
    fn poll_rest(&self, cx: &mut Context<'_>, late: &Alarm, load: &LoadGuard) -> Poll<()> {
        let mut conn = self.conn.borrow_mut();
        let Some(conn) = &mut *conn else {
            return Poll::Ready(());
        };
        let is_whole = match self.answer.get() {
            AnswerState::Coming => false,
            AnswerState::Whole => true,
            AnswerState::GivenUp => return Poll::Ready(()),
        };
        if conn.poll_send(cx).is_ready() || is_whole && conn.poll_closed(cx).is_ready() {
            return Poll::Ready(());
        }
        while late.is_due(cx) {
            let now = load.pool().ticks().now();
            let due = self.progress.deadline();
            if due.is_some_and(|due| due <= now) {
                return Poll::Ready(());
            }
            // The answer has not ended yet, or another piece of the body has gone meanwhile.
            late.put_off(due.unwrap_or_default().max(now + 1));
        }
        let mut waker = self.waker.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

async fn send_rest(early: Rc<EarlyAnswer>, load: LoadGuard) {
    let late = load.pool().ticks().alarm(NOT_TAKEN);
    poll_fn(|cx| early.poll_rest(cx, &late, &load)).await;
    early.has_sent.set(true);
    // The rest of the body, which may be read and dropped by another task.
    let unsent = early
        .conn
        .borrow_mut()
        .as_mut()
        .and_then(|conn| conn.take_unsent());
    drop(unsent);
    match early.answer.get() {
        AnswerState::Coming => {}
        AnswerState::Whole => early.give_back(&load),
        AnswerState::GivenUp => drop(early.conn.take()),
    }
}
