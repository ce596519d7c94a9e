//! Answers of upstreams are read as hyper's client reads them, or rejected by a rule that
//! `ianitor::proxy::h1` lists, whatever pieces they come in.
//!
//! Input: the method of the request, how many pieces, how long each is in turn, then what the
//! server sends before it closes the connection.
#![no_main]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::{Method, Request, Response, Version};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::Builder;
use hyper::ext::ReasonPhrase;
use hyper::rt::{Read, ReadBufCursor, Write};
use ianitor::proxy::h1::{
    BodyDecoder, BodyLength, Decoded, FramingError, HeadError, MAX_FIELDS, MAX_HEAD, parse_head,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let &[method, pieces, ref rest @ ..] = data else {
        return;
    };
    let method = match method % 8 {
        0 => Method::HEAD,
        1 => Method::CONNECT,
        _ => Method::GET,
    };
    let (lengths, sent) = rest.split_at(usize::from(pieces % 16).min(rest.len()));
    let whole = ours(&method, &[sent]);
    assert_eq!(ours(&method, &split(lengths, sent)), whole, "in pieces");
    let bytes: Vec<_> = sent.chunks(1).collect();
    assert_eq!(ours(&method, &bytes), whole, "in bytes");
    let hypers = hypers(&method, sent);
    if method == Method::CONNECT && whole.status() == hypers.status() && whole.status() == Some(204)
    {
        // A tunnel, as every 2xx to CONNECT (RFC 9110, section 9.3.6); for hyper it is none.
        return;
    }
    compare(&whole, &hypers, sent);
});

fn split<'a>(lengths: &[u8], mut sent: &'a [u8]) -> Vec<&'a [u8]> {
    let mut lengths = lengths.iter().cycle();
    let mut pieces = Vec::new();
    while !sent.is_empty() {
        let length = lengths.next().map_or(1, |length| usize::from(*length));
        let (piece, rest) = sent.split_at(length.clamp(1, sent.len()));
        pieces.push(piece);
        sent = rest;
    }
    pieces
}

/// What was read until the server had closed the connection.
#[derive(Debug, PartialEq)]
enum Outcome {
    NoHead(Option<HeadError>),
    Answer(Box<Answer>),
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    reason: Option<Bytes>,
    version: Version,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// Why it did not end as it should; hyper's reasons are not compared.
    broken: Option<Option<FramingError>>,
    /// Whether the connection may be used again.
    is_kept: bool,
}

impl Outcome {
    fn status(&self) -> Option<u16> {
        match self {
            Self::NoHead(_) => None,
            Self::Answer(answer) => Some(answer.status),
        }
    }
}

/// A read of ours has to be that of hyper, or stricter.
fn compare(ours: &Outcome, hypers: &Outcome, sent: &[u8]) {
    match (ours, hypers) {
        (Outcome::NoHead(_), Outcome::NoHead(_)) => {}
        (Outcome::NoHead(error), Outcome::Answer(answer)) => {
            let is_listed = match error {
                Some(HeadError::TransferCoding) => {
                    let mut codings = answer.headers.get_all(header::TRANSFER_ENCODING).iter();
                    let first = codings.next().map(|coding| coding.as_bytes());
                    let is_chunked = first.is_some_and(|c| c.eq_ignore_ascii_case(b"chunked"));
                    !is_chunked || codings.next().is_some()
                }
                Some(HeadError::TooLarge) => sent.len() >= MAX_HEAD,
                _ => false,
            };
            assert!(is_listed, "rejected: {error:?}, hyper: {answer:?}");
        }
        (Outcome::Answer(answer), Outcome::NoHead(_)) => panic!("hyper rejects {answer:?}"),
        (Outcome::Answer(ours), Outcome::Answer(hypers)) => compare_answers(ours, hypers, sent),
    }
}

