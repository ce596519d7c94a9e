//! What a request says about the room that it is for.

use std::borrow::Cow;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The room in its query.
    pub room: RoomAsked<'a>,
    /// The tenant that Prosody gets: that of the path. A room that has none is in the domain
    /// itself.
    pub tenant: Option<&'a str>,
    /// The XMPP domain.
    pub domain: Domain<'a>,
}

/// The XMPP domain that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain<'a> {
    /// This one.
    Name(&'a str),
    /// The client names this one, and nothing in the configuration does: `sub` cannot be compared
    /// with it.
    Unconfirmed(&'a str),
    /// Any: `sub` is not compared, nor with a tenant.
    Any,
}

impl<'a> Domain<'a> {
    /// Its name; empty if it is any.
    pub(super) fn name(self) -> &'a str {
        match self {
            Self::Name(name) | Self::Unconfirmed(name) => name,
            Self::Any => "",
        }
    }
}

/// The room in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomAsked<'a> {
    /// There is none, or an empty one.
    Missing,
    /// There are several: Prosody would take the last one.
    Several,
    /// This one, percent-decoded.
    One(Cow<'a, str>),
}

/// The parameter with the room.
const ROOM: &str = "room";

impl<'a> Asked<'a> {
    /// Reads a query as Prosody does: names and values form-decoded once, names compared with case.
    pub fn new(query: &'a str, tenant: Option<&'a str>, domain: Domain<'a>) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let mut rooms = pairs.filter(|(name, _)| name == ROOM);
        let room = match (rooms.next(), rooms.next()) {
            (Some(_), Some(_)) => RoomAsked::Several,
            (Some((_, room)), None) if !room.is_empty() => RoomAsked::One(room),
            _ => RoomAsked::Missing,
        };
        Self {
            room,
            tenant,
            domain,
        }
    }
}

/// The parameters of a query that [`Asked::new`] reads, as a query; `None` if it has none of them.
/// What is judged again later keeps this and not the query, which may have the token.
pub fn rooms_of(query: &str) -> Option<Box<str>> {
    let is_room = |pair: &&str| {
        let name = form_urlencoded::parse(pair.as_bytes()).next();
        name.is_some_and(|(name, _)| name == ROOM)
    };
    let kept: Vec<&str> = query.split('&').filter(is_room).collect();
    (!kept.is_empty()).then(|| kept.join("&").into())
}
