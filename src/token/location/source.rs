//! The places, and a token with the places where it was.

use std::borrow::Cow;

/// A place for tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `Authorization: Bearer …` (RFC 6750, section 2.1).
    Header,
    /// A cookie of this name.
    Cookie(Box<str>),
    /// A parameter of this name in the query: browsers cannot set headers of WebSockets.
    Query(Box<str>),
    /// `bearer.…` or `token.…` among the WebSocket's subprotocols.
    Subprotocol,
}

impl Source {
    /// Whether it is the cookie that signing in sets.
    pub fn is_own_cookie(&self) -> bool {
        matches!(self, Self::Cookie(name) if **name == *COOKIE)
    }
}

/// The gateway's own cookie, which signing in sets.
pub const COOKIE: &str = "ianitor";

/// The names of parameters among the places.
pub fn parameters(sources: &[Source]) -> impl Iterator<Item = &str> {
    sources.iter().filter_map(|source| match source {
        Source::Query(name) => Some(&**name),
        Source::Header | Source::Cookie(_) | Source::Subprotocol => None,
    })
}

/// A token, and where it was.
#[derive(Debug, PartialEq, Eq)]
pub struct Located<'r> {
    /// As it stood there, without what is around it. Nothing of it has been looked at.
    pub text: Cow<'r, str>,
    /// A bit for each of the sources that were asked for.
    pub places: u32,
}

impl Located<'_> {
    /// Whether it stood in cookies alone: a browser sends those whichever page asks.
    pub fn is_in_cookies_alone(&self, sources: &[Source]) -> bool {
        let others = sources
            .iter()
            .enumerate()
            .filter(|(_, source)| !matches!(source, Source::Cookie(_)));
        others.fold(0, |bits, (at, _)| bits | 1 << at) & self.places == 0
    }
}
