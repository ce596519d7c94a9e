//! The path of a route: a prefix, or one path for each tenant of a Jitsi.
//!
//! Each tenant of a Jitsi has paths of its own, such as `/acme/http-bind`. Prosody does not know
//! them: it serves `/http-bind?prefix=acme`. So `/{tenant}/http-bind` is one route for all tenants,
//! and the parameter `prefix` is the gateway's alone, since it chooses the tenant.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::path::{BadPath, PathPrefix};

/// What stands in a route's path for the name of the tenant: one whole segment.
pub const VARIABLE: &str = "{tenant}";

/// The paths at which Prosody serves XMPP.
pub const XMPP_PATHS: [&str; 2] = ["/http-bind", "/xmpp-websocket"];

/// The parameter that names the tenant to Prosody.
const PARAMETER: &str = "prefix";

/// The path of a route: a prefix, or exactly one path for each tenant, with or without a slash at
/// its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoutePath {
    /// The segments before [`VARIABLE`]; all of them where there is none.
    front: PathPrefix,
    /// The segments behind it, each with the slash before it.
    back: Option<Box<str>>,
}

impl RoutePath {
    /// The segments before [`VARIABLE`]; all of them where there is none.
    pub fn front(&self) -> &PathPrefix {
        &self.front
    }

    /// Whether it is a path for each tenant.
    pub fn has_tenant(&self) -> bool {
        self.back.is_some()
    }

    /// Whether a normalised path belongs to the route.
    pub fn covers(&self, path: &str) -> bool {
        match self.back {
            None => self.front.covers(path),
            Some(_) => self.tenant(path).is_some(),
        }
    }

    /// The tenant that a normalised path names. `None` if it is not a path of the route, or if the
    /// route has no tenants.
    pub fn tenant<'p>(&self, path: &'p str) -> Option<&'p str> {
        let back = self.back.as_deref()?;
        let rest = self.front.rest(path)?.strip_prefix('/')?;
        let name = without_last_slash(rest).strip_suffix(back)?;
        is_name(name).then_some(name)
    }

    /// A path of the route as the server knows it: without the tenant.
    pub fn without_tenant<'p>(&self, path: &'p str) -> Cow<'p, str> {
        match self.tenant(path) {
            None => Cow::Borrowed(path),
            Some(name) => {
                let (front, rest) = path.split_at(self.front.as_str().len());
                Cow::Owned([front, &rest["/".len() + name.len()..]].concat())
            }
        }
    }

    /// The route's own path as the server knows it: without [`VARIABLE`].
    pub fn without_variable(&self) -> PathPrefix {
        match &self.back {
            None => self.front.clone(),
            Some(back) => self.front.join(back),
        }
    }

    /// Of two routes with the same path, the one of the larger rank goes before: the one with more
    /// segments; then the one without a tenant, or whose tenant comes later.
    pub(super) fn rank(&self) -> (usize, usize) {
        let segments = |path: &str| path.matches('/').count();
        let front = segments(self.front.as_str());
        match &self.back {
            None => (front, usize::MAX),
            Some(back) => (front + 1 + segments(back), front),
        }
    }

    /// Whether this route goes before another one that has the same path.
    pub fn goes_before(&self, other: &Self) -> bool {
        self.rank() > other.rank()
    }
}

/// The name of a tenant is a label in the names of rooms, and part of logs: letters, digits, `.`,
/// `_` and `-`, at most 63 of them, the first of which is no dot. What has to be percent-encoded is
/// in no name.
fn is_name(text: &str) -> bool {
    let stands = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=63).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(stands)
}

fn without_last_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

impl FromStr for RoutePath {
    type Err = BadRoutePath;

    fn from_str(text: &str) -> Result<Self, BadRoutePath> {
        let whole: PathPrefix = text.parse()?;
        let mut segments = whole.as_str().split('/');
        let Some(at) = segments.position(|segment| segment == VARIABLE) else {
            return Ok(Self {
                front: whole,
                back: None,
            });
        };
        if segments.any(|segment| segment == VARIABLE) {
            return Err(BadRoutePath::Twice);
        }
        let (front, back) = whole.split(at);
        match back {
            "" => Err(BadRoutePath::Last),
            back => Ok(Self {
                front,
                back: Some(back.into()),
            }),
        }
    }
}

impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.back {
            None => self.front.fmt(f),
            Some(back) => write!(f, "{}/{VARIABLE}{back}", self.front.as_str()),
        }
    }
}

/// Why a text is not the path of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRoutePath {
    /// The path is ambiguous or invalid.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// The tenant is the last segment: nothing says what of the tenant is meant.
    #[error("nothing follows the tenant")]
    Last,
    /// There are two tenants.
    #[error("two tenants")]
    Twice,
}

/// The tenant of a request.
#[derive(Clone, Copy, Debug)]
pub struct Tenant<'a> {
    /// The path of the request's route.
    pub route: &'a RoutePath,
    /// The name.
    pub name: &'a str,
}

impl Tenant<'_> {
    /// The tenant's path, of one as the server knows it, with or without a query. `None` if it is
    /// not a path of the route.
    pub fn insert(&self, path: &str) -> Option<String> {
        let Tenant { route, name } = self;
        let end = path.find(['?', '#']).unwrap_or(path.len());
        let front = route.front.as_str();
        let rest = without_last_slash(&path[..end]).strip_prefix(front)?;
        let is_of_route = route.back.as_deref() == Some(rest);
        is_of_route.then(|| format!("{front}/{name}{}", &path[front.len()..]))
    }
}

/// The query for an upstream that speaks `jitsi`, with its question mark unless it is empty: every
/// `prefix` of the client is taken out, however it is written, and that of the tenant is put in
/// front. The rest stays as it is. `None` if nothing changes.
pub fn jitsi_query(query: Option<&str>, tenant: Option<&str>) -> Option<String> {
    let query = query.unwrap_or_default();
    if tenant.is_none() && !query.split('&').any(is_prefix) {
        return None;
    }
    let own = tenant.map(|name| format!("{PARAMETER}={name}"));
    let rest = query.split('&').filter(|part| !is_prefix(part));
    let rest = rest.collect::<Vec<_>>().join("&");
    let parts = own.into_iter().chain((!rest.is_empty()).then_some(rest));
    let parts: Vec<String> = parts.collect();
    Some(match &parts[..] {
        [] => String::new(),
        parts => format!("?{}", parts.join("&")),
    })
}

/// Whether a parameter could be read as `prefix`. Prosody compares case, other servers do not.
fn is_prefix(part: &str) -> bool {
    let mut pairs = form_urlencoded::parse(part.as_bytes());
    pairs
        .next()
        .is_some_and(|(name, _)| name.eq_ignore_ascii_case(PARAMETER))
}

#[cfg(test)]
mod tests;
