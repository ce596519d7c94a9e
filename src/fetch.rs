//! Exchanges with servers on the internet: CAs, and the key servers of issuers. Each exchange is
//! limited in time and size. It trusts the CAs that the configuration names, and goes through the
//! proxy that the environment names.

mod proxy;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, Entry, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{self, Builder, ResponseFuture};
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;

use crate::resolve::Resolver;
use proxy::Proxy;

/// The largest body: far above any set of keys or chain of certificates.
const LARGEST: usize = 1 << 20;

/// The largest response head.
const LARGEST_HEAD: usize = 64 * 1024;

const AGENT: &str = concat!("ianitor/", env!("CARGO_PKG_VERSION"));

/// Other codings are not understood. Without this line, a server could choose any.
const IDENTITY: &str = "identity";

/// The limits of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From the DNS lookup to the last byte.
    pub time: Duration,
    /// For the connection to one address, so that time is left for another one.
    pub connect_time: Duration,
    /// How many connections are kept for further exchanges.
    pub idle: usize,
}

type Plain = HttpConnector<Resolver>;
type Tls<C> = legacy::Client<HttpsConnector<C>, Full<Bytes>>;

/// Makes exchanges. Clones share connections.
#[derive(Clone)]
pub struct Fetcher(Arc<Ways>);

struct Ways {
    direct: Direct,
    proxied: Option<Proxied>,
    time: Duration,
}

enum Direct {
    /// Without TLS, to this machine only.
    Plain(legacy::Client<Plain, Full<Bytes>>),
    /// With TLS for `https`.
    Tls(Tls<Plain>),
}

/// The way through a proxy.
struct Proxied {
    proxy: Proxy,
    /// `None` if what the environment has is not a proxy that can be used.
    client: Option<Tls<Tunnel<HttpsConnector<Plain>>>>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

impl Fetcher {
    /// For `https` URLs, through the proxy that the environment names, and for `http` URLs of this
    /// machine.
    pub fn new(tls: &Arc<ClientConfig>, bounds: Bounds) -> Self {
        let (builder, plain) = (bounds.builder(), bounds.connector());
        let proxied = Proxy::from_environment().map(|proxy| {
            let client = proxy.url().map(|url| {
                let to_proxy = HttpsConnector::from((plain.clone(), Arc::clone(tls)));
                let mut tunnel = Tunnel::new(url, to_proxy);
                if let Some(auth) = proxy.auth() {
                    tunnel = tunnel.with_auth(auth);
                }
                builder.build(HttpsConnector::from((tunnel, Arc::clone(tls))))
            });
            Proxied { proxy, client }
        });
        let direct = builder.build(HttpsConnector::from((plain, Arc::clone(tls))));
        Self(Arc::new(Ways {
            direct: Direct::Tls(direct),
            proxied,
            time: bounds.time,
        }))
    }

    /// For `http` URLs of this machine.
    pub fn local(bounds: Bounds) -> Self {
        Self(Arc::new(Ways {
            direct: Direct::Plain(bounds.builder().build(bounds.connector())),
            proxied: None,
            time: bounds.time,
        }))
    }

    /// Sends a request. The body of the response is read if its status is `wanted`; otherwise it is
    /// empty.
    ///
    /// # Errors
    /// Why there is no complete response.
    pub async fn exchange(
        &self,
        request: Request<Bytes>,
        wanted: fn(StatusCode) -> bool,
    ) -> Result<Response<Bytes>, ExchangeError> {
        let exchange = async {
            let (head, body) = self.0.send(request).await?.into_parts();
            let body = if wanted(head.status) {
                whole(&head.headers, body).await?
            } else {
                Bytes::new()
            };
            Ok(Response::from_parts(head, body))
        };
        let time = self.0.time;
        tokio::time::timeout(time, exchange)
            .await
            .unwrap_or_else(|_| Err(ExchangeFault::Late(time).into()))
    }
}

impl Ways {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, ExchangeError> {
        let mut request = request.map(Full::new);
        let proxied = self.proxied.as_ref();
        let proxied = proxied.filter(|proxied| proxied.proxy.is_for(request.uri()));
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(IDENTITY));
        if let Entry::Vacant(agent) = headers.entry(header::USER_AGENT) {
            agent.insert(HeaderValue::from_static(AGENT));
        }
        let response = match proxied {
            Some(proxied) => proxied.send(request)?,
            None => self.direct.send(request),
        };
        response.await.map_err(|error| {
            let proxy = proxied.map(|proxied| proxied.proxy.to_string().into());
            ExchangeError::new(ExchangeFault::Unreachable(proxy), error)
        })
    }
}

