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
    /// Whether it is the cookie that sign-in sets.
    pub fn is_own_cookie(&self) -> bool {
        matches!(self, Self::Cookie(name) if **name == *COOKIE)
    }
}

/// The gateway's own cookie, which sign-in sets.
pub const COOKIE: &str = "ianitor";

/// The names of the query parameters among the sources.
pub fn parameters(sources: &[Source]) -> impl Iterator<Item = &str> {
    sources.iter().filter_map(|source| match source {
        Source::Query(name) => Some(&**name),
        Source::Header | Source::Cookie(_) | Source::Subprotocol => None,
    })
}

/// A token, and where it was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Located<'r> {
    /// Its text alone, not parsed.
    pub text: Cow<'r, str>,
    /// One bit for each of the sources that it was found in.
    pub places: u32,
}

impl Located<'_> {
    /// Whether it was found in cookies only: a browser sends those with the requests of any page.
    pub fn is_in_cookies_alone(&self, sources: &[Source]) -> bool {
        let others = sources
            .iter()
            .enumerate()
            .filter(|(_, source)| !matches!(source, Source::Cookie(_)));
        others.fold(0, |bits, (at, _)| bits | 1 << at) & self.places == 0
    }
}
