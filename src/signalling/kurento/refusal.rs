//! Refusals with the codes and in the shape of KMS.

use std::fmt::{self, Write as _};

use super::id::Id;
use crate::signalling::document::{SyntaxError, push_quoted};
use crate::signalling::owners::NoPlace;
use crate::signalling::rules::Mismatch;
use crate::signalling::{Outcome, RejectedToken, Verdict};

/// Why a request goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read.
    Syntax(SyntaxError),
    /// It is a list of requests, which KMS does not execute.
    Batch,
    /// It is no JSON-RPC 2.0 request.
    Request(&'static str),
    /// The gateway has to see the answer, and a notification has none.
    NeedsId,
    /// The method is unknown.
    Method,
    /// A parameter is missing.
    Missing(&'static str),
    /// A parameter has another type.
    Params(&'static str, &'static str),
    /// The session does not exist, or belongs to another client.
    NoSession,
    /// The object does not exist, or belongs to another client.
    NoObject,
    /// A transaction is malformed.
    Transaction(&'static str),
    /// The client may open no session.
    NoPlace(NoPlace),
    /// The client has as many objects as it may have, or all clients together.
    TooManyObjects,
    /// The client waits for too many answers.
    TooManyCalls,
    /// The client's token has expired, and this ends nothing.
    Expired,
    /// The client's token is not renewed.
    NotRenewed(RejectedToken),
    /// A rule refuses it.
    Denied(Box<str>),
    /// No rule matches.
    Unmatched(Option<Mismatch>),
}

impl Refusal {
    /// KMS' code for it, and the name of the code.
    pub fn code(&self) -> (i32, &'static str) {
        match self {
            Self::Syntax(_) => (-32_700, "PARSE_ERROR"),
            Self::Batch | Self::Request(_) | Self::NeedsId => (-32_600, "INVALID_REQUEST"),
            Self::Method => (-32_601, "METHOD_NOT_FOUND"),
            Self::Missing(_) | Self::Params(..) => (-32_602, "INVALID_PARAMS"),
            Self::NoSession => (40_007, "INVALID_SESSION"),
            Self::Transaction(_) => (40_008, "MALFORMED_TRANSACTION"),
            Self::NoPlace(_) | Self::TooManyObjects | Self::TooManyCalls => {
                (40_009, "NOT_ENOUGH_RESOURCES")
            }
            Self::NoObject => (40_101, "MEDIA_OBJECT_NOT_FOUND"),
            Self::Expired | Self::Denied(_) | Self::Unmatched(_) => (-32_000, "NOT_ALLOWED"),
            Self::NotRenewed(_) => (-32_000, "NOT_RENEWED"),
        }
    }

    /// The answer to a client. Of a request that is not allowed it does not say by which rule, and
    /// a notification has none.
    pub(super) fn verdict(&self, id: Id<'_>) -> Verdict<'static> {
        let id = match id {
            Id::Notification => None,
            Id::Unknown => Some("null"),
            Id::Known(id) => Some(id.raw()),
        };
        let (code, name) = self.code();
        let mut text = String::new();
        if let Some(id) = id {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                r#"{{"id":{id},"jsonrpc":"2.0","error":{{"code":{code},"message":"#
            );
            push_quoted(&mut text, &self.said().to_string());
            let _ = write!(text, r#","data":{{"type":"{name}"}}}}}}"#);
        }
        Verdict::Answer {
            text,
            reason: self.to_string().into(),
            is_counted: !matches!(
                self,
                Self::NoSession | Self::NoObject | Self::NoPlace(NoPlace::Stopping)
            ),
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
            uri: self.uri(),
        }
    }

    /// The reason in a word, for logs and metrics.
    fn word(&self) -> &'static str {
        match self {
            Self::Syntax(_) | Self::Batch | Self::Request(_) => "unreadable",
            Self::NeedsId
            | Self::Method
            | Self::Missing(_)
            | Self::Params(..)
            | Self::Transaction(_) => "malformed",
            Self::NoSession => "unknown_session",
            Self::NoObject => "unknown_handle",
            Self::Expired => "expired",
            Self::NotRenewed(_) => "bad_token",
            Self::Denied(_) => "denied",
            Self::Unmatched(_) => "unmatched",
            Self::NoPlace(NoPlace::Stopping) => "stopping",
            Self::NoPlace(NoPlace::Share) | Self::TooManyObjects | Self::TooManyCalls => "too_many",
        }
    }

    /// What the word leaves open.
    fn detail(&self) -> Option<&dyn fmt::Display> {
        match self {
            Self::Unmatched(closest) => closest.as_ref().map(|closest| closest as _),
            Self::NoSession | Self::NoObject | Self::Denied(_) | Self::Expired => None,
            other => Some(other),
        }
    }

    /// The URI that no rule allows.
    fn uri(&self) -> Option<&str> {
        match self {
            Self::Unmatched(Some(mismatch)) => mismatch.uri(),
            _ => None,
        }
    }

    /// The reason in the answer.
    fn said(&self) -> &dyn fmt::Display {
        match self {
            Self::Denied(_) | Self::Unmatched(_) => &"Not allowed",
            Self::NotRenewed(rejected) => &rejected.fault,
            other => other,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "Parse error: {error}"),
            Self::Batch => f.write_str("Invalid JSON-RPC request: batches are not supported"),
            Self::Request(why) => write!(f, "Invalid JSON-RPC request: {why}"),
            Self::NeedsId => f.write_str("Invalid JSON-RPC request: the method needs an id"),
            Self::Method => f.write_str("Method not found"),
            Self::Missing(name) => write!(f, "'{name}' parameter is required"),
            Self::Params(name, wanted) => write!(f, "'{name}' parameter should be {wanted}"),
            Self::NoSession => f.write_str("Invalid session"),
            Self::NoObject => f.write_str("Object not found"),
            Self::Transaction(why) => write!(f, "Malformed transaction: {why}"),
            Self::NoPlace(NoPlace::Share) => f.write_str("Too many sessions"),
            Self::NoPlace(NoPlace::Stopping) => {
                f.write_str("No new sessions: the gateway is being stopped")
            }
            Self::TooManyObjects => f.write_str("Too many objects"),
            Self::TooManyCalls => f.write_str("Too many requests wait for an answer"),
            Self::Expired => f.write_str("The token has expired"),
            Self::NotRenewed(rejected) => {
                write!(f, "The token is not accepted: {}", rejected.detail)
            }
            Self::Denied(rule) => write!(f, "Denied by {rule}"),
            Self::Unmatched(None) => f.write_str("No rule matches"),
            Self::Unmatched(Some(mismatch)) => write!(f, "No rule matches: {mismatch}"),
        }
    }
}
