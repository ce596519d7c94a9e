//! The conditions of rules.

use serde_json::Value;

use super::facts::{Facts, Word};
use super::room::{Room, RoomId};
use crate::token::claims::Claims;

/// The names that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// All of them: of an `allow` the known ones, of a `deny` also the others.
    Any,
    /// One of these. A message without such a name does not match.
    OneOf(Box<[Box<str>]>),
}

impl Names {
    /// One of these names.
    pub fn one_of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        Self::OneOf(names.into_iter().map(Into::into).collect())
    }

    pub(super) fn match_word(&self, word: Option<&Word<'_>>, is_deny: bool) -> bool {
        match self {
            Self::Any => is_deny || word.is_none_or(|word| word.is_known),
            Self::OneOf(names) => word.is_some_and(|word| names.iter().any(|name| word.is(name))),
        }
    }
}

/// The rooms that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rooms {
    /// All of them, and requests without one.
    Any,
    /// These.
    OneOf(Box<[RoomId]>),
    /// Those in one of these claims of the token: a room, a list of rooms, or `*` for all.
    InClaims(Box<[Box<str>]>),
    /// Those in this claim, and all if the token does not have it.
    InClaimIfPresent(Box<str>),
}

impl Rooms {
    pub(super) fn contain(
        &self,
        facts: &Facts<'_>,
        claims: Option<&Claims>,
        is_deny: bool,
    ) -> bool {
        if *self == Self::Any {
            return true;
        }
        if facts.is_leaving {
            return !is_deny;
        }
        let mut rooms = rooms_of(facts).peekable();
        if rooms.peek().is_none() {
            // What is not about a room passes as the rest of the rule says, but is not denied for
            // a room that it does not name.
            return !facts.is_about_room && !is_deny;
        }
        if is_deny {
            rooms.any(|room| self.has(room, claims))
        } else {
            rooms.all(|room| self.has(room, claims))
        }
    }

    /// The first room of the message that is not among them.
    pub(super) fn other<'f>(
        &self,
        facts: &'f Facts<'_>,
        claims: Option<&Claims>,
    ) -> Option<Room<'f>> {
        rooms_of(facts).find(|room| !self.has(*room, claims))
    }

    fn has(&self, room: Room<'_>, claims: Option<&Claims>) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(ids) => ids.iter().any(|id| room.is(id)),
            Self::InClaims(paths) => paths.iter().any(|path| {
                let claim = claims.and_then(|claims| claims.find(path));
                claim.is_some_and(|claim| claim_has_room(claim, room))
            }),
            Self::InClaimIfPresent(path) => claims.is_some_and(|claims| {
                let claim = claims.find(path);
                claim.is_none_or(|claim| claim_has_room(claim, room))
            }),
        }
    }
}

/// The rooms that a message is about. One that names no room is about those that the handle is in.
fn rooms_of<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = Room<'f>> {
    let entered = facts.entered.iter().map(|entry| entry.room.room());
    let own = entered.filter(|_| !facts.is_about_room);
    facts.room.into_iter().chain(own)
}

fn claim_has_room(claim: &Value, room: Room<'_>) -> bool {
    let is_room = |value: &Value| match value {
        Value::String(text) => text == "*" || room.is_text(text),
        Value::Number(number) => number.as_i64().is_some_and(|number| room.is_number(number)),
        _ => false,
    };
    match claim {
        Value::Array(rooms) => rooms.iter().any(is_room),
        one => is_room(one),
    }
}

/// The hosts that a rule lets a plugin send media to: every member `host` of the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// All of them, and requests without one.
    Any,
    /// These, as they are written.
    OneOf(Box<[Box<str>]>),
    /// Those in this claim of the token: a host or a list of hosts.
    InClaim(Box<str>),
}

impl Hosts {
    pub(super) fn contain(&self, facts: &Facts<'_>, claims: Option<&Claims>) -> bool {
        let is_listed = |host: &str| match self {
            Self::Any => true,
            Self::OneOf(hosts) => hosts.iter().any(|listed| **listed == *host),
            Self::InClaim(path) => match claims.and_then(|claims| claims.find(path)) {
                Some(Value::Array(hosts)) => hosts.iter().any(|listed| listed == host),
                Some(one) => one == host,
                None => false,
            },
        };
        if *self == Self::Any {
            return true;
        }
        let Some(parameters) = facts.parameters else {
            return false;
        };
        let mut hosts = parameters
            .members_at_any_depth()
            .filter(|member| member.name.is("host"))
            .map(|member| member.value().text())
            .peekable();
        // Without any host there is nothing to judge by.
        hosts.peek().is_some()
            && hosts.all(|host| host.is_some_and(|host| is_listed(&host.unescaped())))
    }
}
