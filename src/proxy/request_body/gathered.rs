//! The beginning of a request's body, kept in memory.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

/// Smaller pieces are copied together: each may be a slice of a much larger buffer.
const SMALL_PIECE: usize = 4 * 1024;

/// Pieces of a body, and its trailers.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pieces: VecDeque<Bytes>,
    /// Small pieces, copied together.
    tail: BytesMut,
    len: usize,
    pub(super) trailers: Option<HeaderMap>,
}

impl Gathered {
    /// How many bytes are there.
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
}
