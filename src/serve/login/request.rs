//! What the service of `forward_auth` is asked: a GET with the credentials of the client's request,
//! and what the gateway says of that request.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};

use super::super::Routed;
use crate::addr::ClientAddr;
use crate::policy::ForwardAuth;
use crate::proxy::headers::with_client_fields;
use crate::route::Route;
use crate::token::location::{self, COOKIE};

/// Marks the requests of `forward_auth`, which need no login themselves.
pub(super) const MARK: &str = "x-ianitor-forward-auth";

/// What the service learns from the client itself.
static FROM_CLIENT: [HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::AUTHORIZATION,
    header::ORIGIN,
    header::USER_AGENT,
    HeaderName::from_static("x-requested-with"),
];

/// A question to the service, which can be asked again.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) headers: HeaderMap,
    pub(super) client: ClientAddr,
    /// The URL of the client's request.
    pub(super) url: String,
}

impl Question {
    /// What to ask about a request.
    pub(super) fn new(routed: &Routed, route: &Route) -> Self {
        let inbound = &routed.normal.inbound;
        let sent = inbound.request.headers();
        let mut headers = HeaderMap::new();
        let host = sent.get(header::HOST).cloned();
        let host = host.unwrap_or(HeaderValue::from_static(""));
        headers.insert(header::HOST, host.clone());
        for name in &FROM_CLIENT {
            for value in sent.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        if let Some(cookie) = cookies(sent) {
            headers.insert(header::COOKIE, cookie);
            location::remove_cookie(&mut headers, COOKIE);
        }
        with_client_fields(&mut headers, &inbound.origin, inbound.exchange.id());
        let uri = target(routed, route);
        let path = uri.path_and_query().map_or("/", |target| target.as_str());
        let host = host.to_str().unwrap_or_default();
        let url = format!("https://{host}{path}");
        // An extended CONNECT is a GET to every server.
        let method = match inbound.is_websocket {
            true => Method::GET.as_str(),
            false => inbound.request.method().as_str(),
        };
        for (name, value) in [
            ("x-original-url", &*url),
            ("x-original-method", method),
            ("x-forwarded-method", method),
            ("x-forwarded-uri", path),
            (MARK, "1"),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Self {
            headers,
            client: inbound.client,
            url,
        }
    }

    /// The request to the service.
    pub(super) fn request(&self, service: &ForwardAuth) -> Request<()> {
        let mut request = Request::new(());
        // It was parsed with the configuration.
        *request.uri_mut() = service.target.parse().unwrap_or_default();
        *request.headers_mut() = self.headers.clone();
        let headers = request.headers_mut();
        headers.insert(header::HOST, service.host.clone());
        request
    }

    /// What an answer that admits depends on, for the cache: the name of the upstream is that of
    /// the policy too.
    pub(super) fn key(&self, service: &ForwardAuth) -> String {
        let part = |name: &HeaderName| {
            let values = self.headers.get_all(name).iter();
            values.fold(String::new(), |all, value| {
                all + &format!("{:?}\n", value.as_bytes())
            })
        };
        let names = [
            header::COOKIE,
            header::AUTHORIZATION,
            header::ORIGIN,
            HeaderName::from_static("x-original-method"),
        ];
        let parts: Vec<String> = names.iter().map(part).collect();
        format!(
            "{}\n{}\n{}\n{}",
            service.upstream,
            self.client,
            self.url,
            parts.join("\0")
        )
    }
}

/// The target that the client asked for, without tokens that the policy may have found there.
fn target(routed: &Routed, route: &Route) -> Uri {
    let uri = routed.normal.inbound.request.uri();
    match route.policy.token_rule() {
        None => uri.clone(),
        Some(rule) => {
            let mut uri = uri.clone();
            location::remove(&mut HeaderMap::new(), &mut uri, &rule.sources);
            uri
        }
    }
}

/// The cookies of a request in one field, as servers expect them (RFC 9113, section 8.2.3).
fn cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut fields = headers.get_all(header::COOKIE).iter();
    let first = fields.next()?;
    let mut all = first.as_bytes().to_vec();
    for more in fields {
        all.extend_from_slice(b"; ");
        all.extend_from_slice(more.as_bytes());
    }
    HeaderValue::from_bytes(&all).ok()
}