impl Direct {
    fn send(&self, request: Request<Full<Bytes>>) -> ResponseFuture {
        match self {
            Self::Plain(client) => client.request(request),
            Self::Tls(client) => client.request(request),
        }
    }
}

impl Proxied {
    fn send(&self, request: Request<Full<Bytes>>) -> Result<ResponseFuture, ExchangeError> {
        match &self.client {
            Some(client) => Ok(client.request(request)),
            None => Err(ExchangeFault::Proxy(self.proxy.variable).into()),
        }
    }
}

impl Bounds {
    fn connector(&self) -> Plain {
        let mut connector = HttpConnector::new_with_resolver(Resolver::system());
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(self.connect_time));
        connector
    }

    fn builder(&self) -> Builder {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .pool_max_idle_per_host(self.idle)
            .http1_max_buf_size(LARGEST_HEAD);
        builder
    }
}

async fn whole(headers: &HeaderMap, body: Incoming) -> Result<Bytes, ExchangeError> {
    if let Some(coding) = headers.get(header::CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(IDENTITY.as_bytes())
    {
        let coding = String::from_utf8_lossy(coding.as_bytes()).into();
        return Err(ExchangeFault::Encoded(coding).into());
    }
    let body = Limited::new(body, LARGEST).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => ExchangeFault::TooLarge.into(),
        false => ExchangeError::new(ExchangeFault::Broken, error),
    })?;
    Ok(body.to_bytes())
}

/// The cause of a failed exchange, in the words of the libraries.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why there is no complete response. The message follows the URL or the name of the server.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub struct ExchangeError {
    /// What went wrong.
    pub fault: ExchangeFault,
    /// The error that it was noticed by, if there was one.
    pub source: Option<Cause>,
}

/// What went wrong in an exchange.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeFault {
    /// There is no connection, no TLS, or no HTTP; directly, or through this proxy.
    #[error("cannot be reached{}", Through(.0))]
    Unreachable(Option<Box<str>>),
    /// This variable of the environment does not name a proxy that can be used.
    #[error(
        "cannot be reached, because {0} is not the URL of an HTTP proxy; write \
         http://HOST:PORT, or unset it"
    )]
    Proxy(&'static str),
    /// The response did not arrive, or not completely, in this time.
    #[error("did not answer completely within {} s", .0.as_secs())]
    Late(Duration),
    /// The response broke off.
    #[error("broke off in the middle of its answer")]
    Broken,
    /// The body is too large.
    #[error("answered with more than {} KiB", LARGEST / 1024)]
    TooLarge,
    /// The body is compressed, in this way.
    #[error(
        "answered in the coding {0:?}, although it was asked for none; switch compression off \
         there for this URL"
    )]
    Encoded(Box<str>),
}

struct Through<'p>(&'p Option<Box<str>>);

impl fmt::Display for Through<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(proxy) => write!(f, " through the proxy {proxy}"),
            None => Ok(()),
        }
    }
}

impl ExchangeFault {
    /// The kind of failure, for logging each kind once.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::Late(_) | Self::Broken => "unavailable",
            Self::Proxy(_) => "proxy",
            Self::TooLarge => "too_large",
            Self::Encoded(_) => "coding",
        }
    }

    /// Whether the server may be available again soon.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Late(_) | Self::Broken)
    }
}

impl ExchangeError {
    /// With its cause.
    pub fn new(fault: ExchangeFault, source: impl Into<Cause>) -> Self {
        Self {
            fault,
            source: Some(source.into()),
        }
    }
}

impl From<ExchangeFault> for ExchangeError {
    fn from(fault: ExchangeFault) -> Self {
        Self {
            fault,
            source: None,
        }
    }
}
