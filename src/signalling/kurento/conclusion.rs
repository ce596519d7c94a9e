//! From a decision to a verdict, by way of the observer.

use super::facts;
use super::id::Id;
use super::judge::{Admitted, Rejected};
use super::refusal::Refusal;
use super::request::BadRequest;
use crate::signalling::document::SyntaxError;
use crate::signalling::rules::{Facts, MessageRules};
use crate::signalling::{Context, MessageClass, Outcome, Record, Verdict};

/// Records a request that goes on: each operation of a transaction, and then the request.
pub(super) fn record_admitted(admitted: &Admitted<'_, '_>, context: &Context<'_>) {
    for inner in &admitted.inner {
        record_admitted(inner, context);
    }
    let outcome = Outcome::Allowed(admitted.rule);
    record(Some(&admitted.facts), outcome, context);
}

/// The verdict on a request that goes no further.
pub(super) fn reject(
    rejected: &Rejected<'_>,
    id: Id<'_>,
    context: &Context<'_>,
) -> Verdict<'static> {
    let Rejected { facts, refusal } = rejected;
    record(Some(facts), refusal.outcome(), context);
    refusal.verdict(id)
}

/// The verdict on a document that is no request.
pub(super) fn refuse(bad: &BadRequest<'_>, context: &Context<'_>) -> Verdict<'static> {
    record(None, bad.refusal.outcome(), context);
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

fn record(facts: Option<&Facts<'_>>, outcome: Outcome<'_>, context: &Context<'_>) {
    context.observer.judged(&Record {
        protocol: context.backend.protocol,
        class: facts.map_or(MessageClass::Unreadable, facts::class),
        policy: context.rules.map(MessageRules::policy),
        claims: context.claims,
        facts,
        session: None,
        handle: None,
        outcome,
    });
}
