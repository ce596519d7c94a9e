//! Refusals in the words and with the codes of Janus.

use std::fmt::{self, Write as _};

use crate::signalling::document::{SyntaxError, Value, push_quoted};
use crate::signalling::owners::NoPlace;
use crate::signalling::rules::{Decision, Facts, Mismatch, Rule};
use crate::signalling::{Context, MessageToken, Outcome, Verdict};

/// Why a message goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read.
    Syntax(SyntaxError),
    /// A document is no object.
    NotAnObject,
    /// A member is missing.
    Missing(&'static str),
    /// A member has another type.
    Type(&'static str, &'static str),
    /// The verb needs a session or a handle.
    Path(Box<str>),
    /// The path names another session or handle than the message.
    Conflict(&'static str),
    /// A request over HTTP has no message.
    NoPayload,
    /// The session does not exist, or belongs to another client.
    NoSession(i64),
    /// The handle does not exist in the session.
    NoHandle(i64, i64),
    /// A request about a room does not name it.
    NoRoom,
    /// A room is named in a second place.
    SecondRoom(Box<str>),
    /// The plugin would take another member for the request.
    SecondRequest,
    /// Its token is rejected.
    Token(Box<str>),
    /// The client's token has expired, and this is not how a call ends.
    Expired,
    /// A rule refuses it.
    Denied(Box<str>),
    /// No rule matches.
    Unmatched(Option<Mismatch>),
    /// The client proposes an id that another client's session has.
    SessionInUse(i64),
    /// The client may create no session.
    NoPlace(NoPlace),
    /// The same for handles.
    TooManyHandles,
    /// Clients do not learn what the server is.
    HiddenInfo,
    /// The client waits for too many answers.
    TooManyCalls,
    /// The handle has entered as many rooms as it may.
    TooManyRooms,
    /// The session has what the client may no longer have.
    Lost(Lost),
}

const LOST_PLUGIN_REASON: &str = "plugin no longer allowed";
const LOST_ROOM_REASON: &str = "room no longer allowed";
const LOST_REASON: &str = "no longer allowed";

/// What a client may no longer have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// A handle of the plugin.
    Plugin,
    /// The room that it is in.
    Room,
}

impl Lost {
    /// The reason to close a connection.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Plugin => LOST_PLUGIN_REASON,
            Self::Room => LOST_ROOM_REASON,
        }
    }
}

/// The rule that lets a message pass; `None` without rules. `ends_a_call`: it may pass although the
/// client's token has expired, if a rule lets it.
///
/// # Errors
/// If no rule does, or the token does not.
pub(super) fn check<'c>(
    facts: &Facts<'_>,
    context: &Context<'c>,
    ends_a_call: impl FnOnce() -> bool,
) -> Result<Option<&'c Rule>, Refusal> {
    if let MessageToken::Rejected(token) = context.token {
        return Err(Refusal::Token(token.detail.clone()));
    }
    if context.is_in_grace && !ends_a_call() {
        return Err(Refusal::Expired);
    }
    let Some(rules) = context.rules else {
        return Ok(None);
    };
    match rules.decide(facts, context.claims) {
        Decision::Allowed(rule) => Ok(Some(rule)),
        Decision::Denied(rule) => Err(Refusal::Denied(rule.name.clone())),
        Decision::Unmatched(closest) => Err(Refusal::Unmatched(closest)),
    }
}

impl Refusal {
    /// Janus' code for it.
    pub fn code(&self) -> u16 {
        match self {
            Self::Syntax(_) | Self::NoPayload => 454,
            Self::NotAnObject => 455,
            Self::Missing(_) => 456,
            Self::Path(_) | Self::Conflict(_) => 457,
            Self::NoSession(_) => 458,
            Self::NoHandle(..) => 459,
            Self::TooManyHandles => 461,
            Self::Type(..) => 467,
            Self::SessionInUse(_) => 468,
            Self::NoPlace(_) => 472,
            _ => 403,
        }
    }

