//! Janus' API over HTTP: what a path stands for, and what Janus reads from a query.
//!
//! ```text
//! POST BASE  POST BASE/SESSION  POST BASE/SESSION/HANDLE   a message in the body
//! GET  BASE/SESSION                                        a long poll for events
//! GET  BASE/info  GET BASE/ping                            a message without a body
//! ```
//!
//! Janus finds its base path anywhere in a path, reads a number from any text that begins with
//! digits, and ignores what follows. Here a path is one of the above, digit by digit, or nothing.

use super::conclusion;
use super::envelope::{BadEnvelope, LARGEST_ID};
use super::facts;
use super::refusal::{self, Refusal};
use super::rooms;
use crate::signalling::document::{Text, Value, split};
use crate::signalling::rules::{Facts, Rule, Word};
use crate::signalling::{
    Backend, Context, Ids, InfoPolicy, MessageClass, Outcome, Record, RecordId, Verdict,
};
use crate::token::jws::is_jwt;

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The base path itself.
    Base,
    /// A session.
    Session(i64),
    /// A session, and a handle in it.
    Handle(i64, i64),
    /// `info`, which is a message of this verb.
    Info,
    /// `ping`, likewise.
    Ping,
}

impl Place {
    /// What the rest of a path stands for that follows the base path: nothing, or segments that
    /// begin with a slash. One slash at the end does not count, as for Janus.
    ///
    /// Where the base path is not known, its segments come first: they begin with a letter. A base
    /// path with a segment that is a number has to be known.
    pub fn find(rest: &str, is_base_known: bool) -> Option<Self> {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() {
            return Some(Self::Base);
        }
        let mut segments = rest.strip_prefix('/')?.split('/').peekable();
        if !is_base_known {
            while segments.next_if(|segment| is_of_base(segment)).is_some() {}
        }
        match (segments.next(), segments.next(), segments.next()) {
            (None, ..) => Some(Self::Base),
            (Some("info"), None, _) => Some(Self::Info),
            (Some("ping"), None, _) => Some(Self::Ping),
            (Some(session), None, _) => Some(Self::Session(id(session)?)),
            (Some(session), Some(handle), None) => Some(Self::Handle(id(session)?, id(handle)?)),
            (Some(_), Some(_), Some(_)) => None,
        }
    }

    /// The ids in it.
    pub fn ids(self) -> Ids {
        let (session, handle) = match self {
            Self::Base | Self::Info | Self::Ping => (None, None),
            Self::Session(session) => (Some(session), None),
            Self::Handle(session, handle) => (Some(session), Some(handle)),
        };
        Ids { session, handle }
    }

    /// The message that a GET stands for.
    pub fn message(self) -> Option<&'static str> {
        match self {
            Self::Info => Some(r#"{"janus":"info","transaction":"info"}"#),
            Self::Ping => Some(r#"{"janus":"ping","transaction":"ping"}"#),
            Self::Base | Self::Session(_) | Self::Handle(..) => None,
        }
    }
}

/// Whether a WebSocket may be opened at the rest of a path. Janus accepts any path there; over HTTP
/// it ignores that a request asks for a WebSocket, and would answer what it reads from the path.
pub fn may_be_websocket(rest: &str) -> bool {
    Place::find(rest, false) == Some(Place::Base)
}

/// Whether it may be a segment of the base path. Janus reads ids and verbs at any depth, so it must
/// not be taken for one of them.
fn is_of_base(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    segment.starts_with(|first: char| first.is_ascii_alphabetic())
        && segment.bytes().all(is_plain)
        && !matches!(segment, "info" | "ping")
}

/// An id in its one spelling.
fn id(segment: &str) -> Option<i64> {
    let is_number = segment.bytes().all(|byte| byte.is_ascii_digit()) && !segment.starts_with('0');
    let number = segment.parse().ok().filter(|_| is_number)?;
    (1..=LARGEST_ID).contains(&number).then_some(number)
}

/// Whether a client may poll for the events of a session, or name a handle of it: the session has
/// to be its own, and its rules have to allow the verb `keepalive`, because Janus takes each poll
/// for one.
///
/// # Errors
/// Why not.
pub fn may_poll(ids: Ids, context: &Context<'_>) -> Result<(), Refusal> {
    let facts = facts_of_poll();
    let rule = rule_of_poll(ids, &facts, context);
    let outcome = match &rule {
        Ok(rule) => Outcome::Allowed(*rule),
        Err(refusal) => refusal.outcome(),
    };
    context.observer.judged(&Record {
        facts: Some(&facts),
        handle: ids.handle.map(RecordId::Number),
        ..conclusion::record(MessageClass::Session, ids.session, outcome, context)
    });
    rule.map(drop)
}

/// Whether a long poll that was allowed, and has not been answered, would be allowed now.
///
/// # Errors
/// The reason to end it.
pub fn may_still_poll(context: &Context<'_>) -> Result<(), &'static str> {
    match rule_of_poll(context.ids, &facts_of_poll(), context) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(refusal.reason_to_end()),
    }
}

fn facts_of_poll() -> Facts<'static> {
    facts::bare(Word::folded(Text::word("keepalive"), true), None)
}

