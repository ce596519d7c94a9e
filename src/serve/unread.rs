//! How much memory the bodies of one client connection may hold while the client does not read, or
//! has not sent the rest.
//!
//! A client that opens its HTTP/2 windows and reads nothing could otherwise have a buffer for each
//! of its streams. Every piece of an answer is counted from the moment that it is handed to the
//! connection until it has been written; while too much is held, a body is not asked for more, and
//! so its server is not read either. Request bodies that are being gathered count too.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

use bytes::{Buf, Bytes};
use slab::Slab;

use super::control::ConnControl;
use crate::proxy::body::SMALL_ANSWER;
use crate::slot::UnreadShare;
use crate::tick::Tick;

/// Of one answer over HTTP/2.
pub const PER_ANSWER: usize = 64 * 1024;

/// Of one answer over HTTP/1.1, beside what TLS holds of it.
const PER_ANSWER_H1: usize = 32 * 1024;

/// Of all bodies of one connection. From half of it on, an answer gets another piece only when it
/// holds none.
pub const PER_CONNECTION: usize = 1024 * 1024;

/// Of all connections of one client. Beyond it, every answer of the client has one piece at a time.
pub const PER_CLIENT: usize = 64 * 1024 * 1024;

/// An answer that is no larger never waits for others: paused downloads must not hold up a small
/// answer beside them.
const SMALL: usize = SMALL_ANSWER;

/// What a connection holds without being counted for its client, so that small answers touch
/// nothing that is shared.
const UNCOUNTED: usize = SMALL;

/// In these steps it is counted for the client.
const STEP: usize = 64 * 1024;

/// The bodies of one connection.
#[derive(Debug)]
pub struct Unread {
    answers: RefCell<Slab<Answer>>,
    per_answer: Cell<usize>,
    /// Bytes that are held now.
    held: Cell<usize>,
    /// How many of them are counted for the client.
    counted: Cell<usize>,
    client: UnreadShare,
    /// Answers that were refused a piece, in the order in which they asked.
    waiting: RefCell<VecDeque<usize>>,
}

/// One answer.
#[derive(Debug)]
struct Answer {
    /// Whether its body is still there. What was handed over outlives it.
    is_open: bool,
    held: usize,
    /// The size of its last piece: as much is expected of the next one.
    last: usize,
    /// When a piece was handed over or a byte was written.
    moved: Tick,
    waker: Option<Waker>,
}

impl Unread {
    /// Nothing is held yet, and HTTP/1.1 is spoken.
    pub fn new(client: UnreadShare) -> Self {
        Self {
            answers: RefCell::default(),
            per_answer: Cell::new(PER_ANSWER_H1),
            held: Cell::new(0),
            counted: Cell::new(0),
            client,
            waiting: RefCell::default(),
        }
    }

    /// HTTP/2 is spoken: TLS holds little of each of several answers.
    pub(super) fn set_h2(&self) {
        self.per_answer.set(PER_ANSWER);
    }

    /// A new answer's key.
    pub(super) fn open(&self) -> usize {
        self.answers.borrow_mut().insert(Answer {
            is_open: true,
            held: 0,
            last: 0,
            moved: 0,
            waker: None,
        })
    }

    /// The answer's body has gone. The key is free once nothing of it is held.
    pub(super) fn close(&self, key: usize) {
        let waker = {
            let mut answers = self.answers.borrow_mut();
            let answer = &mut answers[key];
            answer.is_open = false;
            let waker = answer.waker.take();
            if answer.held == 0 {
                answers.remove(key);
            }
            waker
        };
        if waker.is_some() {
            self.waiting.borrow_mut().retain(|waiting| *waiting != key);
        }
    }