    /// The reason to end what was allowed before.
    pub(super) fn reason_to_end(&self) -> &'static str {
        match self {
            Self::Lost(lost) => lost.reason(),
            _ => LOST_REASON,
        }
    }

    /// The answer to a client. Of a request that is not allowed it does not say by which rule.
    pub(super) fn verdict(
        &self,
        session: Option<i64>,
        transaction: Option<Value<'_>>,
    ) -> Verdict<'static> {
        let mut text = String::from(r#"{"janus":"error""#);
        // Writing to a string cannot fail.
        if let Some(session) = session {
            let _ = write!(text, r#","session_id":{session}"#);
        }
        if let Some(transaction) = transaction.filter(|transaction| transaction.text().is_some()) {
            let _ = write!(text, r#","transaction":{}"#, transaction.raw());
        }
        let _ = write!(text, r#","error":{{"code":{},"reason":"#, self.code());
        push_quoted(&mut text, &self.said().to_string());
        text.push_str("}}");
        Verdict::Answer {
            text,
            reason: self.logged().into(),
            is_counted: !matches!(
                self,
                Self::NoSession(_) | Self::NoHandle(..) | Self::NoPlace(NoPlace::Stopping)
            ),
        }
    }

    /// The reason for logs, without ids: who knows the id of a session can use the session.
    pub fn logged(&self) -> String {
        match self {
            Self::NoSession(_) => "No such session".to_owned(),
            Self::NoHandle(..) => "No such handle".to_owned(),
            Self::SessionInUse(_) => "Session ID already in use".to_owned(),
            other => other.to_string(),
        }
    }

    /// The same for the observer.
    pub(super) fn outcome(&self) -> Outcome<'_> {
        let rule = match self {
            Self::Denied(rule) => Some(&**rule),
            _ => None,
        };
        Outcome::Refused {
            rule,
            reason: self.word(),
            detail: self.detail(),
            uri: None,
        }
    }

    /// The reason in a word, for logs and metrics.
    fn word(&self) -> &'static str {
        match self {
            Self::Syntax(_) | Self::NotAnObject | Self::NoPayload => "unreadable",
            Self::Missing(_)
            | Self::Type(..)
            | Self::Path(_)
            | Self::Conflict(_)
            | Self::SessionInUse(_)
            | Self::NoRoom
            | Self::SecondRoom(_)
            | Self::SecondRequest => "malformed",
            Self::NoSession(_) => "unknown_session",
            Self::NoHandle(..) => "unknown_handle",
            Self::Denied(_) => "denied",
            Self::Unmatched(_) => "unmatched",
            Self::Token(_) => "bad_token",
            Self::Expired => "expired",
            Self::HiddenInfo => "hidden_info",
            Self::Lost(_) => "no_longer_allowed",
            Self::NoPlace(NoPlace::Stopping) => "stopping",
            Self::NoPlace(NoPlace::Share)
            | Self::TooManyHandles
            | Self::TooManyCalls
            | Self::TooManyRooms => "too_many",
        }
    }

    /// What the word leaves open.
    fn detail(&self) -> Option<&dyn fmt::Display> {
        match self {
            Self::Unmatched(closest) => closest.as_ref().map(|closest| closest as _),
            Self::NoSession(_)
            | Self::NoHandle(..)
            | Self::SessionInUse(_)
            | Self::Denied(_)
            | Self::Expired
            | Self::HiddenInfo => None,
            Self::Token(why) => Some(why),
            other => Some(other),
        }
    }

    /// The reason in the answer.
    fn said(&self) -> &dyn fmt::Display {
        match self {
            Self::Denied(_) | Self::Unmatched(_) | Self::Lost(_) | Self::HiddenInfo => {
                &"Not allowed"
            }
            Self::Token(_) => &"The token is not accepted",
            other => other,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "Invalid JSON: {error}"),
            Self::NotAnObject => f.write_str("JSON error: not an object"),
            Self::Missing(name) => write!(f, "Missing mandatory element ({name})"),
            Self::Type(name, wanted) => {
                write!(f, "Invalid element type ({name} should be {wanted})")
            }
            Self::Path(verb) => write!(f, "Unhandled request '{verb}' at this path"),
            Self::Conflict(of) => write!(f, "Conflicting {of} ID (payload and path)"),
            Self::NoPayload => f.write_str("Request payload missing"),
            Self::NoSession(session) => write!(f, "No such session {session}"),
            Self::NoHandle(handle, session) => {
                write!(f, "No such handle {handle} in session {session}")
            }
            Self::NoRoom => f.write_str("The request does not name its room"),
            Self::SecondRoom(name) => write!(f, "The request has a second room ({name})"),
            Self::SecondRequest => f.write_str("The message has a second request (textroom)"),
            Self::Token(why) => write!(f, "The token is not accepted: {why}"),
            Self::Expired => f.write_str("The token has expired"),
            Self::Denied(rule) => write!(f, "Denied by {rule}"),
            Self::Unmatched(None) => f.write_str("No rule matches"),
            Self::Unmatched(Some(mismatch)) => write!(f, "No rule matches: {mismatch}"),
            Self::SessionInUse(id) => write!(f, "Session ID {id} already in use"),
            Self::NoPlace(_) => f.write_str("Currently not accepting new sessions"),
            Self::TooManyHandles => f.write_str("Couldn't attach to plugin: too many handles"),
            Self::HiddenInfo => f.write_str("Hidden by the upstream"),
            Self::TooManyCalls => f.write_str("Too many requests wait for an answer"),
            Self::TooManyRooms => f.write_str("The handle has entered too many rooms"),
            Self::Lost(lost) => f.write_str(lost.reason()),
        }
    }
}
