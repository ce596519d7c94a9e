//! One question to one server on a connection of its own: bounded in time and in bytes.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use ianitor::proxy::connect::Connector;
use ianitor::proxy::websocket;
use ianitor::resolve::Resolver;
use ianitor::route::upstream::{ServerAddr, UpstreamSpec};
use ianitor::tls::{self, LoadError};

/// For a server to answer one question.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// How much of an answer is read. Janus' description of itself has less than 10 kB.
const LARGEST: usize = 64 * 1024;

/// A server, and how it is asked.
pub(super) struct Server {
    connector: Connector,
    host: HeaderValue,
}

/// Why there is no answer.
pub(super) enum Silent {
    /// It took too long: there is no use in asking more.
    Late,
    /// There is no connection: likewise.
    Away(Box<dyn Error>),
    /// It closed the connection, or did not speak HTTP; it may answer another question.
    Closed(Box<dyn Error>),
}

/// For the whole body of an answer, which may be a stream without an end.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// An answer by HTTP.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Empty, if there was more of it than is read, or it did not end in time.
    pub(super) body: Bytes,
}

impl Server {
    /// One of an upstream's servers. It is told the host that routes set, if they do.
    ///
    /// # Errors
    /// If the CA file cannot be used.
    pub(super) fn new(
        spec: &UpstreamSpec,
        addr: &ServerAddr,
        host: Option<&HeaderValue>,
    ) -> Result<Self, LoadError> {
        let tls = match addr.is_tls() {
            true => Some(tls::client_config(spec.tls.ca_file.as_deref(), "ca_file")?),
            false => None,
        };
        let own = match addr {
            ServerAddr::Tcp { host, port, .. } => {
                HeaderValue::try_from(format!("{host}:{port}")).ok()
            }
            ServerAddr::Unix(_) => None,
        };
        let host = host
            .cloned()
            .or(own)
            .unwrap_or(HeaderValue::from_static("localhost"));
        let connector = Connector::new(addr.clone(), &spec.tls, tls.as_ref(), &Resolver::system());
        Ok(Self { connector, host })
    }

    /// Asks for a path.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, Silent> {
        self.ask(Request::get(path), Bytes::new()).await
    }

    /// Sends JSON to a path.
    pub(super) async fn post(&self, path: &str, json: &'static str) -> Result<Answer, Silent> {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.ask(request, Bytes::from_static(json.as_bytes())).await
    }

    async fn ask(&self, request: http::request::Builder, body: Bytes) -> Result<Answer, Silent> {
        in_time(async {
            let response = self.send(request, body, |response| async {
                let (parts, body) = response.into_parts();
                let body =
                    tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, LARGEST).collect()).await;
                let body = body
                    .ok()
                    .and_then(Result::ok)
                    .map(|body| body.to_bytes())
                    .unwrap_or_default();
                Ok(Answer {
                    status: parts.status,
                    body,
                })
            });
            response.await
        })
        .await
    }

    /// Opens a WebSocket. `None` if the server does not; then it may do so for another path or
    /// subprotocol.
    pub(super) async fn open(
        &self,
        path: &str,
        subprotocol: Option<&'static str>,
    ) -> Result<Option<Socket>, Silent> {
        let key = websocket::new_key();
        let mut request = Request::get(path)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, key.clone());
        if let Some(name) = subprotocol {
            request = request.header(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        let opened = in_time(self.send(request, Bytes::new(), |response| async {
            if response.status() != StatusCode::SWITCHING_PROTOCOLS
                || !accepts(response.headers(), &key, subprotocol)
            {
                return Ok(None);
            }
            let upgraded = hyper::upgrade::on(response).await?;
            Ok(Some(Socket(TokioIo::new(upgraded))))
        }));
        match opened.await {
            // Janus answers a subprotocol that it does not have so.
            Err(Silent::Closed(_)) => Ok(None),
            opened => opened,
        }
    }

    /// Sends a request on a new connection, which lasts until the answer has been read.
    async fn send<T, R>(
        &self,
        request: http::request::Builder,
        body: Bytes,
        read: impl FnOnce(Response<Incoming>) -> R,
    ) -> Result<T, Silent>
    where
        R: Future<Output = hyper::Result<T>>,
    {
        let closed = |error: hyper::Error| Silent::Closed(error.into());
        let request = request
            .header(header::HOST, &self.host)
            .body(Full::new(body));
        let request = request.map_err(|error| Silent::Closed(error.into()))?;
        let stream = self
            .connector
            .connect()
            .await
            .map_err(|error| Silent::Away(error.into()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(closed)?;
        let mut connection = pin!(connection.with_upgrades());
        let mut asked = pin!(async { read(sender.send_request(request).await?).await });
        // The connection may end in the moment in which it delivers the answer, which counts.
        let ended = tokio::select! {
            biased;
            answer = &mut asked => return answer.map_err(closed),
            ended = &mut connection => ended,
        };
        match (asked.await, ended) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Err(error)) => Err(closed(error)),
            (Err(_), Ok(())) => Err(Silent::Closed(
                "the connection was closed without an answer".into(),
            )),
        }
    }
}