    /// Whether an answer may be asked for its next piece; if not, its task is woken when that may
    /// have changed.
    pub(super) fn may_ask(&self, key: usize, is_small: bool, cx: &Context<'_>) -> bool {
        let mut answers = self.answers.borrow_mut();
        let answer = &mut answers[key];
        if self.has_room(answer, is_small) {
            if answer.waker.take().is_some() {
                self.waiting.borrow_mut().retain(|waiting| *waiting != key);
            }
            drop(answers);
            // There may be room for one more: each that gets some wakes the next.
            self.wake_next();
            return true;
        }
        match &mut answer.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => {
                *none = Some(cx.waker().clone());
                self.waiting.borrow_mut().push_back(key);
            }
        }
        false
    }

    fn has_room(&self, answer: &Answer, is_small: bool) -> bool {
        let held = self.held.get();
        if answer.held == 0 {
            return is_small || held < PER_CONNECTION;
        }
        answer.held + answer.last <= self.per_answer.get()
            && held + answer.last <= PER_CONNECTION / 2
            && !self.is_client_full()
    }

    fn is_client_full(&self) -> bool {
        self.client.total() > PER_CLIENT
    }

    /// Whether there is room for more of a request body before it goes anywhere.
    pub(super) fn may_gather(&self) -> bool {
        self.held.get() < PER_CONNECTION && !self.is_client_full()
    }

    /// Counts bytes that belong to no answer.
    pub(super) fn hold(&self, bytes: usize) {
        self.set_held(self.held.get() + bytes);
    }

    /// They are no longer held.
    pub(super) fn release(&self, bytes: usize) {
        self.set_held(self.held.get() - bytes);
        self.wake_next();
    }

    fn hold_for(&self, key: usize, bytes: usize, now: Tick) {
        let mut answers = self.answers.borrow_mut();
        let answer = &mut answers[key];
        answer.held += bytes;
        (answer.last, answer.moved) = (bytes, now);
        drop(answers);
        self.hold(bytes);
    }

    fn release_for(&self, key: usize, bytes: usize, now: Tick) {
        self.set_held(self.held.get() - bytes);
        let mut answers = self.answers.borrow_mut();
        let answer = &mut answers[key];
        answer.held -= bytes;
        answer.moved = now;
        // It was its own piece that it waited for, if for any.
        let waker = if self.has_room(answer, false) {
            answer.waker.take()
        } else {
            None
        };
        if answer.held == 0 && !answer.is_open {
            answers.remove(key);
        }
        drop(answers);
        if let Some(waker) = waker {
            self.waiting.borrow_mut().retain(|waiting| *waiting != key);
            waker.wake();
        }
        self.wake_next();
    }

    fn moved(&self, key: usize, now: Tick) {
        self.answers.borrow_mut()[key].moved = now;
    }

    fn is_held(&self, key: usize) -> bool {
        self.answers.borrow()[key].held > 0
    }

    /// Whether the client has left something of an answer unread for too long.
    pub(super) fn is_untaken(&self, past: impl Fn(Tick) -> bool) -> bool {
        self.answers
            .borrow()
            .iter()
            .any(|(_, answer)| answer.held > 0 && past(answer.moved))
    }

    /// Wakes the first of those that wait for which there is room. It wakes the next when it has
    /// asked.
    fn wake_next(&self) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            return;
        }
        let mut answers = self.answers.borrow_mut();
        let first = waiting
            .iter()
            .position(|key| self.has_room(&answers[*key], false));
        let key = first.and_then(|first| waiting.remove(first));
        let waker = key.and_then(|key| answers[key].waker.take());
        drop((waiting, answers));
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn set_held(&self, held: usize) {
        self.held.set(held);
        let counted = if held <= UNCOUNTED {
            0
        } else {
            held.next_multiple_of(STEP)
        };
        let before = self.counted.replace(counted);
        if counted != before {
            self.client.count(before, counted);
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.client.count(self.counted.get(), 0);
    }
}

/// A piece of an answer, counted until it is dropped: when it has been written, or nobody wants it
/// any more.
#[derive(Debug)]
pub struct Piece {
    bytes: Bytes,
    len: usize,
    key: usize,
    control: Rc<ConnControl>,
}

