//! One request to one server on a connection of its own, limited in time and in bytes.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;

use super::socket::{LARGEST, Socket};
use crate::proxy::connect::{ConnectError, Connector};
use crate::proxy::websocket;
use crate::resolve::Resolver;
use crate::route::upstream::{ServerAddr, UpstreamTls};

const AGENT: &str = concat!("ianitor/", env!("CARGO_PKG_VERSION"), " (health)");

/// A server to ask.
#[derive(Clone, Debug)]
pub struct AskedServer {
    connector: Connector,
    host: HeaderValue,
    timeout: Duration,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// It took too long; asking again is no use.
    Timeout,
    /// There is no connection; asking again is no use.
    Unreachable(ConnectError),
    /// It closed the connection or did not speak HTTP; it may answer another request.
    Closed(Box<dyn Error + Send + Sync>),
}

/// The time limit for the body of an answer, which may be an endless stream.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// An answer by HTTP.
#[derive(Debug)]
pub struct ServerAnswer {
    /// The status.
    pub status: StatusCode,
    headers: HeaderMap,
    /// Empty if it was too large or did not end in time.
    pub body: Bytes,
}

impl AskedServer {
    /// One of an upstream's servers, asked with the `Host` that its routes set, if any. `config` is
    /// used if the server speaks TLS. Each answer may take as long as `timeout`.
    pub fn new(
        addr: &ServerAddr,
        (tls, config): (&UpstreamTls, Option<&Arc<ClientConfig>>),
        host: Option<&HeaderValue>,
        resolver: &Resolver,
        timeout: Duration,
    ) -> Self {
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
        let connector = Connector::new(addr.clone(), tls, config, resolver);
        Self {
            connector,
            host,
            timeout,
        }
    }

    /// Opens a connection, with TLS if the server speaks it.
    ///
    /// # Errors
    /// If there is none in time.
    pub async fn connect(&self) -> Result<(), NoAnswer> {
        self.in_time(async {
            let connected = self.connector.connect().await;
            connected.map(drop).map_err(NoAnswer::Unreachable)
        })
        .await
    }

    /// The status of the response to a GET, of which no more is read.
    ///
    /// # Errors
    /// If there is no answer in time.
    pub async fn status(&self, target: &str) -> Result<StatusCode, NoAnswer> {
        let request = Request::get(target);
        self.in_time(self.send(request, Bytes::new(), |response| async move {
            Ok(response.status())
        }))
        .await
    }

    /// Requests a path.
    ///
    /// # Errors
    /// If there is no answer in time.
    pub async fn get(&self, path: &str) -> Result<ServerAnswer, NoAnswer> {
        self.ask(Request::get(path), Bytes::new()).await
    }

    /// Whether a path says that it takes SDP, as endpoints of WHIP and WHEP may (RFC 9725, section
    /// 4.2).
    ///
    /// # Errors
    /// If there is no answer in time.
    pub async fn takes_sdp(&self, path: &str) -> Result<bool, NoAnswer> {
        let answer = self.ask(Request::options(path), Bytes::new()).await?;
        let types = answer.headers.get_all("accept-post").iter();
        let mut types = types.filter_map(|types| types.to_str().ok());
        Ok(types.any(|types| types.to_ascii_lowercase().contains("application/sdp")))
    }

    /// Sends JSON to a path.
    ///
    /// # Errors
    /// If there is no answer in time.
    pub async fn post(&self, path: &str, json: impl Into<Bytes>) -> Result<ServerAnswer, NoAnswer> {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.ask(request, json.into()).await
    }

    async fn ask(
        &self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<ServerAnswer, NoAnswer> {
        self.in_time(async {
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
    ///
    /// # Errors
    /// If there is no answer in time.
    pub async fn open(
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
        let opened = self.in_time(self.send(request, Bytes::new(), |response| async {
            if response.status() != StatusCode::SWITCHING_PROTOCOLS
                || !accepts(response.headers(), &key, subprotocol)
            {
                return Ok(None);
            }
            let upgraded = hyper::upgrade::on(response).await?;
            Ok(Some(Socket::new(upgraded, self.timeout)))
        }));
        match opened.await {
            // This is how Janus rejects a subprotocol.
            Err(NoAnswer::Closed(_)) => Ok(None),
            opened => opened,
        }
    }

    async fn in_time<T>(
        &self,
        question: impl Future<Output = Result<T, NoAnswer>>,
    ) -> Result<T, NoAnswer> {
        tokio::time::timeout(self.timeout, question)
            .await
            .unwrap_or(Err(NoAnswer::Timeout))
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
            .header(header::USER_AGENT, AGENT)
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

fn accepts(headers: &HeaderMap, key: &HeaderValue, subprotocol: Option<&str>) -> bool {
    let chosen = headers
        .get(header::SEC_WEBSOCKET_PROTOCOL)
        .map(HeaderValue::as_bytes);
    websocket::is_accepted(headers, key) && chosen == subprotocol.map(str::as_bytes)
}
