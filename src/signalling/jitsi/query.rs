//! What a request says about the room that it is for.

use std::borrow::Cow;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The room in its query.
    pub room: Named<'a>,
    /// The tenant in its path or query. A room that has none is in the domain itself.
    pub tenant: Named<'a>,
    /// The XMPP domain; `None` if `sub` is not compared with it, nor with a tenant.
    pub domain: Option<&'a str>,
}

/// A room or a tenant, as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// It names none, or an empty one.
    Missing,
    /// It names several: Prosody would take the last one.
    Several,
    /// It names this one. Percent-decoded.
    One(Cow<'a, str>),
}

/// The parameter with the room.
const ROOM: &str = "room";
/// The parameter in which Prosody finds the tenant.
const PREFIX: &str = "prefix";

impl<'a> Asked<'a> {
    /// Reads a query as Prosody does: names and values form-decoded once, names compared with case.
    /// The tenant of the path takes precedence over that of the query.
    pub fn new(query: &'a str, tenant: Option<&'a str>, domain: Option<&'a str>) -> Self {
        let (mut room, mut prefix) = (None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                ROOM => room = Some(Named::after(room, value)),
                PREFIX => prefix = Some(Named::after(prefix, value)),
                _ => {}
            }
        }
        let tenant = tenant.map(|tenant| Named::after(None, tenant.into()));
        Self {
            room: room.unwrap_or(Named::Missing),
            tenant: tenant.or(prefix).unwrap_or(Named::Missing),
            domain,
        }
    }
}

impl<'a> Named<'a> {
    /// What a value means if there may be an earlier one.
    fn after(earlier: Option<Self>, value: Cow<'a, str>) -> Self {
        match earlier {
            Some(_) => Self::Several,
            None if value.is_empty() => Self::Missing,
            None => Self::One(value),
        }
    }

    /// The name, if there is one.
    pub fn one(&self) -> Option<&str> {
        match self {
            Self::One(name) => Some(name),
            Self::Missing | Self::Several => None,
        }
    }
}

/// The parameters of a query that [`Asked::new`] reads, as a query; `None` if it has none of them.
/// What is judged again later keeps this and not the query, which may have the token.
pub fn names_of(query: &str) -> Option<Box<str>> {
    let is_read = |pair: &&str| {
        let name = form_urlencoded::parse(pair.as_bytes()).next();
        name.is_some_and(|(name, _)| matches!(&*name, ROOM | PREFIX))
    };
    let kept: Vec<&str> = query.split('&').filter(is_read).collect();
    (!kept.is_empty()).then(|| kept.join("&").into())
}
