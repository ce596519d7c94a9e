//! A method of the gateway's own, by which a client renews its token: `ianitor.renew`.
//!
//! It exists if the policy has `renew_in_band`. KMS never sees it; in a transaction it is unknown,
//! as every method is that KMS does not have.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::conclusion::{self, record_done};
use super::id::Id;
use super::judge::{Named, Rejected};
use super::names::RENEW;
use super::refusal::Refusal;
use super::request::{Operation, Request};
use crate::signalling::document::{Value, push_quoted};
use crate::signalling::rules::{Facts, MessageRules, Word};
use crate::signalling::{Context, MessageToken, Verdict};

/// The token in a request for a renewal. It is not looked at whether it is one.
pub(in crate::signalling) fn renewal_token<'m>(
    document: Value<'m>,
    rules: Option<&MessageRules>,
) -> Option<Cow<'m, str>> {
    if !exists(rules) || !may_be_renewal(document.raw()) {
        return None;
    }
    let request = Request::read(document).ok()?;
    let operation = request.operation;
    let token = operation
        .method
        .is(RENEW)
        .then(|| token(&operation))?
        .ok()?;
    Some(match token {
        Cow::Borrowed(text) => text.trim().into(),
        Cow::Owned(text) => text.trim().to_owned().into(),
    })
}

/// Whether the gateway reads a request for a renewal itself, or what it says of it; `None` if it is
/// for something else.
pub fn explain_renewal(document: Value<'_>, rules: &MessageRules) -> Option<Result<(), Refusal>> {
    let operation = Request::read(document).ok()?.operation;
    operation
        .method
        .is(RENEW)
        .then(|| match rules.renew_in_band() {
            true => token(&operation).map(drop),
            false => Err(Refusal::Method),
        })
}

/// Whether a request is for a renewal.
pub(super) fn is_renewal(request: &Request<'_>, context: &Context<'_>) -> bool {
    exists(context.rules) && request.operation.method.is(RENEW)
}

/// Answers a request for a renewal, whose token has been dealt with.
pub(super) fn answer(
    request: &Request<'_>,
    session: Option<&str>,
    context: &Context<'_>,
) -> Verdict<'static> {
    let result = match context.token {
        MessageToken::Accepted => Ok(()),
        MessageToken::Rejected(rejected) => Err(Refusal::NotRenewed(rejected.clone())),
        MessageToken::Absent => Err(token(&request.operation)
            .err()
            .unwrap_or(Refusal::Missing(TOKEN))),
    };
    // Without the parameters: one of them is the token.
    let facts = Facts::new(Word::exact(RENEW.into(), true));
    match result {
        Ok(()) => {
            record_done(&facts, session, context);
            Verdict::Reply(reply(request, context))
        }
        Err(refusal) => {
            let named = Named::default();
            let rejected = Rejected {
                facts,
                named,
                refusal,
            };
            conclusion::reject(&rejected, request.id, session, context)
        }
    }
}

const TOKEN: &str = "token";

fn exists(rules: Option<&MessageRules>) -> bool {
    rules.is_some_and(MessageRules::renew_in_band)
}

/// Whether the method can stand anywhere in a text: as it is, or with a letter that is escaped.
fn may_be_renewal(text: &str) -> bool {
    text.contains(RENEW) || text.contains("\\u")
}

fn token<'m>(operation: &Operation<'m>) -> Result<Cow<'m, str>, Refusal> {
    let params = operation.params.ok_or(Refusal::Missing(TOKEN))?;
    let token = params.get(TOKEN).ok_or(Refusal::Missing(TOKEN))?;
    let text = token.text().ok_or(Refusal::Params(TOKEN, "a string"))?;
    Ok(text.unescaped())
}

/// When the token expires by which the connection may go on; `null` if it needs none. A session
/// that the request names comes back, as in the answers of KMS: kurento-client takes the session of
/// each answer for its own.
fn reply(request: &Request<'_>, context: &Context<'_>) -> String {
    let mut out = String::new();
    let Id::Known(id) = request.id else {
        return out;
    };
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        r#"{{"id":{},"jsonrpc":"2.0","result":{{"expires":"#,
        id.raw()
    );
    let _ = match context.claims {
        Some(claims) => write!(out, "{}", claims.exp.0),
        None => write!(out, "null"),
    };
    let params = request.operation.params;
    let session = params.and_then(|params| params.get("sessionId")?.text());
    if let Some(session) = session {
        out.push_str(r#","sessionId":"#);
        push_quoted(&mut out, &session.unescaped());
    }
    out.push_str("}}");
    out
}
