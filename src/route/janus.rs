//! Janus finds its base path anywhere in the percent-decoded path if a slash follows, and as the
//! whole path in any case: `/x/janus/1` and `/JANUS` are `/janus` to it. So a route for `/` to the
//! same server would bypass the policy of a route for `/janus`.

use std::sync::Arc;

use super::upstream::{Protocol, UpstreamSpec};
use super::{Forward, Route, Target};

/// Base paths of other routes to the same servers with other policies: each percent-decoded and in
/// lower case, and as written.
#[derive(Clone, Debug, Default)]
pub(super) struct BasePaths(Box<[(Box<str>, Box<str>)]>);

/// For each route, the base paths that its requests must not contain.
pub(super) fn base_paths(routes: &[Route], upstreams: &[Arc<UpstreamSpec>]) -> Vec<BasePaths> {
    let of = |route: &Route| {
        let Target::Forward(to) = &route.target else {
            return BasePaths::default();
        };
        let own = lower(&to.path_at_upstream(&route.path));
        let others = routes
            .iter()
            .filter(|other| !other.policy.permits_the_same(&route.policy));
        let others = others.filter_map(|other| match &other.target {
            Target::Forward(of) if is_same_janus(to, of, upstreams) => {
                Some(of.path_at_upstream(&other.path))
            }
            _ => None,
        });
        let all = others.map(|base| (lower(&base), base.trim_end_matches('/').into()));
        let all = all.map(|(base, exact)| (base.trim_end_matches('/').into(), exact));
        // A route whose own path contains the base path is meant to; `ianitor check` warns about
        // it.
        BasePaths(
            all.filter(|(base, _): &(Box<str>, _)| !base.is_empty() && !is_in(base, &own))
                .collect(),
        )
    };
    routes.iter().map(of).collect()
}

fn is_same_janus(one: &Forward, other: &Forward, upstreams: &[Arc<UpstreamSpec>]) -> bool {
    one.upstreams().any(|one| {
        let mut others = other.upstreams();
        others.any(|other| shares_janus(&upstreams[one.0], &upstreams[other.0]))
    })
}

/// Whether two upstreams share a server, and at least one of them declares it as a Janus.
pub fn shares_janus(one: &UpstreamSpec, other: &UpstreamSpec) -> bool {
    let is_janus =
        |spec: &UpstreamSpec| matches!(spec.protocol, Protocol::Janus | Protocol::JanusAdmin);
    (is_janus(one) || is_janus(other)) && one.shares_server(other)
}

impl BasePaths {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether Janus finds one of these in a path, other than at its beginning: there the route
    /// itself leads to it.
    pub(super) fn are_in(&self, path: &str) -> bool {
        let lower = lower(path);
        self.0.iter().any(|(base, exact)| {
            let is_in_front = path
                .strip_prefix(&**exact)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            is_in(
                base,
                if is_in_front {
                    &lower[base.len()..]
                } else {
                    &lower
                },
            )
        })
    }
}

/// Whether a path contains the base path, followed by a slash or the end. Both are decoded and in
/// lower case.
fn is_in(base: &str, path: &str) -> bool {
    path.match_indices(base)
        .any(|(at, _)| matches!(path.as_bytes().get(at + base.len()), None | Some(b'/')))
}

/// The path with ASCII characters decoded, in lower case. A normalised path has no byte that is
/// encoded twice.
fn lower(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(u8::is_ascii);
        match byte {
            Some(byte) => out.push(char::from(byte)),
            None => out.push('%'),
        }
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    out.push_str(rest);
    out.make_ascii_lowercase();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(base: &str) -> BasePaths {
        BasePaths([(lower(base).into(), base.into())].into())
    }

    #[test]
    fn janus_finds_its_base_path_anywhere() {
        let janus = of("/janus");
        for (path, want) in [
            ("/", false),
            ("/x", false),
            ("/janus", false),
            ("/janus/", false),
            ("/janus/1/2", false),
            ("/janus/info", false),
            ("/januswhatever", false),
            ("/x/januswhatever/1", false),
            ("/xjanus", false),
            ("/x/janus", true),
            ("/x/janus/", true),
            ("/x/janus/1", true),
            ("/x/JANUS/1", true),
            ("/x%20y/janus/", true),
            ("/JANUS", true),
            ("/Janus/", true),
            ("/Janus/1", true),
            ("/janus/1/janus/2", true),
            ("/janus/janus/2", true),
            ("/januswhatever/janus/2", true),
        ] {
            assert_eq!(janus.are_in(path), want, "{path}");
        }
    }

    #[test]
    fn encoded_bytes_are_what_they_stand_for() {
        let base = of("/my%20janus;x");
        assert!(base.are_in("/a/my%20janus%3Bx/1"));
        assert!(base.are_in("/MY%20janus;x"));
        assert!(!base.are_in("/my%20janus;x/1"));
        assert_eq!(lower("/100%25%C3%A4%3b%"), "/100%%c3%a4;%");
    }
}
