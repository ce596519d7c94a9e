//! What the reason of a rejection leaves open, for the access line: which claim a token lacks,
//! which key it names, what is wrong with `Host`. None of these is a secret.

use std::borrow::Cow;

use http::header;

use super::Inbound;
use super::reject::Rejection;
use crate::policy::{Denied, TokenRule};
use crate::telemetry::access::Exchange;
use crate::token::BadToken;
use crate::token::jws;

/// The longest detail in characters. The key's id comes from the client.
const LONGEST: usize = 64;

/// Notes the detail of a rejection by a policy. `token` finds the token that was rejected.
pub(super) fn note<'t>(
    exchange: &Exchange,
    rejection: &Rejection,
    rule: Option<&TokenRule>,
    token: impl FnOnce() -> Option<Cow<'t, str>>,
) {
    let detail = match rejection {
        Rejection::Denied(Denied::Claim(at)) => rule
            .and_then(|rule| rule.claims.get(*at))
            .map(|rule| shortened(&rule.path)),
        Rejection::Denied(Denied::Token(BadToken::NoKey | BadToken::KeysUnavailable)) => {
            token().and_then(|token| kid(&token))
        }
        _ => None,
    };
    if detail.is_some() {
        exchange.note(|line| line.detail = detail);
    }
}

/// Notes what is wrong with the host of a request.
pub(super) fn note_host(inbound: &Inbound, rejection: &Rejection) {
    if !matches!(rejection, Rejection::Host) {
        return;
    }
    let request = &inbound.request;
    let detail = match request.headers().get_all(header::HOST).iter().count() {
        0 if request.uri().authority().is_none() => "missing",
        0 | 1 => "invalid",
        _ => "twice",
    };
    inbound
        .exchange
        .note(|line| line.detail = Some(detail.into()));
}

fn kid(token: &str) -> Option<Box<str>> {
    jws::split(token).ok()?.kid.map(|kid| shortened(&kid))
}

pub(super) fn shortened(text: &str) -> Box<str> {
    text.chars().take(LONGEST).collect::<String>().into()
}