/// The rule that lets a poll pass. The handles of the session are looked at each time: a poll waits
/// long, keeps them, and gets what is said in their rooms.
fn rule_of_poll<'c>(
    ids: Ids,
    facts: &Facts<'_>,
    context: &Context<'c>,
) -> Result<Option<&'c Rule>, Refusal> {
    let session = ids.session.unwrap_or_default();
    let owners = &context.backend.owners;
    let found = owners.find(context.owner, session, ids.handle, context.now);
    found.map_err(|_| Refusal::NoSession(session))?;
    rooms::check(ids.session, facts, context)?;
    refusal::check(facts, context, || true)
}

/// The query of a long poll: of the client's what Janus reads, with the upstream's credentials in
/// the place of the client's.
pub fn poll_query(query: &str, context: &Context<'_>) -> String {
    let credentials = &context.backend.credentials;
    let is_kept = |name: &str, value: &str| match name {
        "maxev" | "rid" => true,
        // As in messages: without credentials of the upstream, the client's stay, but for a token
        // that is for the gateway.
        "apisecret" => credentials.is_empty(),
        "token" => credentials.is_empty() && !is_jwt(value.trim()),
        _ => false,
    };
    let mut out = form_urlencoded::Serializer::new(String::with_capacity(query.len() + 128));
    let kept =
        form_urlencoded::parse(query.as_bytes()).filter(|(name, value)| is_kept(name, value));
    out.extend_pairs(kept);
    if let Some(secret) = &credentials.secret {
        out.append_pair("apisecret", secret.reveal());
    }
    if let Some(token) = credentials.mint(context.time, None) {
        out.append_pair("token", &token);
    }
    out.finish()
}

/// What Janus answers to a long poll for which there is no event: a list if the client takes
/// several.
pub fn keepalive(query: &str) -> &'static str {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let most = parameters.find(|(name, _)| name == "maxev");
    match most.and_then(|(_, value)| value.parse::<u32>().ok()) {
        Some(2..) => r#"[{"janus":"keepalive"}]"#,
        _ => r#"{"janus":"keepalive"}"#,
    }
}

/// The answer to a request without a message. Janus would close the connection.
pub fn no_payload(context: &Context<'_>) -> Verdict<'static> {
    let bad = BadEnvelope {
        refusal: Refusal::NoPayload,
        session: context.ids.session,
        transaction: None,
        verb: None,
        handle: context.ids.handle,
    };
    conclusion::refuse(&bad, context)
}

/// Whether the answer to this message says more about the server than clients may learn.
pub fn is_trimmed(message: &str, backend: &Backend) -> bool {
    let is_info = |document: Value<'_>| {
        let verb = document.object().and_then(|object| object.get("janus"));
        verb.and_then(Value::text)
            .is_some_and(|verb| verb.is_ignoring_case("info"))
    };
    backend.info == InfoPolicy::Trim
        && split(message).is_ok_and(|mut documents| documents.next().is_some_and(is_info))
}

#[cfg(test)]
mod tests;