impl Piece {
    /// Counts a piece of an answer.
    pub(super) fn new(bytes: Bytes, key: usize, control: &Rc<ConnControl>) -> Self {
        let unread = control.unread();
        // A small piece may be a slice of a large buffer, which would be held with it.
        let is_copied = bytes.len() < SMALL && (control.is_h2() || unread.is_held(key));
        let bytes = if is_copied {
            Bytes::copy_from_slice(&bytes)
        } else {
            bytes
        };
        let len = bytes.len();
        unread.hold_for(key, len, control.now());
        Self {
            bytes,
            len,
            key,
            control: Rc::clone(control),
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.control
            .unread()
            .release_for(self.key, self.len, self.control.now());
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.control.unread().moved(self.key, self.control.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::Ticks;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An answer of a connection, and how often its task was woken.
    struct Stream {
        control: Rc<ConnControl>,
        key: usize,
        woken: Arc<Count>,
    }

    impl Stream {
        fn new(control: &Rc<ConnControl>) -> Self {
            Self {
                control: Rc::clone(control),
                key: control.unread().open(),
                woken: Arc::default(),
            }
        }

        fn asks(&self, is_small: bool) -> bool {
            let waker = Waker::from(Arc::clone(&self.woken));
            self.control
                .unread()
                .may_ask(self.key, is_small, &Context::from_waker(&waker))
        }

        fn gets(&self, len: usize) -> Piece {
            Piece::new(vec![0; len].into(), self.key, &self.control)
        }

        /// Takes pieces of a size for as long as it may have them.
        fn fill(&self, len: usize) -> Vec<Piece> {
            std::iter::from_fn(|| self.asks(false).then(|| self.gets(len)))
                .take(1000)
                .collect()
        }

        fn woken(&self) -> usize {
            self.woken.0.load(Ordering::Relaxed)
        }
    }

    fn connection() -> Rc<ConnControl> {
        let control = ConnControl::new(&Ticks::new(), UnreadShare::default());
        control.set_h2();
        control
    }

    fn held(pieces: &[Vec<Piece>]) -> usize {
        pieces.iter().flatten().map(|piece| piece.len).sum()
    }

    #[test]
    fn an_answer_holds_no_more_than_its_part_and_goes_on_when_some_is_written() {
        let control = connection();
        let stream = Stream::new(&control);
        for len in [1000, 16 * 1024, 64 * 1024, 100_000] {
            let mut pieces = stream.fill(len);
            let held = pieces.len() * len;
            assert!(pieces.len() == 1 || held <= PER_ANSWER, "{len}: {held}");
            assert!(held + len > PER_ANSWER, "{len}: {held}");
            let woken = stream.woken();
            pieces.pop();
            assert_eq!(stream.woken(), woken + 1);
            assert!(stream.asks(false));
        }
        assert_eq!(control.unread().held.get(), 0);
    }

    #[test]
    fn the_answers_of_a_connection_hold_no_more_than_its_budget() {
        for len in [16 * 1024, 64 * 1024] {
            let control = connection();
            let streams: Vec<Stream> = (0..128).map(|_| Stream::new(&control)).collect();
            let pieces: Vec<Vec<Piece>> = streams.iter().map(|stream| stream.fill(len)).collect();
            assert!(
                (PER_CONNECTION..PER_CONNECTION + len).contains(&held(&pieces)),
                "{}",
                held(&pieces)
            );
            // A small answer is not held up by all that.
            let small = Stream::new(&control);
            assert!(!small.asks(false) && small.asks(true));
        }
    }

    #[test]
    fn whoever_waits_is_woken_in_turn_until_there_is_no_room() {
        let control = connection();
        let streams: Vec<Stream> = (0..64).map(|_| Stream::new(&control)).collect();
        let mut pieces: Vec<Vec<Piece>> = streams
            .iter()
            .map(|stream| stream.fill(64 * 1024))
            .collect();
        let waiting: Vec<&Stream> = streams
            .iter()
            .zip(&pieces)
            .filter(|(_, got)| got.is_empty())
            .map(|(s, _)| s)
            .collect();
        assert!(waiting.len() > 10);
        assert!(waiting.iter().all(|stream| stream.woken() == 0));
        pieces.clear();
        // Each that is woken asks, as its task would, until nobody is woken any more.
        let mut seen = vec![0; streams.len()];
        while let Some(at) = (0..streams.len()).find(|at| streams[*at].woken() > seen[*at]) {
            seen[at] = streams[at].woken();
            assert!(streams[at].asks(false), "whoever is woken finds room");
        }
        assert!(
            waiting.iter().all(|stream| stream.woken() > 0),
            "nobody is left behind"
        );
        assert!(control.unread().waiting.borrow().is_empty());
    }

    #[test]
    fn an_answer_that_goes_away_leaves_nothing_behind() {
        let control = connection();
        let full: Vec<Stream> = (0..32).map(|_| Stream::new(&control)).collect();
        let pieces: Vec<Vec<Piece>> = full.iter().map(|stream| stream.fill(64 * 1024)).collect();
        for _ in 0..1000 {
            let stream = Stream::new(&control);
            assert!(!stream.asks(false));
            control.unread().close(stream.key);
        }
        assert!(control.unread().waiting.borrow().len() <= full.len());
        full.iter()
            .for_each(|stream| control.unread().close(stream.key));
        drop(pieces);
        assert!(control.unread().answers.borrow().is_empty());
        assert_eq!(
            (control.unread().held.get(), control.unread().counted.get()),
            (0, 0)
        );
    }

    #[test]
    fn small_pieces_do_not_keep_the_buffers_that_they_came_in() {
        let control = connection();
        let stream = Stream::new(&control);
        let buffer = Bytes::from(vec![7; 60_000]);
        let piece = Piece::new(buffer.slice(..100), stream.key, &control);
        assert!(buffer.is_unique(), "the piece is a copy");
        assert_eq!(piece.chunk(), &[7; 100]);
    }
}
