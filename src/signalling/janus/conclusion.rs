//! From a decision to a verdict, by way of the observer.

use std::borrow::Cow;

use super::envelope::{BadEnvelope, Envelope};
use super::event::Event;
use super::refusal::Refusal;
use crate::signalling::document::SyntaxError;
use crate::signalling::rules::{Facts, MessageRules, Rule, Word};
use crate::signalling::{Context, MessageClass, Outcome, Record, RecordId, Verdict};

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
    class: MessageClass,
    facts: &Facts<'_>,
    result: Result<Admitted<'m, '_>, Refusal>,
    context: &Context<'_>,
) -> Verdict<'m> {
    let record = |outcome| Record {
        facts: Some(facts),
        handle: envelope.handle.map(RecordId::Number),
        ..record(class, envelope.session, outcome, context)
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

/// The record of a document of which only the session is known.
pub(super) fn record<'r>(
    class: MessageClass,
    session: Option<i64>,
    outcome: Outcome<'r>,
    context: &Context<'r>,
) -> Record<'r> {
    Record {
        protocol: context.backend.protocol,
        class,
        policy: context.rules.map(MessageRules::policy),
        claims: context.claims,
        facts: None,
        session: session.map(RecordId::Number),
        handle: None,
        outcome,
    }
}

/// Has the observer see that Janus does not accept what the gateway puts into messages.
pub(super) fn note_rejected(event: &Event<'_>, context: &Context<'_>) {
    const UNAUTHORIZED: i64 = 403;
    let backend = context.backend;
    if event.is("error")
        && event.code() == Some(UNAUTHORIZED)
        && let Some(key) = backend.credentials.rejected_key(backend.protocol)
    {
        context.observer.credentials_rejected(key);
    }
}

/// The verdict on a document that lacks what every message has.
pub(super) fn refuse(bad: &BadEnvelope<'_>, context: &Context<'_>) -> Verdict<'static> {
    let outcome = bad.refusal.outcome();
    let facts = bad.verb.map(|verb| Facts::new(Word::folded(verb, false)));
    let record = Record {
        facts: facts.as_ref(),
        handle: bad.handle.map(RecordId::Number),
        ..record(MessageClass::Unreadable, bad.session, outcome, context)
    };
    context.observer.judged(&record);
    bad.refusal.verdict(bad.session, bad.transaction)
}

/// The verdict on a message that cannot be read.
pub(super) fn unreadable(error: SyntaxError, context: &Context<'_>) -> Verdict<'static> {
    let bad = BadEnvelope {
        refusal: Refusal::Syntax(error),
        session: None,
        transaction: None,
        verb: None,
        handle: None,
    };
    refuse(&bad, context)
}
