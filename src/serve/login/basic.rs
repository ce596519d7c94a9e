//! `basic`: names and passwords (RFC 7617).

use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};

use super::super::Routed;
use super::super::auth_context::context;
use super::super::reject::Rejection;
use super::failure::LoginFailure;
use super::outcome::{BEARER, Cookies, Outcome, answered, note_claim};
use super::{identity, judge};
use crate::auth::passwords::{PasswordFailure, check_password};
use crate::policy::{Basic, Denied, LoginRule, Permit};
use crate::route::Route;

/// The longest credentials in bytes, in base64.
const LONGEST: usize = 4096;

/// Decides by the name and password of a request.
pub(super) async fn decide(
    routed: &Routed,
    route: &Route,
    rule: &Arc<LoginRule>,
    basic: &Basic,
) -> Outcome {
    match permit(routed, route, rule, basic).await {
        Ok(permit) => Outcome::Permit(permit, Cookies::default()),
        Err(rejection @ Rejection::Denied(Denied::NoLogin | Denied::Password)) => {
            let bearer = route.policy.token_rule().map(|_| BEARER);
            let challenges = [challenge(&basic.realm)].into_iter().chain(bearer);
            let headers = challenges.map(|challenge| (header::WWW_AUTHENTICATE, challenge));
            Outcome::Answered(answered(routed, &rejection, headers))
        }
        Err(rejection @ Rejection::Denied(denied @ Denied::Claim(_))) => {
            note_claim(routed, rule, &denied);
            Outcome::Answered(answered(routed, &rejection, []))
        }
        Err(rejection) => Outcome::Rejected(rejection),
    }
}

async fn permit(
    routed: &Routed,
    route: &Route,
    rule: &Arc<LoginRule>,
    basic: &Basic,
) -> Result<Permit, Rejection> {
    let inbound = &routed.normal.inbound;
    let credentials = credentials(inbound.request.headers())?.ok_or(Denied::NoLogin)?;
    let users = judge::users(&inbound.view.snapshot, basic).ok_or(LoginFailure::Changed)?;
    let context = context(inbound, route.policy.lists(inbound.client));
    let hashing = &inbound.conn.worker.shared.hashing;
    let checked = check_password(&context, users, hashing, &credentials).await;
    let hash = checked.map_err(|failure| match failure {
        PasswordFailure::Failure(failure) => failure.into(),
        PasswordFailure::Busy => Rejection::from(LoginFailure::Busy),
    })?;
    let name = credentials.split(':').next().unwrap_or_default();
    let tag = inbound.conn.worker.tokens.tag(&credentials);
    let mut login = identity::of_name(rule, name, tag).ok_or(LoginFailure::Changed)?;
    login.hash = Some(hash);
    let login = Rc::new(login);
    let user = Rc::clone(&login.verified);
    inbound.exchange.note(|line| line.user = Some(user));
    Ok(route.policy.authorize_login(inbound.client, &login)?)
}

/// The name and password of a request, as `name:password`; `None` if it has none.
fn credentials(headers: &HeaderMap) -> Result<Option<String>, Rejection> {
    let mut found = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (found.next(), found.next()) else {
        return match headers.contains_key(header::AUTHORIZATION) {
            true => Err(Rejection::TwoTokens),
            false => Ok(None),
        };
    };
    let Some(coded) = of_basic(value) else {
        return Ok(None);
    };
    let decoded = (coded.len() <= LONGEST)
        .then(|| STANDARD.decode(coded).ok())
        .flatten();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let whole = text.filter(|text| text.contains(':'));
    whole.map(Some).ok_or(Denied::Password.into())
}

/// What stands behind the scheme, if it is this one.
fn of_basic(value: &HeaderValue) -> Option<&[u8]> {
    let bytes = value.as_bytes();
    let (scheme, rest) = bytes.split_at_checked(6)?;
    scheme
        .eq_ignore_ascii_case(b"basic ")
        .then(|| rest.trim_ascii())
}

/// Takes passwords out of a request.
pub(super) fn remove_password(headers: &mut HeaderMap) {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    if values.any(|value| of_basic(value).is_some()) {
        headers.remove(header::AUTHORIZATION);
    }
}

/// The challenge of RFC 7617, section 2. The realm has no quotes: the configuration refuses them.
fn challenge(realm: &str) -> HeaderValue {
    let text = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Basic realm=\"ianitor\""))
}
