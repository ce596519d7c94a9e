//! Fetches documents with keys.

use std::time::Duration;

use aws_lc_rs::digest;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::Uri;
use http::{Request, StatusCode};
use hyper::body::Bytes;

use crate::fetch::{Bounds, ExchangeError, Fetcher};
use crate::tls::{self, LoadError};
use crate::token::issuer::KeyEndpoint;

/// The time for a whole fetch, from the DNS lookup to the last byte. Requests wait as long.
pub const TIMEOUT: Duration = Duration::from_secs(5);

const BOUNDS: Bounds = Bounds {
    time: TIMEOUT,
    connect_time: Duration::from_secs(4),
    // Fetches are hours apart, so an idle connection would be closed by then.
    idle: 0,
};

/// Fetches from an endpoint, and trusts the CA that its configuration names.
#[derive(Clone, Debug)]
pub struct Client(Fetcher);

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
        if is_plain(&endpoint.url) {
            return Ok(Self(Fetcher::local(BOUNDS)));
        }
        let key = format!("issuers.{issuer}.ca_file");
        let tls = tls::client_config(endpoint.ca_file.as_deref(), &key)?;
        Ok(Self(Fetcher::new(&tls, BOUNDS)))
    }

    /// Fetches a document.
    pub(super) async fn get(
        &self,
        url: &str,
        accept: &'static str,
    ) -> Result<Document, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Url)?;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri;
        let accept = HeaderValue::from_static(accept);
        request.headers_mut().insert(header::ACCEPT, accept);
        let is_ok = |status| status == StatusCode::OK;
        let (head, body) = self.0.exchange(request, is_ok).await?.into_parts();
        match head.status {
            StatusCode::OK => Ok(Document {
                headers: head.headers,
                body,
            }),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::Missing(head.status)),
            status if status.is_redirection() => Err(FetchError::Redirect(status)),
            status => Err(FetchError::Status(status)),
        }
    }
}

fn is_plain(url: &str) -> bool {
    url.parse::<Uri>()
        .is_ok_and(|uri| uri.scheme_str() == Some("http"))
}

/// Why there are no keys. Messages follow the URL.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL cannot be parsed; the configuration has been checked before.
    #[error("is not a URL")]
    Url,
    /// There is no complete answer.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The document does not exist.
    #[error("answered {0}")]
    Missing(StatusCode),
    /// A redirect. It could lead anywhere, so it is not followed.
    #[error("answered {0}, and redirects are not followed; configure the URL that it leads to")]
    Redirect(StatusCode),
    /// Another status.
    #[error("answered {0}, not 200")]
    Status(StatusCode),
    /// The body is not JSON; usually it is a web page.
    #[error("answered with something that is not a JSON object")]
    NotJson(#[source] serde_json::Error),
    /// The JSON is not a JWKS.
    #[error("answered with JSON that is not a set of keys (JWKS)")]
    NotSet,
    /// The JSON describes the issuer, and says where its keys are.
    #[error(
        "answered with the description of the issuer; its keys are elsewhere: write jwks_url = \
         \"{0}\""
    )]
    Discovery(String),
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
    /// Whether the endpoint may be available again soon.
    pub(super) fn is_unavailable(&self) -> bool {
        match self {
            Self::Exchange(error) => error.fault.is_unavailable(),
            Self::Status(_) => true,
            _ => false,
        }
    }

    /// The kind of failure. An endpoint that is down is logged once, even if the errors differ.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Exchange(error) => error.fault.word(),
            Self::Missing(_) => "missing",
            Self::Redirect(_) => "redirect",
            Self::Status(_) => "status",
            Self::NotJson(_) | Self::NotSet | Self::NotPem => "format",
            Self::Url => "url",
            Self::Discovery(_) => "discovery",
            Self::NoKey(_) => "no_key",
        }
    }
}
