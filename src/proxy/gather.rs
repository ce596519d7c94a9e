//! What has come of a request's body before a connection to its server is taken, and how slowly it
//! may come.
//!
//! A server has few connections and the gateway may have many clients: a body that comes byte by
//! byte must not keep one of them busy. Nearly all bodies of signalling are small and come at once.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use crate::tick::{TICK, Tick, Ticks};

/// A body up to this size is complete before its server hears of it.
pub(super) const GATHERED: usize = 64 * 1024;

/// Time that a body may be waited for, whatever its size.
const GRACE: Duration = Duration::from_secs(30);

/// Bytes a second, on the average, that a body has to bring beyond that.
const LOWEST_RATE: u64 = 500;

/// Smaller pieces are copied together: each may be a slice of a much larger buffer.
const SMALL_PIECE: usize = 4 * 1024;

/// The client's connection, as a request's body needs it.
pub trait Connection: Debug {
    /// It is busy with one more body.
    fn begin(&self);
    /// The body has gone.
    fn end(&self);
    /// Whether there is room in memory for more of a body before it goes on.
    fn may_gather(&self) -> bool;
    /// Counts bytes that are held in memory.
    fn hold(&self, bytes: usize);
    /// They have gone on.
    fn release(&self, bytes: usize);
}

/// A body for which its connection is busy, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(pub(super) Rc<dyn Connection>);

impl UnderWay {
    pub(super) fn new(connection: Rc<dyn Connection>) -> Self {
        connection.begin();
        Self(connection)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Pieces of a body, and what came behind them.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pieces: VecDeque<Bytes>,
    /// Small pieces, to be one.
    tail: BytesMut,
    len: usize,
    pub(super) trailers: Option<HeaderMap>,
}

impl Gathered {
    /// Bytes that are there.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is there, not even trailers.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0 && self.trailers.is_none()
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.len() < SMALL_PIECE && self.len > piece.len() {
            self.tail.extend_from_slice(&piece);
            return;
        }
        self.seal();
        self.pieces.push_back(piece);
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.seal();
        }
        let piece = self.pieces.pop_front()?;
        self.len -= piece.len();
        Some(piece)
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(self.tail.split().freeze());
        }
    }
}

/// How long a body has been waited for, against what it has brought. The time that the server takes
/// does not count.
#[derive(Debug, Default)]
pub(super) struct Pace {
    waited: Tick,
    since: Option<Tick>,
    brought: u64,
}

impl Pace {
    /// Something has come.
    pub(super) fn came(&mut self, bytes: u64, now: Tick) {
        self.brought += bytes;
        if let Some(since) = self.since.take() {
            self.waited += now - since;
        }
    }

    /// There is nothing at hand. The tick at which it is too late for the next piece, if the wait
    /// begins now.
    pub(super) fn waits(&mut self, now: Tick, idle: Duration) -> Option<Tick> {
        if self.since.is_some() {
            return None;
        }
        self.since = Some(now);
        Some(self.late(now).min(Ticks::later(now, idle)))
    }

    /// Whether it is the lowest rate that has been missed.
    pub(super) fn is_too_slow(&self, now: Tick) -> bool {
        self.since.is_some_and(|since| self.late(since) <= now)
    }

    fn late(&self, since: Tick) -> Tick {
        let earned = Duration::from_secs(self.brought / LOWEST_RATE)
            .min(Duration::from_secs(u32::MAX.into()));
        let waited = TICK * self.waited;
        Ticks::later(since, (GRACE + earned).saturating_sub(waited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_as_they_went_in() {
        for size in [1, 700, 4096, 9000] {
            let body: Vec<u8> = (0..60_000u32).map(|n| n as u8).collect();
            let mut gathered = Gathered::default();
            body.chunks(size)
                .for_each(|piece| gathered.push(Bytes::copy_from_slice(piece)));
            assert_eq!(gathered.len(), body.len());
            // However small the pieces were, few are kept.
            assert!(
                gathered.pieces.len() <= 16,
                "{size}: {}",
                gathered.pieces.len()
            );
            let mut out = Vec::new();
            while let Some(piece) = gathered.pop() {
                out.extend_from_slice(&piece);
            }
            assert!(out == body, "{size}");
            assert!(gathered.is_empty());
        }
    }

    #[test]
    fn the_only_piece_is_not_copied() {
        let piece = Bytes::from_static(b"{}");
        let mut gathered = Gathered::default();
        gathered.push(piece.clone());
        assert_eq!(gathered.pop().unwrap().as_ptr(), piece.as_ptr());
    }

    const SECOND: Tick = 2;
    const IDLE: Duration = Duration::from_secs(75);

    #[test]
    fn a_few_bytes_now_and_then_are_too_slow() {
        let (mut pace, mut now) = (Pace::default(), 0);
        // One byte every ten seconds: the third wait is the last.
        for _ in 0..2 {
            let due = pace.waits(now, IDLE).unwrap();
            now += 10 * SECOND;
            assert!(due > now);
            pace.came(1, now);
        }
        let due = pace.waits(now, IDLE).unwrap();
        assert!(
            (now + 9 * SECOND..=now + 11 * SECOND).contains(&due),
            "{due}"
        );
        assert!(!pace.is_too_slow(now) && pace.is_too_slow(due));
    }

    #[test]
    fn a_slow_phone_is_fast_enough() {
        let (mut pace, mut now) = (Pace::default(), 0);
        // 20 kbit/s for an hour, with a gap of a minute once it has brought something.
        for second in 0..3600 {
            let due = pace.waits(now, IDLE).unwrap();
            now += if second == 1800 { 60 * SECOND } else { SECOND };
            assert!(due > now, "second {second}");
            pace.came(2500, now);
        }
    }

    #[test]
    fn the_time_that_the_server_takes_does_not_count() {
        let (mut pace, mut now) = (Pace::default(), 0);
        for _ in 0..100 {
            // Nothing is asked for meanwhile.
            now += 60 * SECOND;
            assert!(pace.waits(now, IDLE).unwrap() > now + 20 * SECOND);
            pace.came(1, now);
        }
    }

    #[test]
    fn a_gap_has_the_limit_of_its_route() {
        let mut pace = Pace::default();
        pace.came(1 << 30, 0);
        assert_eq!(pace.waits(0, IDLE), Some(Ticks::later(0, IDLE)));
        assert_eq!(pace.waits(9, IDLE), None);
        assert!(!pace.is_too_slow(Ticks::later(0, IDLE)));
    }
}
