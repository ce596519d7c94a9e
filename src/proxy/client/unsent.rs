//! What has not been written of a request's body.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::body::{Body as _, Frame};

use super::error::{SendError, UpstreamFault};
use super::output::Output;
use crate::proxy::h1::{BodyEncoder, LengthMismatch};
use crate::proxy::request_body::RequestBody;

/// A request's body on its way to a server.
#[derive(Debug)]
pub(super) struct Unsent {
    body: RequestBody,
    encoder: BodyEncoder,
    /// Only trailers that the head declares are sent.
    trailers: Box<[HeaderName]>,
}

impl Unsent {
    /// Completes the declaration of the body's length in the head, and takes the body; `None` if
    /// there is none.
    pub(super) fn take(request: &mut Request<RequestBody>) -> Option<Self> {
        let body = std::mem::replace(request.body_mut(), RequestBody::empty());
        let headers = request.headers_mut();
        if body.is_end_stream() {
            headers.remove(header::TRANSFER_ENCODING);
            return None;
        }
        let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
        let (encoder, trailers) = match declared_length(headers).filter(|_| !is_chunked) {
            Some(length) => (BodyEncoder::exact(length), Box::default()),
            None => {
                let chunked = HeaderValue::from_static("chunked");
                headers.insert(header::TRANSFER_ENCODING, chunked);
                headers.remove(header::CONTENT_LENGTH);
                (BodyEncoder::chunked(), declared_trailers(headers))
            }
        };
        Some(Self {
            body,
            encoder,
            trailers,
        })
    }

    /// What has not been taken of the body.
    pub(super) fn into_body(self) -> RequestBody {
        self.body
    }

    /// Adds to the output what has come of the body, as long as there is room. Ready at its end, or
    /// if it cannot be sent.
    pub(super) fn poll_fill(
        &mut self,
        output: &mut Output,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        while output.has_room() {
            let is_last = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => self.add(frame, output)?,
                Poll::Ready(Some(Err(fault))) => return Poll::Ready(Err(SendError::Body(fault))),
                Poll::Ready(None) => self.finish(None, output)?,
                Poll::Pending => return Poll::Pending,
            };
            if is_last {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Adds a piece, and returns whether it was the last one.
    fn add(&mut self, frame: Frame<Bytes>, output: &mut Output) -> Result<bool, SendError> {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => return self.finish(frame.into_trailers().ok(), output),
        };
        let begun = self.encoder.begin(data.len(), output.buffer());
        begun.map_err(mismatch)?;
        let suffix = self.encoder.end(data.len());
        output.push(data, suffix);
        Ok(self.encoder.is_complete() && self.body.is_end_stream())
    }

    fn finish(
        &mut self,
        trailers: Option<HeaderMap>,
        output: &mut Output,
    ) -> Result<bool, SendError> {
        let trailers = trailers.map(|all| self.declared(&all));
        let encoder = std::mem::replace(&mut self.encoder, BodyEncoder::exact(0));
        let finished = encoder.finish(trailers.as_ref(), output.buffer());
        finished.map(|()| true).map_err(mismatch)
    }

    /// The trailers that the head has declared.
    fn declared(&self, all: &HeaderMap) -> HeaderMap {
        let declared = all.iter().filter(|(name, _)| self.trailers.contains(name));
        declared
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

fn mismatch(error: LengthMismatch) -> SendError {
    SendError::Broken(UpstreamFault::Length(error))
}

/// The length that the head declares.
fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The names in `Trailer`, without those that never come behind a body (RFC 9110, section 6.5.1).
fn declared_trailers(headers: &HeaderMap) -> Box<[HeaderName]> {
    const NOT_IN_TRAILERS: [HeaderName; 7] = [
        header::CACHE_CONTROL,
        header::CONTENT_ENCODING,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::MAX_FORWARDS,
        header::SET_COOKIE,
        header::TE,
    ];
    let values = headers.get_all(header::TRAILER).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    names
        .filter(|name| !NOT_IN_TRAILERS.contains(name))
        .collect()
}
