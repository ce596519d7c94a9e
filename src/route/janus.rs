//! Janus finds its base path anywhere in the percent-decoded path if a slash follows, and as the
//! whole path in any case: `/x/janus/1` and `/JANUS` are `/janus` to it. So a route for `/` to the
//! same server would bypass the policy of a route for `/janus`.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::upstream::{Protocol, UpstreamSpec};
use super::{Route, Target, UpstreamId};
use crate::policy::Policy;

/// Base paths of other routes to the same servers with other policies: each percent-decoded and in
/// lower case, and as written.
#[derive(Clone, Debug, Default)]
pub(super) struct BasePaths(Box<[(Box<str>, Box<str>)]>);

/// For each route, the base paths that its requests must not contain.
pub(super) fn base_paths(routes: &[Route], upstreams: &[Arc<UpstreamSpec>]) -> Vec<BasePaths> {
    let forwarding = forwarding(routes);
    let distinct: HashSet<&Forwarding> = forwarding.iter().flatten().collect();
    let of = |own: &Option<Forwarding>| {
        let Some(own) = own else {
            return BasePaths::default();
        };
        let others = distinct
            .iter()
            .filter(|other| other.policy != own.policy && own.is_same_janus(other, upstreams));
        let all = others.map(|other| (other.base.trim_end_matches('/'), &*other.exact));
        // A route whose own path contains the base path is meant to; `ianitor check` warns about
        // it.
        let all = all.filter(|(base, _)| !base.is_empty() && !is_in(base, &own.base));
        let all: BTreeSet<_> = all.collect();
        let all = all.into_iter();
        BasePaths(
            all.map(|(base, exact)| (base.into(), exact.into()))
                .collect(),
        )
    };
    forwarding.iter().map(of).collect()
}

/// What routes to upstreams are compared by. Many routes may have the same.
#[derive(PartialEq, Eq, Hash)]
struct Forwarding {
    /// The same for policies that permit the same.
    policy: usize,
    upstream: UpstreamId,
    websocket: Option<UpstreamId>,
    /// The path at the upstream, percent-decoded and in lower case.
    base: String,
    /// The same as written, without a slash at the end.
    exact: Box<str>,
}

impl Forwarding {
    fn upstreams(&self) -> impl Iterator<Item = UpstreamId> {
        std::iter::once(self.upstream).chain(self.websocket)
    }

    fn is_same_janus(&self, other: &Self, upstreams: &[Arc<UpstreamSpec>]) -> bool {
        self.upstreams().any(|one| {
            let mut others = other.upstreams();
            others.any(|other| shares_janus(&upstreams[one.0], &upstreams[other.0]))
        })
    }
}

/// For each route; `None` where it leads to no upstream.
fn forwarding(routes: &[Route]) -> Vec<Option<Forwarding>> {
    let mut policies: Vec<&Policy> = Vec::new();
    let mut forwarding = Vec::with_capacity(routes.len());
    for route in routes {
        let Target::Forward(to) = &route.target else {
            forwarding.push(None);
            continue;
        };
        let known = policies
            .iter()
            .position(|policy| policy.permits_the_same(&route.policy));
        let policy = known.unwrap_or_else(|| {
            policies.push(&route.policy);
            policies.len() - 1
        });
        let base = to.path_at_upstream(&route.path);
        forwarding.push(Some(Forwarding {
            policy,
            upstream: to.upstream,
            websocket: to.websocket,
            base: lower(&base),
            exact: base.trim_end_matches('/').into(),
        }));
    }
    forwarding
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
        // Most paths have nothing to decode: they are searched without a copy.
        let decoded = match path.contains('%') {
            true => Cow::Owned(lower(path)),
            false => Cow::Borrowed(path),
        };
        self.0.iter().any(|(base, exact)| {
            let is_in_front = path
                .strip_prefix(&**exact)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            is_in(
                base,
                if is_in_front {
                    &decoded[base.len()..]
                } else {
                    &decoded
                },
            )
        })
    }
}

/// Whether a path contains the base path, followed by a slash or the end. Both are decoded and in
/// lower case.
/// `base` is not empty and in lower case.
fn is_in(base: &str, path: &str) -> bool {
    let (base, path) = (base.as_bytes(), path.as_bytes());
    path.windows(base.len()).enumerate().any(|(at, part)| {
        part[0].eq_ignore_ascii_case(&base[0])
            && part.eq_ignore_ascii_case(base)
            && matches!(path.get(at + base.len()), None | Some(b'/'))
    })
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
