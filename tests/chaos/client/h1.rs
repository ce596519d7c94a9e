//! HTTP/1.1 as a client.

use std::io;
use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{Door, Failure, PATIENCE, Response};

/// A client that keeps its connection for the next request.
#[derive(Debug)]
pub(crate) struct Client {
    door: Arc<Door>,
    number: usize,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    stream: TlsStream<TcpStream>,
    buffer: BytesMut,
    is_used: bool,
}

/// How a body ends.
#[derive(Clone, Copy, Debug)]
enum Length {
    Known(usize),
    Chunked,
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    length: Length,
    closes: bool,
}

impl Client {
    pub(crate) fn new(door: &Arc<Door>, number: usize) -> Self {
        Self {
            door: Arc::clone(door),
            number,
            open: None,
        }
    }

    /// The next request has a connection of its own.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// Sends a request and reads its response. Where a connection that was kept ends without a byte
    /// of one, it is sent again on a new one, as browsers do; `repeated` is called then.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
        mut repeated: impl FnMut(),
    ) -> Result<Response, Failure> {
        loop {
            let mut open = self.connected().await?;
            let is_used = std::mem::replace(&mut open.is_used, true);
            match tokio::time::timeout(PATIENCE, open.exchange(request)).await {
                Err(_) => return Err(Failure::TimedOut),
                Ok(Err(Failure::NoAnswer(_))) if is_used => repeated(),
                Ok(Err(failure)) => return Err(failure),
                Ok(Ok((head, body))) => {
                    if !head.closes {
                        self.open = Some(open);
                    }
                    let status = head.status;
                    return Ok(Response { status, body });
                }
            }
        }
    }

    /// The connection that there is, unless the gateway has closed it meanwhile.
    async fn connected(&mut self) -> Result<Open, Failure> {
        if let Some(mut open) = self.open.take() {
            let closed = open.stream.read_buf(&mut open.buffer).now_or_never();
            if closed.is_none() {
                return Ok(open);
            }
        }
        let stream = self.door.h1(self.number).await.map_err(Failure::Connect)?;
        Ok(Open {
            stream,
            buffer: BytesMut::new(),
            is_used: false,
        })
    }
}

impl Open {
    async fn exchange(&mut self, request: &[u8]) -> Result<(Head, Vec<u8>), Failure> {
        let none = |error: io::Error| Failure::NoAnswer(error.to_string());
        // A rejection may be on its way, although the rest could not be written.
        let written = self.stream.write_all(request).await;
        let flushed = self.stream.flush().await;
        let head = match read_head(&mut self.stream, &mut self.buffer).await {
            Ok(Some(head)) => head,
            Ok(None) => {
                written.and(flushed).map_err(none)?;
                return Err(Failure::NoAnswer("the connection was closed".to_owned()));
            }
            Err(error) if self.buffer.is_empty() => return Err(none(error)),
            Err(error) => return Err(Failure::Cut(error.to_string())),
        };
        let body = match head.length {
            Length::Known(length) => self.take(length).await,
            Length::Chunked => self.chunks().await,
        };
        let body = body.map_err(|error| Failure::Cut(error.to_string()))?;
        Ok((head, body))
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                    break at;
                }
                self.fill(self.buffer.len() + 1).await?;
            };
            let line = self.take(end + 2).await?;
            let text = std::str::from_utf8(&line).map_err(io::Error::other)?;
            let size = usize::from_str_radix(text.trim(), 16).map_err(io::Error::other)?;
            body.extend_from_slice(&self.take(size + 2).await?[..size]);
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn take(&mut self, size: usize) -> io::Result<Vec<u8>> {
        self.fill(size).await?;
        Ok(self.buffer.split_to(size).to_vec())
    }

    async fn fill(&mut self, size: usize) -> io::Result<()> {
        while self.buffer.len() < size {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

/// Reads the head of a response; nothing where the connection ends before its first byte.
pub(crate) async fn read_head(
    stream: &mut TlsStream<TcpStream>,
    buffer: &mut BytesMut,
) -> io::Result<Option<Head>> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let parsed = head.parse(buffer).map_err(io::Error::other)?;
        if let httparse::Status::Complete(size) = parsed {
            let head = judge(&head)?;
            buffer.advance(size);
            return Ok(Some(head));
        }
        if stream.read_buf(buffer).await? == 0 {
            if buffer.is_empty() {
                return Ok(None);
            }
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn judge(head: &httparse::Response<'_, '_>) -> io::Result<Head> {
    let get = |name: &str| {
        let mut all = head.headers.iter();
        let found = all.find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(found.value).to_ascii_lowercase())
    };
    let length = match (get("transfer-encoding"), get("content-length")) {
        (Some(_), _) => Length::Chunked,
        (None, Some(text)) => Length::Known(text.parse().map_err(io::Error::other)?),
        (None, None) => Length::Known(0),
    };
    Ok(Head {
        status: head.code.unwrap_or_default(),
        length,
        closes: get("connection").is_some_and(|text| text == "close"),
    })
}

/// The bytes of a request.
pub(crate) fn request(method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    if method == "POST" {
        text += &format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
    }
    text += "\r\n";
    [text.as_bytes(), body].concat()
}
