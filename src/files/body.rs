//! The body of a response with a file.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tower_http::services::fs::ServeFileSystemResponseBody;

/// Sends exactly as many bytes as the head announced, even if the file changes meanwhile.
pub struct FileBody {
    inner: Option<ServeFileSystemResponseBody>,
    left: u64,
}

impl FileBody {
    pub(super) fn new(inner: ServeFileSystemResponseBody, length: u64) -> Self {
        Self {
            inner: Some(inner),
            left: length,
        }
    }

    pub(super) fn empty() -> Self {
        Self {
            inner: None,
            left: 0,
        }
    }

    /// The number of bytes that are still to be sent.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next piece.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(inner) = self.inner.as_mut().filter(|_| self.left > 0) else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        Poll::Ready(match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(mut data))) => {
                data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= data.len() as u64;
                Some(Ok(Frame::data(data)))
            }
            Some(Err(error)) => Some(Err(error)),
            // Files have no trailers.
            Some(Ok(Err(_))) | None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }
}

impl fmt::Debug for FileBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBody")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