async fn in_time<T>(question: impl Future<Output = Result<T, Silent>>) -> Result<T, Silent> {
    tokio::time::timeout(TIMEOUT, question)
        .await
        .unwrap_or(Err(Silent::Late))
}

fn accepts(headers: &HeaderMap, key: &HeaderValue, subprotocol: Option<&str>) -> bool {
    let chosen = headers
        .get(header::SEC_WEBSOCKET_PROTOCOL)
        .map(HeaderValue::as_bytes);
    websocket::is_accepted(headers, key) && chosen == subprotocol.map(str::as_bytes)
}

/// A WebSocket, for a few short messages.
pub(super) struct Socket(TokioIo<Upgraded>);

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const OPCODE: u8 = 0x0f;

/// How many frames are read for one answer, pings in between among them.
const MOST_FRAMES: usize = 64;

impl Socket {
    /// Sends a text of less than 126 bytes and waits for one. `None` if another answer came, or
    /// none.
    pub(super) async fn ask(&mut self, text: &'static str) -> Option<Vec<u8>> {
        let answer = async {
            self.send(TEXT, text.as_bytes()).await?;
            self.receive().await
        };
        tokio::time::timeout(TIMEOUT, answer).await.ok()?.ok()
    }

    /// Says goodbye, without waiting for an answer.
    pub(super) async fn close(mut self) {
        const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();
        // Nothing is lost if the server has gone already.
        _ = tokio::time::timeout(TIMEOUT, self.send(CLOSE, &NORMAL)).await;
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        // Masks are against caches that take a socket for HTTP; this text is known beforehand
        // anyway.
        const MASK: [u8; 4] = [0x5a, 0xc3, 0x3c, 0xa5];
        let length = u8::try_from(payload.len())
            .ok()
            .filter(|length| *length < 126);
        let length = length.ok_or(io::ErrorKind::InvalidInput)?;
        let mut frame = vec![FIN | opcode, MASKED | length];
        frame.extend(MASK);
        frame.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.0.write_all(&frame).await?;
        self.0.flush().await
    }

    /// The next text, of one frame or several: Janus describes itself in two.
    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        for _ in 0..MOST_FRAMES {
            let head = self.0.read_u16().await?.to_be_bytes();
            let length = match head[1] {
                126 => u64::from(self.0.read_u16().await?),
                127 => self.0.read_u64().await?,
                short => u64::from(short),
            };
            let length = usize::try_from(length)
                .ok()
                .filter(|length| text.len().saturating_add(*length) <= LARGEST);
            let mut payload = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
            self.0.read_exact(&mut payload).await?;
            match head[0] & OPCODE {
                TEXT | CONTINUATION => text.append(&mut payload),
                CLOSE => break,
                _ => continue,
            }
            if head[0] & FIN != 0 {
                return Ok(text);
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
