//! HTTP/1.1 as a server: requests with their numbers, and answers that name them.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::client::frames::{self, Frame, Frames};
use super::super::ledger::Deed;
use super::{Manner, Server, janus};

/// Parts of a streamed answer, one each tenth of a second.
pub(crate) const PARTS: usize = 30;

/// A request that has been read to its end.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) body: Vec<u8>,
    key: Option<String>,
}

impl Request {
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The number that its client has given it: in the query, or as the transaction of a message.
    fn number(&self) -> Option<usize> {
        if let Some((_, query)) = self.target.split_once('?') {
            let found = query.split('&').find_map(|pair| pair.strip_prefix("rid="));
            return found?.parse().ok();
        }
        let message: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        message["transaction"].as_str()?.parse().ok()
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve(server: &Server, mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(1024);
    while let Some(request) = read(&mut stream, &mut buffer).await? {
        if let Some(key) = &request.key {
            let accept = frames::accept(key);
            // Janus' subprotocol, or none.
            let more = match server.manner {
                Manner::Janus => "Sec-WebSocket-Protocol: janus-protocol\r\n",
                _ => "",
            };
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            return talk(server, stream, buffer).await;
        }
        let number = request.number();
        if let Some(number) = number {
            server.ledger.note(number, server.name, Deed::Received);
        }
        let note = |deed| {
            if let Some(number) = number {
                server.ledger.note(number, server.name, deed);
            }
        };
        match server.resets() {
            Some(is_whole) => {
                note(Deed::Reset);
                return reset(stream, is_whole).await;
            }
            None => answer(server, &mut stream, &request, number, note).await?,
        }
    }
    Ok(())
}

async fn answer(
    server: &Server,
    stream: &mut TcpStream,
    request: &Request,
    number: Option<usize>,
    note: impl Fn(Deed),
) -> io::Result<()> {
    tokio::time::sleep(server.delay()).await;
    if request.path().ends_with("/streamed") {
        return streamed(stream, number, note).await;
    }
    let body = match server.manner {
        Manner::Janus => janus::rest(request).await,
        _ => said(server.name, number),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(&[head.as_bytes(), body.as_bytes()].concat())
        .await?;
    note(Deed::Answered);
    Ok(())
}

fn said(name: &str, number: Option<usize>) -> String {
    format!("{{\"server\":\"{name}\",\"rid\":{}}}", number.unwrap_or(0))
}

async fn streamed(
    stream: &mut TcpStream,
    number: Option<usize>,
    note: impl Fn(Deed),
) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    for _ in 1..PARTS {
        stream.write_all(b"5\r\npart \r\n").await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let last = said("streamed", number);
    let last = format!("{:x}\r\n{last}\r\n0\r\n\r\n", last.len());
    stream.write_all(last.as_bytes()).await?;
    note(Deed::Answered);
    Ok(())
}

/// Resets the connection at once, or after half an answer.
async fn reset(mut stream: TcpStream, is_whole: bool) -> io::Result<()> {
    if !is_whole {
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of an answer";
        stream.write_all(half.as_bytes()).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))
}

/// A WebSocket: Janus' answers, or each message again.
async fn talk(server: &Server, stream: TcpStream, buffer: BytesMut) -> io::Result<()> {
    let mut frames = Frames::server(stream, buffer);
    loop {
        match frames.next().await? {
            Frame::Text(text) if server.manner == Manner::Janus => {
                let answer = janus::websocket(&text);
                frames.send_text(answer.as_bytes()).await?;
            }
            Frame::Text(text) => frames.send_text(&text).await?,
            Frame::Ping(payload) => frames.send_pong(&payload).await?,
            Frame::Pong => {}
            Frame::Close(code, _) => return frames.send_close(code).await,
        }
    }
}

/// A request; nothing where the connection ends before it.
async fn read(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Option<Request>> {
    let (mut request, length) = loop {
        if let Some(found) = parse(buffer)? {
            break found;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let length = match length {
        Length::Known(length) => length,
        Length::Chunked => {
            request.body = read_chunks(stream, buffer).await?;
            return Ok(Some(request));
        }
    };
    fill(stream, buffer, length).await?;
    request.body = buffer.split_to(length).to_vec();
    Ok(Some(request))
}

enum Length {
    Known(usize),
    Chunked,
}

/// A head, taken out of the buffer once it is complete.
fn parse(buffer: &mut BytesMut) -> io::Result<Option<(Request, Length)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(size) = head.parse(buffer).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let get = |name: &str| {
        let found = head
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).into_owned())
    };
    let length = match get("transfer-encoding") {
        Some(_) => Length::Chunked,
        None => Length::Known(get("content-length").map_or(0, |text| text.parse().unwrap())),
    };
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        body: Vec::new(),
        key: get("sec-websocket-key"),
    };
    buffer.advance(size);
    Ok(Some((request, length)))
}

async fn read_chunks(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = loop {
            if let Some(at) = buffer.windows(2).position(|pair| pair == b"\r\n") {
                break buffer.split_to(at + 2);
            }
            fill(stream, buffer, buffer.len() + 1).await?;
        };
        let text = std::str::from_utf8(&line).map_err(io::Error::other)?;
        let size = usize::from_str_radix(text.trim(), 16).map_err(io::Error::other)?;
        fill(stream, buffer, size + 2).await?;
        body.extend_from_slice(&buffer[..size]);
        buffer.advance(size + 2);
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Reads until there are this number of bytes.
async fn fill(stream: &mut TcpStream, buffer: &mut BytesMut, size: usize) -> io::Result<()> {
    while buffer.len() < size {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
