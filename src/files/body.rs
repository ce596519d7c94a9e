//! The body of a response with a file.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tower_http::compression::CompressionBody;
use tower_http::services::fs::ServeFileSystemResponseBody;

/// A file, or nothing.
#[derive(Debug)]
pub struct FileBody(Source);

#[derive(Debug)]
enum Source {
    Empty,
    Exact(ExactBody),
    Compressed(Box<Compressed>),
}

impl FileBody {
    pub(super) fn exact(inner: ServeFileSystemResponseBody, length: u64) -> Self {
        Self(Source::Exact(ExactBody {
            inner,
            left: length,
        }))
    }

    pub(super) fn empty() -> Self {
        Self(Source::Empty)
    }

    pub(super) fn compressed(body: CompressionBody<Self>, place: CompressionPlace) -> Self {
        Self(Source::Compressed(Box::new(Compressed {
            body,
            _place: place,
        })))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.0 {
            Source::Empty => Poll::Ready(None),
            Source::Exact(body) => Pin::new(body).poll_frame(cx),
            Source::Compressed(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Empty => true,
            Source::Exact(body) => body.is_end_stream(),
            Source::Compressed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Empty => SizeHint::with_exact(0),
            Source::Exact(body) => body.size_hint(),
            Source::Compressed(_) => SizeHint::default(),
        }
    }
}

/// Sends exactly as many bytes as the head announced, even if the file changes meanwhile.
struct ExactBody {
    inner: ServeFileSystemResponseBody,
    left: u64,
}

impl Body for ExactBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
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

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for ExactBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactBody")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// How many files are compressed at a time; further ones are sent as they are. A compressor has up
/// to some MiB for as long as the client reads, and slow clients must not add up to more than the
/// machine has.
const MOST_COMPRESSED: usize = 64;

static COMPRESSED: AtomicUsize = AtomicUsize::new(0);

/// A place among the files that are compressed at a time.
#[derive(Debug)]
pub(super) struct CompressionPlace;

impl CompressionPlace {
    pub(super) fn take() -> Option<Self> {
        let more = |active| (active < MOST_COMPRESSED).then_some(active + 1);
        let taken = COMPRESSED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self)
    }
}

impl Drop for CompressionPlace {
    fn drop(&mut self) {
        COMPRESSED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A file that is compressed while it is sent.
struct Compressed {
    body: CompressionBody<FileBody>,
    _place: CompressionPlace,
}

impl Compressed {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(io::Error::other)))
    }
}

impl fmt::Debug for Compressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressed").finish_non_exhaustive()
    }
}
