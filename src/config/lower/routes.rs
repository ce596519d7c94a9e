//! Routes: the names that they use, the rules about them, and no two alike.

use std::sync::Arc;

use super::NamedPolicy;
use super::upstreams::Upstream;
use crate::config::notes::Notes;
use crate::config::problem::Placed;
use crate::config::raw::RawRoute;
use crate::config::read::List;
use crate::config::suggest;
use crate::host::HostPattern;
use crate::policy::{Policy, Rule};
use crate::route::path::PathPrefix;
use crate::route::{Forward, PathChange, Route, Target, UpstreamId};

/// The gateway's own URLs, for signing in and out.
const OWN_PATHS: &str = "/.ianitor";

/// What routes refer to.
struct Names<'a> {
    upstreams: &'a [Upstream],
    policies: &'a [NamedPolicy],
    open: Arc<Policy>,
    notes: &'a Notes<'a>,
}

/// Resolves all routes; `None` where one is not whole, which is noted.
pub(super) fn lower(
    raw: List<RawRoute>,
    upstreams: &[Upstream],
    policies: &[NamedPolicy],
    body_limit: u64,
    notes: &Notes<'_>,
) -> Option<Vec<Route>> {
    let open = Arc::new(Policy::new(Policy::OPEN, Rule::Open));
    let names = Names { upstreams, policies, open, notes };
    let present: Vec<&RawRoute> = raw.iter().flatten().map(|route| &route.value).collect();
    note_doubles(&present, notes);
    names.note_unused(&present);
    // Collected in two steps: the first that is not whole must not keep the others from being looked at.
    let routes: Vec<Option<Route>> = present.iter().map(|route| names.route(route, body_limit)).collect();
    if routes.len() < raw.len() {
        return None;
    }
    routes.into_iter().collect()
}

/// Of two routes with one host and path, the second would never be found.
fn note_doubles(routes: &[&RawRoute], notes: &Notes<'_>) {
    for (at, later) in routes.iter().enumerate() {
        let (Some(path), Some(door)) = (&later.path, door(later)) else { continue };
        if let Some(first) = routes[..at].iter().find(|first| self::door(first).as_ref() == Some(&door)) {
            let (key, line) = (&first.place.key, notes.line(&first.place));
            notes.problem(&path.place, format!("{key} has this host and path already (line {line}); take one out"));
        }
    }
}

/// What a route is found by, where that is known.
fn door(route: &RawRoute) -> Option<(Option<&HostPattern>, &PathPrefix)> {
    let path = route.path.as_ref()?;
    (!route.host_is_wrong).then_some((route.host.as_ref().map(|host| &host.value), &path.value))
}