fn compare_answers(ours: &Answer, hypers: &Answer, sent: &[u8]) {
    assert_eq!(
        (ours.status, &ours.reason, ours.version, &ours.headers),
        (
            hypers.status,
            &hypers.reason,
            hypers.version,
            &hypers.headers
        )
    );
    match (&ours.broken, &hypers.broken) {
        (None, None) => {
            assert_eq!(ours.body, hypers.body);
            assert_eq!(ours.trailers, hypers.trailers);
            let declares_content = ours.headers.contains_key(header::CONTENT_LENGTH)
                || ours.headers.contains_key(header::TRANSFER_ENCODING);
            let is_strict = ours.headers.contains_key(header::TRANSFER_ENCODING)
                && ours.headers.contains_key(header::CONTENT_LENGTH)
                || ours.status == 204 && declares_content;
            assert!(ours.is_kept == hypers.is_kept || is_strict && !ours.is_kept);
        }
        (None, Some(_)) => panic!("hyper rejects the body of {ours:?}"),
        (Some(Some(error)), None) => {
            let is_listed = match error {
                FramingError::ChunkSizeTooLarge | FramingError::Extensions => true,
                FramingError::Trailers => has_bare_line_feed(sent),
                _ => false,
            };
            assert!(is_listed, "rejected: {error:?}, hyper: {hypers:?}");
        }
        (Some(_), _) => {}
    }
}

fn has_bare_line_feed(sent: &[u8]) -> bool {
    let mut pairs = sent.windows(2);
    pairs.any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
}

fn ours(method: &Method, pieces: &[&[u8]]) -> Outcome {
    let mut buf = BytesMut::new();
    let mut reading: Option<(Box<Answer>, BodyDecoder)> = None;
    for (at, piece) in pieces.iter().enumerate() {
        buf.extend_from_slice(piece);
        if reading.is_none() {
            match our_head(method, &mut buf) {
                Ok(None) => continue,
                Ok(read) => reading = read,
                Err(error) => return Outcome::NoHead(Some(error)),
            }
        }
        let (answer, decoder) = reading.as_mut().expect("it has just been read");
        if our_body(answer, decoder, &mut buf) {
            // A connection with bytes left over is not used again.
            answer.is_kept &= buf.is_empty() && at + 1 == pieces.len();
            break;
        }
    }
    let Some((mut answer, mut decoder)) = reading else {
        return Outcome::NoHead(None);
    };
    if answer.broken.is_none() {
        answer.is_kept &= decoder.is_done();
        answer.broken = decoder.at_eof().err().map(Some);
    }
    Outcome::Answer(answer)
}

/// The head of the answer, behind interim ones.
fn our_head(
    method: &Method,
    buf: &mut BytesMut,
) -> Result<Option<(Box<Answer>, BodyDecoder)>, HeadError> {
    while let Some(head) = parse_head(buf, method)? {
        if head.status.is_informational() && head.status.as_u16() != 101 {
            assert_eq!(head.body, BodyLength::None);
            continue;
        }
        let answer = Answer {
            status: head.status.as_u16(),
            reason: head.reason,
            version: head.version,
            headers: head.headers,
            body: Vec::new(),
            trailers: None,
            broken: None,
            is_kept: head.keeps_alive,
        };
        return Ok(Some((Box::new(answer), BodyDecoder::new(head.body))));
    }
    Ok(None)
}

/// Returns whether no more is to be read.
fn our_body(answer: &mut Answer, decoder: &mut BodyDecoder, buf: &mut BytesMut) -> bool {
    loop {
        match decoder.decode(buf) {
            Ok(Decoded::Data(data)) => answer.body.extend_from_slice(&data),
            Ok(Decoded::Trailers(trailers)) => answer.trailers = Some(trailers),
            Ok(Decoded::Done) => return true,
            Ok(Decoded::NeedsMore) => return false,
            Err(error) => {
                answer.broken = Some(Some(error));
                return true;
            }
        }
    }
}

