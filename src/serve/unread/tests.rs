use super::*;
use crate::serve::control::ConnControl;
use crate::serve::in_flight::Piece;
use crate::tick::Ticks;
use bytes::{Buf as _, Bytes};
use std::rc::Rc;
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
