//! `proxy_pass`: its server, and what it does with the path.

/// A `proxy_pass` taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    /// `http` or `https`.
    pub(super) scheme: String,
    /// A server, or the name of a group.
    pub(super) authority: String,
    /// What the path of the location is replaced by, if there is anything.
    pub(super) uri: Option<String>,
}

/// Takes a URL without variables apart.
pub(super) fn parse(url: &str) -> Option<Pass> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "http" | "https") {
        return None;
    }
    if let Some(socket) = rest.strip_prefix("unix:") {
        let (path, uri) = match socket.split_once(':') {
            Some((path, uri)) => (path, Some(uri.to_owned()).filter(|uri| !uri.is_empty())),
            None => (socket, None),
        };
        let authority = format!("unix:{path}");
        return Some(Pass {
            scheme,
            authority,
            uri,
        });
    }
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, uri) = rest.split_at(at);
    if authority.is_empty() {
        return None;
    }
    let uri = Some(uri.to_owned()).filter(|uri| !uri.is_empty());
    let authority = authority.to_owned();
    Some(Pass {
        scheme,
        authority,
        uri,
    })
}

/// What becomes of paths below a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// They arrive as they are.
    Same,
    /// The location is replaced.
    Rewrite(String),
    /// The location is replaced, where NGINX put two slashes or none between.
    Mended(String),
    /// It cannot be said with `rewrite`.
    Unknown,
}

/// NGINX puts the URI in place of the location, character by character.
pub(super) fn change(location: &str, is_exact: bool, uri: Option<&str>) -> Change {
    let Some(uri) = uri else {
        return Change::Same;
    };
    if uri.contains(['?', '#', '$']) || !uri.starts_with('/') {
        return Change::Unknown;
    }
    if uri == location {
        return Change::Same;
    }
    let target = match uri.trim_end_matches('/') {
        "" => "/".to_owned(),
        trimmed => trimmed.to_owned(),
    };
    let same_end = location.ends_with('/') == uri.ends_with('/');
    // Whether it means that the route's path stays what it is.
    if target == location.trim_end_matches('/') || (target == "/" && location == "/") {
        return if same_end || is_exact {
            Change::Same
        } else {
            Change::Mended(target)
        };
    }
    match same_end || is_exact {
        true => Change::Rewrite(target),
        false => Change::Mended(target),
    }
}