/// How hyper reads it: first everything that is sent, then what the closed connection makes of it.
fn hypers(method: &Method, sent: &[u8]) -> Outcome {
    let server = Rc::new(Server::new(sent));
    let mut cx = Context::from_waker(Waker::noop());
    let mut builder = Builder::new();
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
    let handshake = pin!(builder.handshake(Socket(Rc::clone(&server))));
    let Poll::Ready(Ok((mut sender, mut conn))) = handshake.poll(&mut cx) else {
        unreachable!("a handshake of HTTP/1.1 sends nothing")
    };
    let mut request = Request::new(NoBody);
    *request.method_mut() = method.clone();
    *request.uri_mut() = http::Uri::from_static("http://a.test/");
    let mut response = pin!(sender.send_request(request));
    let mut reading: Option<Reading> = None;
    let mut conn_has_ended = false;
    for is_closed in [false, true] {
        server.is_closed.set(is_closed);
        let mut idle_rounds = 0;
        while idle_rounds < 3 {
            let before = server.left();
            conn_has_ended = conn_has_ended || Pin::new(&mut conn).poll(&mut cx).is_ready();
            let has_read = match &mut reading {
                Some(reading) => reading.poll(&mut cx),
                None => match response.as_mut().poll(&mut cx) {
                    Poll::Ready(Ok(response)) => {
                        reading = Some(Reading::new(response));
                        true
                    }
                    Poll::Ready(Err(_)) => return Outcome::NoHead(None),
                    Poll::Pending => false,
                },
            };
            let is_idle = !has_read && server.left() == before;
            idle_rounds = if is_idle { idle_rounds + 1 } else { 0 };
        }
        if let Some(reading) = reading.as_mut().filter(|_| !is_closed) {
            reading.answer.is_kept = reading.has_ended && !conn_has_ended && sender.is_ready();
        }
    }
    let Some(mut reading) = reading else {
        return Outcome::NoHead(None);
    };
    if !reading.has_ended {
        reading.answer.broken = Some(None);
    }
    Outcome::Answer(Box::new(reading.answer))
}

/// An answer that hyper reads.
struct Reading {
    answer: Answer,
    body: Incoming,
    has_ended: bool,
}

impl Reading {
    fn new(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let reason = head.extensions.get::<ReasonPhrase>();
        Self {
            answer: Answer {
                status: head.status.as_u16(),
                reason: reason.map(|reason| Bytes::copy_from_slice(reason.as_bytes())),
                version: head.version,
                headers: head.headers,
                body: Vec::new(),
                trailers: None,
                broken: None,
                is_kept: false,
            },
            body,
            has_ended: false,
        }
    }

    /// Returns whether anything has come.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.has_ended || self.answer.broken.is_some() {
            return false;
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => return false,
            Poll::Ready(None) => self.has_ended = true,
            Poll::Ready(Some(Err(_))) => self.answer.broken = Some(None),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => self.answer.body.extend_from_slice(&data),
                Err(frame) => self.answer.trailers = frame.into_trailers().ok(),
            },
        }
        true
    }
}

/// A server that answers once a request has come.
struct Server {
    answer: RefCell<Bytes>,
    has_request: Cell<bool>,
    is_closed: Cell<bool>,
}

impl Server {
    fn new(answer: &[u8]) -> Self {
        Self {
            answer: RefCell::new(Bytes::copy_from_slice(answer)),
            has_request: Cell::new(false),
            is_closed: Cell::new(false),
        }
    }

    fn left(&self) -> usize {
        self.answer.borrow().len()
    }
}

struct Socket(Rc<Server>);

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut answer = self.0.answer.borrow_mut();
        if answer.is_empty() && self.0.is_closed.get() {
            return Poll::Ready(Ok(()));
        }
        if answer.is_empty() || !self.0.has_request.get() {
            return Poll::Pending;
        }
        let length = answer.len().min(buf.remaining());
        buf.put_slice(&answer.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl Write for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.has_request.set(true);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct NoBody;

impl Body for NoBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}
