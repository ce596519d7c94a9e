//! From a decision to a verdict, by way of the observer.

use std::borrow::Cow;

use super::envelope::{BadEnvelope, Envelope};
use super::refusal::Refusal;
use crate::signalling::document::SyntaxError;
use crate::signalling::rules::{Facts, Rule};
use crate::signalling::{Context, Outcome, Record, Verdict};

/// A message that may pass.
pub(super) struct Admitted<'m, 'c> {
    /// What goes on.
    pub(super) text: Cow<'m, str>,
    /// The rule that let it pass, if there are rules.
    pub(super) rule: Option<&'c Rule>,
}

/// The verdict on a message that was read.
pub(super) fn conclude<'m>(
    envelope: &Envelope<'m>,
    facts: &Facts<'_>,
    result: Result<Admitted<'m, '_>, Refusal>,
    context: &Context<'_>,
) -> Verdict<'m> {
    let record = |outcome| Record {
        facts: Some(facts),
        session: envelope.session,
        handle: envelope.handle,
        outcome,
    };
    match result {
        Ok(Admitted { text, rule }) => {
            context.observer.judged(&record(Outcome::Allowed(rule)));
            Verdict::Forward(text)
        }
        Err(refusal) => {
            context.observer.judged(&record(refusal.outcome()));
            refusal.verdict(envelope.session, Some(envelope.transaction))
        }
    }
}

/// The verdict on a document that lacks what every message has.
pub(super) fn refuse(bad: &BadEnvelope<'_>, context: &Context<'_>) -> Verdict<'static> {
    context.observer.judged(&Record {
        facts: None,
        session: bad.session,
        handle: None,
        outcome: bad.refusal.outcome(),
    });
    bad.refusal.verdict(bad.session, bad.transaction)
}

/// The verdict on a message that cannot be read.
pub(super) fn unreadable(error: SyntaxError, context: &Context<'_>) -> Verdict<'static> {
    let bad = BadEnvelope {
        refusal: Refusal::Syntax(error),
        session: None,
        transaction: None,
    };
    refuse(&bad, context)
}
