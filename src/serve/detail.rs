//! What the reason of a rejection leaves open, for the access line: which claim a token lacks, or
//! which key it names. Neither is a secret.

use std::borrow::Cow;

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

fn kid(token: &str) -> Option<Box<str>> {
    jws::split(token).ok()?.kid.map(|kid| shortened(&kid))
}

fn shortened(text: &str) -> Box<str> {
    text.chars().take(LONGEST).collect::<String>().into()
}
