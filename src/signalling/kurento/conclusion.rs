//! From a decision to a verdict, by way of the observer.

use super::facts;
use super::id::Id;
use super::judge::{Admitted, Named, Rejected};
use super::refusal::Refusal;
use super::request::BadRequest;
use crate::signalling::document::SyntaxError;
use crate::signalling::rules::{Facts, MessageRules};
use crate::signalling::{Context, MessageClass, Outcome, Record, RecordId, Verdict};

/// Records a request that goes on, on a connection with this session: each operation of a
/// transaction, and then the request.
pub(super) fn record_admitted(
    admitted: &Admitted<'_, '_>,
    session: Option<&str>,
    context: &Context<'_>,
) {
    for inner in &admitted.inner {
        record_admitted(inner, session, context);
    }
    let outcome = Outcome::Allowed(admitted.rule);
    record(
        Some((&admitted.facts, admitted.named)),
        session,
        outcome,
        context,
    );
}

/// Records a request that the gateway itself has done.
pub(super) fn record_done(facts: &Facts<'_>, session: Option<&str>, context: &Context<'_>) {
    let request = Some((facts, Named::default()));
    record(request, session, Outcome::Allowed(None), context);
}

/// The verdict on a request that goes no further.
pub(super) fn reject(
    rejected: &Rejected<'_>,
    id: Id<'_>,
    session: Option<&str>,
    context: &Context<'_>,
) -> Verdict<'static> {
    let Rejected {
        facts,
        named,
        refusal,
    } = rejected;
    record(Some((facts, *named)), session, refusal.outcome(), context);
    refusal.verdict(id)
}

/// The verdict on a document that is no request.
pub(super) fn refuse(bad: &BadRequest<'_>, context: &Context<'_>) -> Verdict<'static> {
    record(None, None, bad.refusal.outcome(), context);
    bad.refusal.verdict(bad.id)
}

/// The verdict on a message that cannot be read.
pub(super) fn unreadable(error: SyntaxError, context: &Context<'_>) -> Verdict<'static> {
    let bad = BadRequest {
        refusal: Refusal::Syntax(error),
        id: Id::Unknown,
    };
    refuse(&bad, context)
}

fn record(
    request: Option<(&Facts<'_>, Named<'_>)>,
    session: Option<&str>,
    outcome: Outcome<'_>,
    context: &Context<'_>,
) {
    let facts = request.map(|(facts, _)| facts);
    let named = request.map(|(_, named)| named).unwrap_or_default();
    context.observer.judged(&Record {
        protocol: context.backend.protocol,
        class: facts.map_or(MessageClass::Unreadable, facts::class),
        policy: context.rules.map(MessageRules::policy),
        claims: context.claims,
        facts,
        session: named.session.or(session.map(RecordId::Kept)),
        handle: named.object,
        outcome,
    });
}
