//! One GET, bounded in time and size.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::Uri;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{self, Builder};
use hyper_util::rt::TokioExecutor;

use crate::resolve::Resolver;
use crate::tls::{self, LoadError};
use crate::token::issuer::KeyEndpoint;

/// The time for a whole fetch, from the DNS lookup to the last byte. Requests wait as long.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest body: far above any set of keys.
const LARGEST: usize = 1 << 20;

/// The largest response head.
const LARGEST_HEAD: usize = 64 * 1024;

type Body = Empty<Bytes>;

/// Fetches from an endpoint, and trusts the CA that its configuration names.
#[derive(Clone)]
pub struct Client(Transport);

#[derive(Clone)]
enum Transport {
    /// To this machine only.
    Plain(legacy::Client<HttpConnector<Resolver>, Body>),
    Tls(legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Body>),
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

/// A document that was fetched.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Document {
    /// The SHA-256 of the body. An unchanged document is no reason to verify cached tokens again.
    pub(super) fn digest(&self) -> Digest {
        sha256(&self.body)
    }
}

/// A SHA-256.
pub(super) type Digest = [u8; 32];

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = Digest::default();
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

impl Client {
    /// For the endpoint of an issuer.
    ///
    /// # Errors
    /// If the CA file, or the system's CAs, cannot be loaded.
    pub fn new(issuer: &str, endpoint: &KeyEndpoint) -> Result<Self, LoadError> {
        let mut http = HttpConnector::new_with_resolver(Resolver::system());
        http.enforce_http(false);
        // Leaves time for another address if one does not answer.
        http.set_connect_timeout(Some(TIMEOUT * 4 / 5));
        let mut builder = Builder::new(TokioExecutor::new());
        // Fetches are hours apart, so an idle connection would be closed by then.
        builder
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(LARGEST_HEAD);
        if is_plain(&endpoint.url) {
            return Ok(Self(Transport::Plain(builder.build(http))));
        }
        let key = format!("issuers.{issuer}.ca_file");
        let config = tls::client_config(endpoint.ca_file.as_deref(), &key)?;
        Ok(Self(Transport::Tls(
            builder.build(HttpsConnector::from((http, config))),
        )))
    }

    /// Fetches a document.
    pub(super) async fn get(
        &self,
        url: &str,
        accept: &'static str,
    ) -> Result<Document, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Url)?;
        let mut request = Request::new(Body::new());
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        let agent = HeaderValue::from_static(concat!("ianitor/", env!("CARGO_PKG_VERSION")));
        headers.insert(header::USER_AGENT, agent);
        let exchange = async {
            match &self.0 {
                Transport::Plain(client) => exchange(client, request).await,
                Transport::Tls(client) => exchange(client, request).await,
            }
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or(Err(FetchError::Late))
    }
}

fn is_plain(url: &str) -> bool {
    url.parse::<Uri>()
        .is_ok_and(|uri| uri.scheme_str() == Some("http"))
}

async fn exchange<C>(
    client: &legacy::Client<C, Body>,
    request: Request<Body>,
) -> Result<Document, FetchError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let answer = client
        .request(request)
        .await
        .map_err(FetchError::Unreachable)?;
    let (head, body) = answer.into_parts();
    match head.status {
        StatusCode::OK => Ok(Document {
            headers: head.headers,
            body: whole(body).await?,
        }),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::Missing(head.status)),
        status if status.is_redirection() => Err(FetchError::Redirect(status)),
        status => Err(FetchError::Status(status)),
    }
}

async fn whole(body: Incoming) -> Result<Bytes, FetchError> {
    let body = Limited::new(body, LARGEST).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => FetchError::TooLarge,
        false => FetchError::Broken(error),
    })?;
    Ok(body.to_bytes())
}

/// Why there are no keys. Messages follow the URL.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL cannot be parsed; the configuration has been checked before.
    #[error("is not a URL")]
    Url,
    /// There is no connection, no TLS, or no HTTP.
    #[error("cannot be reached")]
    Unreachable(#[source] legacy::Error),
    /// The answer did not arrive, or not completely, in time.
    #[error("did not answer completely within {} s", TIMEOUT.as_secs())]
    Late,
    /// The answer broke off.
    #[error("broke off in the middle of its answer")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The document does not exist.
    #[error("answered {0}")]
    Missing(StatusCode),
    /// A redirect. It could lead anywhere, so it is not followed.
    #[error("answered {0}, and redirects are not followed; configure the URL that it leads to")]
    Redirect(StatusCode),
    /// Another status.
    #[error("answered {0}, not 200")]
    Status(StatusCode),
    /// The body is too large.
    #[error("answered with more than {} KiB", LARGEST / 1024)]
    TooLarge,
    /// The body is not JSON; usually it is a web page.
    #[error("answered with something that is not a JSON object")]
    NotJson(#[source] serde_json::Error),
    /// The JSON is not a JWKS.
    #[error("answered with JSON that is not a set of keys (JWKS)")]
    NotSet,
    /// ASAP: the body is not a usable key.
    #[error(
        "answered with what is not one public key in PEM, of 2048 bits or more where it is RSA"
    )]
    NotPem,
    /// No key can be used.
    #[error("has no key that can be used with {0}; secrets among public keys are ignored")]
    NoKey(String),
}

impl FetchError {
    /// The kind of failure. An endpoint that is down is logged once, even if the errors differ.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::Late | Self::Broken(_) => "unavailable",
            Self::Missing(_) => "missing",
            Self::Redirect(_) => "redirect",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::NotJson(_) | Self::NotSet | Self::NotPem => "format",
            Self::Url => "url",
            Self::NoKey(_) => "no_key",
        }
    }
}
