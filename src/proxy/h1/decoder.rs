//! The body of an answer.

use bytes::{Buf, Bytes, BytesMut};
use http::header::HeaderMap;

use super::chunks::{Chunks, Found};
use super::error::FramingError;
use super::head::BodyLength;

/// Reads the body of an answer.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
}

#[derive(Debug)]
enum State {
    /// This many bytes are left; 0: it has ended.
    Exact(u64),
    Chunked(Chunks),
    UntilClose,
    Failed(FramingError),
}

/// What comes next in a body.
#[derive(Debug)]
pub enum Decoded {
    /// Bytes of the body, at least one.
    Data(Bytes),
    /// The trailers, which come last.
    Trailers(HeaderMap),
    /// The body has ended. What is left in the buffer does not belong to it.
    Done,
    /// The buffer is empty, and the body has not ended.
    NeedsMore,
}

const ENDED: State = State::Exact(0);

/// What mostly follows the last data.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

impl BodyDecoder {
    /// For a body of this length.
    pub fn new(length: BodyLength) -> Self {
        let state = match length {
            BodyLength::None => ENDED,
            BodyLength::Exact(length) => State::Exact(length),
            BodyLength::Chunked => State::Chunked(Chunks::default()),
            BodyLength::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    /// Takes the next piece of the body from `buf`, and the framing before it.
    ///
    /// # Errors
    /// If the framing is wrong. Every later call returns the same error.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, FramingError> {
        match &mut self.state {
            State::Exact(0) => Ok(Decoded::Done),
            State::Exact(_) | State::UntilClose if buf.is_empty() => Ok(Decoded::NeedsMore),
            State::Exact(left) => {
                let length = usize::try_from(*left).map_or(buf.len(), |left| left.min(buf.len()));
                *left -= length as u64;
                Ok(Decoded::Data(buf.split_to(length).freeze()))
            }
            State::UntilClose => Ok(Decoded::Data(buf.split().freeze())),
            State::Failed(error) => Err(*error),
            State::Chunked(chunks) => {
                let (framing, found) = match chunks.read(buf) {
                    Ok(read) => read,
                    Err(error) => return Err(self.fail(error)),
                };
                buf.advance(framing);
                match found {
                    Found::Data(length) => {
                        let data = buf.split_to(length).freeze();
                        // Ends now, if the end is here too: then the connection is free at once.
                        if chunks.is_behind_data() && buf.starts_with(LAST_CHUNK) {
                            buf.advance(LAST_CHUNK.len());
                            self.state = ENDED;
                        }
                        Ok(Decoded::Data(data))
                    }
                    Found::NeedsMore => Ok(Decoded::NeedsMore),
                    Found::Trailers(trailers) => {
                        self.state = ENDED;
                        Ok(Decoded::Trailers(trailers))
                    }
                    Found::End => {
                        self.state = ENDED;
                        Ok(Decoded::Done)
                    }
                }
            }
        }
    }

    /// Notes that the connection was closed, which ends a body of unknown length.
    ///
    /// # Errors
    /// If the body has not ended.
    pub fn at_eof(&mut self) -> Result<(), FramingError> {
        match &self.state {
            State::Exact(0) => Ok(()),
            State::UntilClose => {
                self.state = ENDED;
                Ok(())
            }
            State::Failed(error) => Err(*error),
            State::Exact(_) | State::Chunked(_) => Err(self.fail(FramingError::CutOff)),
        }
    }

    /// Whether the body has ended.
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Exact(left) => *left == 0,
            State::Chunked(chunks) => chunks.has_ended(),
            State::UntilClose | State::Failed(_) => false,
        }
    }

    /// How many bytes are still to come, if that is known.
    pub fn left(&self) -> Option<u64> {
        match &self.state {
            State::Exact(left) => Some(*left),
            _ => self.is_done().then_some(0),
        }
    }

    fn fail(&mut self, error: FramingError) -> FramingError {
        self.state = State::Failed(error);
        error
    }
}
