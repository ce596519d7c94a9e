//! One request to one server on its own connection, limited in time and in bytes.

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

use ianitor::proxy::connect::{ConnectError, Connector};
use ianitor::proxy::websocket;
use ianitor::resolve::Resolver;
use ianitor::route::upstream::{ServerAddr, UpstreamSpec};
use ianitor::tls::{self, LoadError};

/// The time limit for one answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// The largest answer that is read. Janus' description of itself has less than 10 kB.
const LARGEST: usize = 64 * 1024;

/// A server to ask.
pub(super) struct Server {
    connector: Connector,
    host: HeaderValue,
}

/// Why there is no answer.
pub(super) enum NoAnswer {
    /// It took too long; asking again is no use.
    Timeout,
    /// There is no connection; asking again is no use.
    Unreachable(ConnectError),
    /// It closed the connection or did not speak HTTP; it may answer another request.
    Closed(Box<dyn Error>),
}

/// The time limit for the body of an answer, which may be an endless stream.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// An answer by HTTP.
pub(super) struct ServerAnswer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    /// Empty if it was too large or did not end in time.
    pub(super) body: Bytes,
}

impl Server {
    /// One of an upstream's servers, asked with the `Host` that its routes set, if any.
    ///
    /// # Errors
    /// If the CA file cannot be used.
    pub(super) fn new(
        spec: &UpstreamSpec,
        addr: &ServerAddr,
        host: Option<&HeaderValue>,
    ) -> Result<Self, LoadError> {
        let tls = match addr.is_tls() {
            true => {
                let (key, tls) = (format!("upstreams.{}", spec.name), &spec.tls);
                let ca_file = tls.ca_file.as_deref();
                Some(tls::upstream_config(ca_file, &tls.pins, &key)?)
            }
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

    /// Requests a path.
    pub(super) async fn get(&self, path: &str) -> Result<ServerAnswer, NoAnswer> {
        self.ask(Request::get(path), Bytes::new()).await
    }

    /// Whether a path says that it takes SDP, as endpoints of WHIP and WHEP may (RFC 9725, section
    /// 4.2).
    pub(super) async fn takes_sdp(&self, path: &str) -> Result<bool, NoAnswer> {
        let answer = self.ask(Request::options(path), Bytes::new()).await?;
        let types = answer.headers.get_all("accept-post").iter();
        let mut types = types.filter_map(|types| types.to_str().ok());
        Ok(types.any(|types| types.to_ascii_lowercase().contains("application/sdp")))
    }

    /// Sends JSON to a path.
    pub(super) async fn post(
        &self,
        path: &str,
        json: impl Into<Bytes>,
    ) -> Result<ServerAnswer, NoAnswer> {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.ask(request, json.into()).await
    }

    async fn ask(
        &self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<ServerAnswer, NoAnswer> {
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
                Ok(ServerAnswer {
                    status: parts.status,
                    headers: parts.headers,
                    body,
                })
            });
            response.await
        })
        .await
    }

    /// Opens a WebSocket. `None` if the server rejects it, which it may not for another path or
    /// subprotocol.
    pub(super) async fn open(
        &self,
        path: &str,
        subprotocol: Option<&'static str>,
    ) -> Result<Option<Socket>, NoAnswer> {
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
            // This is how Janus rejects a subprotocol.
            Err(NoAnswer::Closed(_)) => Ok(None),
            opened => opened,
        }
    }

    /// Sends a request on a new connection, which is closed once the answer has been read.
    async fn send<T, R>(
        &self,
        request: http::request::Builder,
        body: Bytes,
        read: impl FnOnce(Response<Incoming>) -> R,
    ) -> Result<T, NoAnswer>
    where
        R: Future<Output = hyper::Result<T>>,
    {
        let closed = |error: hyper::Error| NoAnswer::Closed(error.into());
        let request = request
            .header(header::HOST, &self.host)
            .body(Full::new(body));
        let request = request.map_err(|error| NoAnswer::Closed(error.into()))?;
        let stream = self
            .connector
            .connect()
            .await
            .map_err(NoAnswer::Unreachable)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(closed)?;
        let mut connection = pin!(connection.with_upgrades());
        let mut asked = pin!(async { read(sender.send_request(request).await?).await });
        // An answer counts even if the connection ends together with it.
        let ended = tokio::select! {
            biased;
            answer = &mut asked => return answer.map_err(closed),
            ended = &mut connection => ended,
        };
        match (asked.await, ended) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Err(error)) => Err(closed(error)),
            (Err(_), Ok(())) => Err(NoAnswer::Closed(
                "the connection was closed without an answer".into(),
            )),
        }
    }
}

async fn in_time<T>(question: impl Future<Output = Result<T, NoAnswer>>) -> Result<T, NoAnswer> {
    tokio::time::timeout(TIMEOUT, question)
        .await
        .unwrap_or(Err(NoAnswer::Timeout))
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

/// How many frames are read for one answer, including pings.
const MOST_FRAMES: usize = 64;

impl Socket {
    /// Sends a text of less than 64 KiB and waits for a text. `None` if none came.
    pub(super) async fn ask(&mut self, text: &str) -> Option<Vec<u8>> {
        let answer = async {
            self.send(TEXT, text.as_bytes()).await?;
            self.receive().await
        };
        tokio::time::timeout(TIMEOUT, answer).await.ok()?.ok()
    }

    /// Sends a close frame, without waiting for an answer.
    pub(super) async fn close(mut self) {
        const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();
        // The server may have closed already.
        _ = tokio::time::timeout(TIMEOUT, self.send(CLOSE, &NORMAL)).await;
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        // Masking protects caches that mistake a WebSocket for HTTP from chosen text, and no client
        // chooses this text.
        const MASK: [u8; 4] = [0x5a, 0xc3, 0x3c, 0xa5];
        let length = u16::try_from(payload.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut frame = vec![FIN | opcode];
        match u8::try_from(length).ok().filter(|short| *short < 126) {
            Some(short) => frame.push(MASKED | short),
            None => {
                frame.push(MASKED | 126);
                frame.extend(length.to_be_bytes());
            }
        }
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

    /// The next text, of one frame or several; Janus describes itself in two.
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
