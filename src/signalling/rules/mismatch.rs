//! Why a message does not match a rule, for logs and explanations. Only what is refused or
//! explained needs it, so that it is made after the decision.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::condition::{Hosts, Names, Rooms};
use super::facts::Facts;
use super::room::RoomId;
use super::{Condition, Effect, Rule};
use crate::signalling::document::push_quoted;
use crate::token::claims::Claims;

/// The longest value in bytes that is repeated.
const LONGEST: usize = 64;

/// The condition of a rule that a message does not meet, in words. It says what is in the token,
/// and is not for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    condition: Condition,
    text: Cow<'static, str>,
    /// Of [`Condition::Uri`], the URI.
    uri: Option<Box<str>>,
}

impl Mismatch {
    pub(super) fn new(
        condition: Condition,
        rule: &Rule,
        facts: &Facts<'_>,
        claims: Option<&Claims>,
    ) -> Self {
        let [verb, plugin, request] = facts.terms.names();
        let mut uri = None;
        let text = match condition {
            Condition::Verb => name(&rule.verbs, verb),
            Condition::Plugin => name(&rule.plugins, plugin),
            Condition::Request => name(&rule.requests, request),
            Condition::Ptype => "the ptype is another".into(),
            Condition::Room => room(rule, facts, claims),
            Condition::Claim => claim(rule, claims).into(),
            Condition::Member => {
                let member = facts.member_among(&rule.without).unwrap_or_default();
                format!("the message has the member {member}").into()
            }
            Condition::Host => host(&rule.hosts, claims),
            Condition::Parameter => {
                let path = rule.other_parameter(facts).map(|other| &*other.path);
                let path = path.unwrap_or_default();
                format!("the parameter {path} is missing or another").into()
            }
            Condition::Object => "the object is another client's".into(),
            Condition::Uri if rule.effect == Effect::Deny => {
                "no URI is below one of the rule's".into()
            }
            Condition::Uri => match rule.uris.other(facts) {
                Some(bad) => {
                    uri = bad.text;
                    format!("the member {} {}", bad.name, bad.problem).into()
                }
                None => Cow::Borrowed(""),
            },
        };
        Self {
            condition,
            text,
            uri,
        }
    }

    /// The URI that the rule does not allow, if that is what does not match.
    pub fn uri(&self) -> Option<&str> {
        self.uri.as_deref()
    }

    /// Whether the rule of the other one was closer to matching.
    pub fn is_further_than(&self, other: &Self) -> bool {
        self.condition < other.condition
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn name(names: &Names, what: &str) -> Cow<'static, str> {
    match names {
        Names::Any => format!("the {what} is unknown, and has to be named in a rule").into(),
        Names::OneOf(_) => format!("the {what} is another").into(),
    }
}

fn room(rule: &Rule, facts: &Facts<'_>, claims: Option<&Claims>) -> Cow<'static, str> {
    if facts.is_leaving && rule.effect == Effect::Deny {
        return "a client may always leave".into();
    }
    let Some(room) = rule.rooms.other(facts, claims) else {
        return "the message names no room".into();
    };
    let room = room.id();
    let in_claims: Vec<&str> = match &rule.rooms {
        Rooms::InClaims(paths) => paths.iter().map(|path| &**path).collect(),
        Rooms::InClaimIfPresent(path) => vec![path],
        Rooms::OneOf(ids) => {
            let retyped = ids.iter().find(|id| is_retyped(id, &room));
            return match retyped.map(typed) {
                Some(id) => format!("the rule has {id}, and the message {}", typed(&room)).into(),
                None => "the room is another".into(),
            };
        }
        Rooms::Any => return "the room is another".into(),
    };
    room_in_claims(&room, &in_claims, claims).into()
}

/// Why a room is in none of these claims.
fn room_in_claims(room: &RoomId, in_claims: &[&str], claims: Option<&Claims>) -> String {
    let Some(claims) = claims else {
        return format!(
            "the client has no token with a claim {}",
            in_claims.join(" or ")
        );
    };
    let found = |path: &&'_ str| Some(((*path).to_owned(), claims.find(path)?));
    let found: Vec<(String, &Value)> = in_claims.iter().filter_map(found).collect();
    if found.is_empty() {
        return format!("the token has no claim {}", in_claims.join(" or "));
    }
    for (path, value) in &found {
        let ids = match value {
            Value::Array(rooms) => &rooms[..],
            one => std::slice::from_ref(*one),
        };
        if let Some(id) = ids.iter().filter_map(id).find(|id| is_retyped(id, room)) {
            let (id, room) = (typed(&id), typed(room));
            return format!("{path} has {id}, and the message {room}");
        }
    }
    let said = found
        .iter()
        .map(|(path, value)| format!("{path} is {}", shown(value)));
    let said: Vec<String> = said.collect();
    format!(
        "the room is another, and the token's {}",
        said.join(" and ")
    )
}

/// The room that a value of a claim names.
fn id(value: &Value) -> Option<RoomId> {
    match value {
        Value::String(text) => Some(RoomId::Text(text.as_str().into())),
        Value::Number(number) => number.as_i64().map(RoomId::Number),
        _ => None,
    }
}

/// Whether two rooms look the same, and are a number and a text.
fn is_retyped(one: &RoomId, other: &RoomId) -> bool {
    match (one, other) {
        (RoomId::Number(number), RoomId::Text(text))
        | (RoomId::Text(text), RoomId::Number(number)) => **text == *number.to_string(),
        _ => false,
    }
}

/// A room with its type.
fn typed(room: &RoomId) -> String {
    match room {
        RoomId::Number(number) => format!("the number {number}"),
        RoomId::Text(text) => format!("the text {}", quoted(text)),
    }
}

/// A value of a claim as JSON, cut where it gets long.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => cut(&other.to_string()),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    push_quoted(&mut out, &cut(text));
    out
}

fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let fits = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at));
    format!("{}…", &text[..fits.unwrap_or_default()])
}

fn claim(rule: &Rule, claims: Option<&Claims>) -> String {
    let path = rule.missing_claim(claims).map(|rule| &*rule.path);
    let path = path.unwrap_or_default();
    match claims.map(|claims| claims.find(path)) {
        None => format!("the client has no token with a claim {path}"),
        Some(None) => format!("the token has no claim {path}"),
        Some(Some(value)) => format!("the token's {path} is {}", shown(value)),
    }
}

fn host(hosts: &Hosts, claims: Option<&Claims>) -> Cow<'static, str> {
    let Hosts::InClaim(path) = hosts else {
        return "the host is another".into();
    };
    match claims.map(|claims| claims.find(path)) {
        None => format!("the client has no token with a claim {path}").into(),
        Some(None) => format!("the token has no claim {path}").into(),
        Some(Some(value)) => format!(
            "the host is another, and the token's {path} is {}",
            shown(value)
        )
        .into(),
    }
}
