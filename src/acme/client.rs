//! The HTTP client for CAs. It remembers `Retry-After`, which instant-acme does not expose with
//! problems.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient, Problem};
use parking_lot::{Mutex, MutexGuard};
use rustls::ClientConfig;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::problem::Said;
use crate::clock::{self, UnixTime};
use crate::fetch::{Bounds, Cause, ExchangeError, ExchangeFault, Fetcher};

/// For one request with its answer. CAs answer within seconds. An order has many requests, so the
/// connection is kept.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(30),
    connect_time: Duration::from_secs(10),
    idle: 1,
};

/// The longest `Retry-After` in seconds. instant-acme adds the value to the current time, and
/// panics if the sum is not a valid time.
const LONGEST_WAIT: u64 = 366 * 86_400;

const AGENT: &str = concat!("ianitor/", env!("CARGO_PKG_VERSION"), " instant-acme");

/// A client of one CA. Each attempt has its own, so that it sees only its own `Retry-After`.
#[derive(Clone)]
pub(super) struct Client {
    http: Fetcher,
    hints: Arc<Mutex<Hints>>,
}

/// What answers said beside what instant-acme exposes.
#[derive(Default)]
struct Hints {
    /// `Retry-After` of the last error.
    refused_for: Option<Duration>,
    /// `Retry-After` of the last success: the CA needs more time.
    busy_for: Option<Duration>,
    /// When the order in the last answer expires.
    order_expires: Option<UnixTime>,
}

/// A body, and `Retry-After` if the CA sent it.
pub(super) struct Got {
    pub(super) body: Bytes,
    pub(super) retry_after: Option<Duration>,
}

impl Client {
    pub(super) fn new(tls: &Arc<ClientConfig>) -> Self {
        Self {
            http: Fetcher::new(tls, BOUNDS),
            hints: Arc::default(),
        }
    }

    /// `Retry-After` of the last error.
    pub(super) fn refused_for(&self) -> Option<Duration> {
        self.hints().refused_for
    }

    /// `Retry-After` of the last success, if the CA was not ready.
    pub(super) fn busy_for(&self) -> Option<Duration> {
        self.hints().busy_for
    }

    /// When the order in the last answer expires.
    pub(super) fn order_expires(&self) -> Option<UnixTime> {
        self.hints().order_expires
    }

    fn hints(&self) -> MutexGuard<'_, Hints> {
        self.hints.lock()
    }

    /// Gets a JSON document.
    pub(super) async fn get(&self, url: &str) -> Result<Got, ClientError> {
        let mut request = Request::new(BodyWrapper::default());
        *request.uri_mut() = url.parse().map_err(|_| ClientError::Url(url.into()))?;
        let answer = self.exchange(request).await?;
        if answer.status().is_success() {
            let retry_after = retry_after(answer.headers());
            return Ok(Got {
                body: answer.into_body(),
                retry_after,
            });
        }
        Err(match serde_json::from_slice::<Problem>(answer.body()) {
            Ok(problem) if problem.r#type.is_some() => ClientError::Refused(url.into(), problem),
            _ => ClientError::NoAcme(url.into(), answer.status()),
        })
    }

    async fn exchange(
        &self,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Result<Response<Bytes>, ClientError> {
        request
            .headers_mut()
            .insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        let uri = request.uri().clone();
        // instant-acme has the whole body in memory.
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await;
        let request = Request::from_parts(head, body.to_bytes());
        let answer = self.http.exchange(request, |_| true).await;
        let mut answer = answer.map_err(|ExchangeError { fault, source }| {
            let at = uri.authority().map_or("", |at| at.as_str());
            ClientError::Exchange(at.into(), fault, source)
        })?;
        bound(answer.headers_mut());
        if answer.status().is_client_error() || answer.status().is_server_error() {
            self.hints().refused_for = retry_after(answer.headers());
            // A page of a proxy, not a problem of the CA (RFC 8555, section 6.7).
            if serde_json::from_slice::<serde_json::Map<_, _>>(answer.body()).is_err() {
                return Err(ClientError::NoAcme(uri.to_string().into(), answer.status()));
            }
        } else {
            self.hints().note(&answer);
        }
        Ok(answer)
    }
}

impl Hints {
    fn note(&mut self, answer: &Response<Bytes>) {
        self.busy_for = retry_after(answer.headers());
        if let Ok(order) = serde_json::from_slice::<OrderExpiry>(answer.body()) {
            let end = humantime::parse_rfc3339_weak(&order.expires).ok();
            self.order_expires = end.map(UnixTime::from);
        }
    }
}

/// The expiry of an order, which instant-acme does not expose (RFC 8555, section 7.1.3). The field
/// `finalize` tells an order from an authorization, which also expires.
#[derive(Deserialize)]
struct OrderExpiry {
    expires: String,
    #[serde(rename = "finalize")]
    _finalize: IgnoredAny,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            match client.exchange(request).await {
                Ok(answer) => Ok(answer.map(Full::new).into()),
                Err(error) => Err(instant_acme::Error::Other(Box::new(error))),
            }
        })
    }
}

/// Seconds or a date (RFC 9110, section 10.2.3). A date is compared with the `Date` of the answer,
/// since the CA's clock may differ from ours.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let said = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = u64::from_str(said) {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(said).ok()?;
    let now = text(header::DATE).and_then(|text| httpdate::parse_http_date(text).ok());
    Some(
        date.duration_since(now.unwrap_or_else(clock::wall))
            .unwrap_or_default(),
    )
}

/// Limits `Retry-After` to [`LONGEST_WAIT`].
fn bound(headers: &mut HeaderMap) {
    let seconds = headers
        .get(header::RETRY_AFTER)
        .and_then(|text| u64::from_str(text.to_str().ok()?.trim()).ok());
    if seconds.is_some_and(|seconds| seconds > LONGEST_WAIT) {
        headers.insert(header::RETRY_AFTER, LONGEST_WAIT.into());
    }
}

/// Why a request to the CA failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is invalid.
    #[error("the CA names {0:?}, which is no URL")]
    Url(Box<str>),
    /// There is no complete answer.
    #[error("the CA at {0} {1}")]
    Exchange(Box<str>, ExchangeFault, #[source] Option<Cause>),
    /// The CA answered with a problem.
    #[error("{0} answered {said}", said = Said(.1))]
    Refused(Box<str>, Problem),
    /// The answer is an error, but not a problem document.
    #[error("{0} answered {1}, and not in the words of ACME; is it the URL of a CA's directory?")]
    NoAcme(Box<str>, StatusCode),
}

#[cfg(test)]
mod tests;
