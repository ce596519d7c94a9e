//! TURN credentials: for browsers by policy, for servers by API key.
//!
//! A browser gets every URI. A server is Janus, which ends if it cannot resolve one: it gets IPv4
//! literals, and names that resolve at this moment.

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::clock::UnixTime;
use crate::policy::{Denied, Permit};
use crate::serve::Inbound;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::serve::turn_form::{Form, parameters};
use crate::token::BadToken;
use crate::turn::uri::TurnUri;
use crate::turn::{Credential, METHODS, NoCredential, Subject, Turn};

/// A request for a credential.
pub(super) struct TurnRequest<'r> {
    pub(super) inbound: &'r Inbound,
    pub(super) form: Option<&'r Form>,
    pub(super) permit: &'r Permit,
}

impl TurnRequest<'_> {
    /// Issues a credential to the holder of the permit.
    pub(super) async fn serve(&self, turn: &Turn) -> Result<Response<ResponseBody>, Rejection> {
        match *self.inbound.request.method() {
            Method::GET | Method::HEAD | Method::POST => {}
            Method::OPTIONS => return Ok(options()),
            _ => return Err(NoCredential::Method.into()),
        }
        let mut services = parameters(self.inbound, self.form, "service");
        if services.any(|service| service != "turn") {
            return Err(NoCredential::Service.into());
        }
        let credential = self.credential(turn)?;
        let text = match self.permit.is_by_api_key() {
            true => credential.to_json(for_janus(self.inbound, turn).await?),
            false => credential.to_json(&turn.spec.uris),
        };
        Ok(answer(text))
    }

    fn credential(&self, turn: &Turn) -> Result<Credential, Rejection> {
        let (now, ttl) = (UnixTime::now(), turn.spec.ttl);
        if self.permit.is_by_api_key() {
            let mut names = parameters(self.inbound, self.form, "username");
            let subject = names.find_map(|name| Subject::new(&name));
            return Ok(turn.credential(now, &subject.unwrap_or_else(Subject::server), ttl));
        }
        let Some(token) = self.permit.user() else {
            return Ok(turn.credential(now, &Subject::client(), ttl));
        };
        let ttl = ttl.min(now.at_earliest().until(token.claims.exp));
        if ttl.is_zero() {
            // The token's leeway still admits the request, but the relay, which knows no leeway,
            // would reject the credential.
            return Err(Denied::Token(BadToken::Expired).into());
        }
        let subject = token.claims.subject().and_then(Subject::new);
        Ok(turn.credential(now, &subject.unwrap_or_else(Subject::client), ttl))
    }
}

/// The URIs that Janus can resolve. STUN URIs are of no use to it.
async fn for_janus<'t>(
    inbound: &Inbound,
    turn: &'t Turn,
) -> Result<Vec<&'t TurnUri>, NoCredential> {
    let names = &inbound.conn.worker.names;
    let is_good = async |uri: &TurnUri| match uri.host.ip() {
        Some(ip) => ip.is_ipv4(),
        None => names.has_ipv4(&uri.host).await,
    };
    let relays = turn.spec.uris.iter().filter(|uri| uri.relays());
    let judged =
        futures_util::future::join_all(relays.map(async |uri| is_good(uri).await.then_some(uri)))
            .await;
    let good: Vec<&TurnUri> = judged.into_iter().flatten().collect();
    if good.is_empty() {
        Err(NoCredential::NoUri)
    } else {
        Ok(good)
    }
}

fn answer(text: String) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::text(text));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn options() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(METHODS));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