impl Names<'_> {
    fn route(&self, raw: &RawRoute, body_limit: u64) -> Option<Route> {
        let upstream = raw.upstream.as_ref().and_then(|name| self.upstream(name));
        let policy = raw.policy.as_ref().and_then(|name| self.policy(name));
        self.note_if_open(raw, upstream.map(|(_, upstream)| upstream), policy.as_ref());
        let path = raw.path.as_ref();
        if let Some(path) = path {
            self.note_bad_path(path);
        }
        let change = path.map(|path| self.path_change(raw, &path.value));
        let (upstream, _) = upstream?;
        Some(Route {
            host: raw.host.as_ref().map(|host| host.value.clone()),
            path: path?.value.clone(),
            policy: policy?.policy?,
            target: Target::Forward(Forward { upstream, path: change? }),
            body_limit: raw.body.unwrap_or(body_limit),
        })
    }

    fn upstream(&self, name: &Placed<String>) -> Option<(UpstreamId, &Upstream)> {
        let found = self.upstreams.iter().position(|upstream| upstream.name.value == name.value);
        if found.is_none() {
            let known: Vec<&str> = self.upstreams.iter().map(|upstream| &*upstream.name.value).collect();
            self.notes.problem(&name.place, suggest::unknown("upstream", &name.value, &known));
        }
        found.map(|at| (UpstreamId(at), &self.upstreams[at]))
    }

    fn policy(&self, name: &Placed<String>) -> Option<Resolved> {
        if name.value == Policy::OPEN {
            return Some(Resolved { policy: Some(Arc::clone(&self.open)), lets_everybody_in: true });
        }
        let Some(found) = self.policies.iter().find(|policy| policy.name.value == name.value) else {
            let named = self.policies.iter().map(|policy| &*policy.name.value);
            let known: Vec<&str> = named.chain([Policy::OPEN]).collect();
            self.notes.problem(&name.place, suggest::unknown("policy", &name.value, &known));
            return None;
        };
        Some(Resolved { policy: found.policy.clone(), lets_everybody_in: found.lets_everybody_in })
    }

    /// Closed by default: who reaches a control port rules the media server, so that has to be said twice.
    fn note_if_open(&self, raw: &RawRoute, upstream: Option<&Upstream>, policy: Option<&Resolved>) {
        let (Some(name), Some(upstream), Some(policy)) = (&raw.policy, upstream, policy) else { return };
        let is_open = upstream.protocol.is_control() && policy.lets_everybody_in;
        match &raw.i_know_this_is_open {
            Some(said) if said.value && !is_open => {
                self.notes.warning(&said.place, "is not needed here; take it out, so that it is seen where it matters")
            }
            Some(said) if said.value => {}
            _ if is_open => self.notes.problem(
                &name.place,
                format!(
                    "\"{}\" lets everybody control the media server, for upstream \"{}\" speaks {}; name a policy with \
                     an allow list, or write i_know_this_is_open = true",
                    name.value,
                    upstream.name.value,
                    upstream.protocol.name()
                ),
            ),
            _ => {}
        }
    }

    fn note_bad_path(&self, path: &Placed<PathPrefix>) {
        if OWN_PATHS.parse().is_ok_and(|own: PathPrefix| own.covers(path.value.as_str())) {
            let text = format!("what is below {OWN_PATHS} belongs to the gateway itself; take another path");
            self.notes.problem(&path.place, text);
        }
        if let Some(rest) = path.value.as_str().strip_suffix('*') {
            let meant = rest.trim_end_matches('/');
            let meant = if meant.is_empty() { "/" } else { meant };
            let text = format!("\"*\" is no wildcard; \"{meant}\" stands for itself and what is below it");
            self.notes.problem(&path.place, text);
        }
    }

    fn path_change(&self, raw: &RawRoute, path: &PathPrefix) -> PathChange {
        match (&raw.strip_prefix, &raw.rewrite) {
            (None, None) => PathChange::default(),
            (Some(strip), None) => self.strip(strip, path),
            (None, Some(rewrite)) => self.rewrite(rewrite, path),
            (Some(_), Some(rewrite)) => {
                let text = "does not go with strip_prefix; it puts another path in the place of the whole route's path";
                self.notes.problem(&rewrite.place, text);
                PathChange::default()
            }
        }
    }

    fn strip(&self, strip: &Placed<PathPrefix>, path: &PathPrefix) -> PathChange {
        if strip.value.as_str().is_empty() {
            self.notes
                .problem(&strip.place, "\"/\" takes nothing off; write the segments to take off, or leave it out");
        } else if !strip.value.covers(path.as_str()) {
            let text =
                format!("\"{}\" is not the route's path, \"{path}\", or whole segments of its front", strip.value);
            self.notes.problem(&strip.place, text);
        }
        PathChange { strip: strip.value.as_str().into(), add: "".into() }
    }

    fn rewrite(&self, rewrite: &Placed<PathPrefix>, path: &PathPrefix) -> PathChange {
        if rewrite.value == *path {
            self.notes.warning(&rewrite.place, "is the route's own path, so it changes nothing");
        }
        PathChange { strip: path.as_str().into(), add: rewrite.value.as_str().into() }
    }

    fn note_unused(&self, routes: &[&RawRoute]) {
        let is_used = |name: &str, of: fn(&RawRoute) -> &Option<Placed<String>>| {
            routes.iter().any(|route| of(route).as_ref().is_some_and(|used| used.value == name))
        };
        for Upstream { name, .. } in self.upstreams {
            if !is_used(&name.value, |route| &route.upstream) {
                self.notes.warning(&name.place, "no route leads to this upstream");
            }
        }
        for NamedPolicy { name, .. } in self.policies {
            if !is_used(&name.value, |route| &route.policy) {
                self.notes.warning(&name.place, "no route names this policy");
            }
        }
    }
}

/// A policy that a route names; `None` in it where the policy is wrong itself.
struct Resolved {
    policy: Option<Arc<Policy>>,
    lets_everybody_in: bool,
}
