//! Routes: resolves their names and checks their rules.

use std::sync::Arc;

use super::answers;
use super::defaults;
use super::jitsi;
use super::messages::Protocols;
use super::names::{Context, Names};
use super::note_twice;
use super::policies::NamedPolicy;
use super::reach;
use super::targets::{Kind, kind, note_loops};
use super::turn::NamedTurn;
use super::upstreams::{self, Upstream};
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::Spanned;
use crate::config::read::List;
use crate::config::suggest;
use crate::config::tables::RawRoute;
use crate::host::HostPattern;
use crate::policy::{Policy, Rule, TokenRule};
use crate::route::local;
use crate::route::path::PathPrefix;
use crate::route::tenant::RoutePath;
use crate::route::upstream::Protocol;
use crate::route::{PathChange, Route, RouteLimits, UpstreamId};

/// Resolves all routes; `None` with a problem if one is invalid.
pub(super) fn lower(
    raw: List<RawRoute>,
    context: &Context<'_>,
    diag: &Diagnostics<'_>,
) -> Option<Vec<Route>> {
    let open = Arc::new(Policy::new(Policy::OPEN, Rule::Open));
    let names = Names {
        context,
        open,
        diag,
    };
    if let Some(defaults) = context.defaults {
        defaults::note(defaults, diag);
    }
    let present: Vec<&RawRoute> = raw.iter().flatten().map(|route| &route.value).collect();
    let hosted: Vec<Hosted<'_>> = present.iter().flat_map(|raw| Hosted::all(raw)).collect();
    for hosts in present.iter().filter_map(|raw| raw.host.as_ref()) {
        note_twice(&hosts.iter().flatten().collect::<Vec<_>>(), diag);
    }
    note_doubles(&hosted, diag);
    note_loops(&present, diag);
    names.note_unused(&present);
    names.note_other_protocol(&present);
    names.note_renewal_in_band(&present);
    // In two steps, so that the routes after an invalid one are checked too.
    let routes: Vec<Option<Route>> = hosted.iter().map(|route| names.route(route)).collect();
    let whole = hosted
        .iter()
        .zip(&routes)
        .filter_map(|(hosted, route)| Some((hosted.raw, route.as_ref()?)));
    let whole: Vec<_> = whole.collect();
    reach::note(&whole, context, diag);
    jitsi::note(&whole, context, diag);
    if present.len() < raw.len() {
        return None;
    }
    routes.into_iter().collect()
}

/// A route at one of its hosts.
struct Hosted<'r> {
    raw: &'r RawRoute,
    /// `None` for every host, and where the host is invalid.
    host: Option<&'r Spanned<HostPattern>>,
}

impl<'r> Hosted<'r> {
    /// The route once for each of its hosts.
    fn all(raw: &'r RawRoute) -> Vec<Self> {
        let hosts = raw.host.iter().flatten().flatten();
        let all: Vec<_> = hosts
            .map(|host| Self {
                raw,
                host: Some(host),
            })
            .collect();
        match all.is_empty() {
            true => vec![Self { raw, host: None }],
            false => all,
        }
    }

    /// The host and path, if they are valid.
    fn host_and_path(&self) -> Option<(Option<&HostPattern>, &RoutePath)> {
        let path = self.raw.path.as_ref()?;
        let is_valid = !self.raw.host_is_written || self.host.is_some();
        is_valid.then_some((self.host.map(|host| &host.value), &path.value))
    }

    /// Whether it has several hosts.
    fn is_one_of_several(&self) -> bool {
        self.raw.host.as_ref().is_some_and(|hosts| hosts.len() > 1)
    }
}

/// Of two routes with the same host and path, the second would never be used.
fn note_doubles(routes: &[Hosted<'_>], diag: &Diagnostics<'_>) {
    for (at, later) in routes.iter().enumerate() {
        let (Some(path), Some(both)) = (&later.raw.path, later.host_and_path()) else {
            continue;
        };
        let is_same = |first: &&Hosted<'_>| {
            !std::ptr::eq(first.raw, later.raw) && first.host_and_path().as_ref() == Some(&both)
        };
        if let Some(first) = routes[..at].iter().find(is_same) {
            let (key, line) = (&first.raw.place.key, diag.line(&first.raw.place));
            let (place, what) = match later.host.filter(|_| later.is_one_of_several()) {
                Some(host) => (&host.place, format!("{} with this path", host.value)),
                None => (&path.place, "this host and path".to_owned()),
            };
            diag.problem(
                place,
                format!("{key} has {what} already ({line}); take one out"),
            );
        }
    }
}

impl Names<'_> {
    fn route(&self, hosted: &Hosted<'_>) -> Option<Route> {
        let raw = hosted.raw;
        let upstream = raw.upstream.as_ref().and_then(|name| self.upstream(name));
        let websocket = raw.websocket.as_ref().and_then(|name| self.upstream(name));
        self.note_same_upstream(raw);
        let policy = raw.policy.as_ref().and_then(|name| self.policy(name));
        let upstreams = [upstream, websocket].into_iter().flatten();
        let upstreams: Vec<&Upstream> = upstreams.map(|(_, upstream)| upstream).collect();
        self.note_if_open(raw, &upstreams, policy.as_ref());
        let path = raw.path.as_ref();
        if let Some(path) = path {
            self.note_bad_path(path);
            self.note_tenant(raw, path, &upstreams);
        }
        let change = path.map(|path| self.path_change(raw, &path.value));
        let judges = policy.as_ref().and_then(|policy| policy.judges);
        if let (Some(path), Some(change)) = (path, &change) {
            let at_server = change.to_upstream(path.value.without_variable().as_str());
            self.note_kurento_path(raw, &at_server, judges.is_some(), &upstreams);
        }
        let target = match kind(raw, self.diag) {
            Some(Kind::Upstream) => {
                let parts = self.forward(raw, upstream.map(|(_, to)| to), websocket);
                upstream
                    .zip(change)
                    .map(|((upstream, _), change)| parts.to(upstream, change))
            }
            Some(Kind::Files(root)) => Some(self.files(raw, &self.context.folder.join(root))),
            Some(Kind::Redirect(spec)) => Some(self.redirect(raw, spec)),
            Some(Kind::Turn(name)) => self.turn(
                raw,
                name,
                policy.as_ref().is_some_and(|p| p.lets_everybody_in),
            ),
            None => None,
        };
        self.note_messages(raw, judges, &upstreams);
        if let (None, Some(policy)) = (judges, &policy) {
            // What is open to everybody is a problem already, or written to be so.
            match policy.lets_everybody_in {
                true => self.note_secret_for_everybody(raw, &upstreams),
                false => self.note_unjudged_kurento(raw, &upstreams),
            }
        }
        if let Some(Resolved {
            policy: Some(policy),
            ..
        }) = &policy
        {
            self.note_keys_of_tokens(raw, policy);
            self.note_token_in_cookie(raw, policy, &upstreams);
            self.note_token_for_bridges(raw, policy, &upstreams);
            self.note_message_size(raw, policy, &upstreams);
        }
        let speaks_whip = upstream.is_some_and(|(_, to)| to.protocol == Protocol::Whip);
        let cors = self.cors(raw, &upstreams);
        let cors = cors.map(|cors| answers::cors(cors, speaks_whip, self.diag));
        Some(Route {
            host: hosted.host.map(|host| host.value.clone()),
            path: path?.value.clone(),
            policy: policy?.policy?,
            target: target?,
            forward_token: raw
                .forward_token
                .as_ref()
                .is_some_and(|forward| forward.value),
            body_limit: raw
                .body
                .as_ref()
                .map_or(self.context.body_limit, |body| body.value),
            limits: limits(raw),
            cors: match cors {
                Some(cors) => Some(cors?),
                None => None,
            },
            answers: answers::answer_edits(raw, self.diag),
            security: self.security(raw),
            after_sign_in: raw.after_sign_in.as_ref().map(|after| after.value.clone()),
        })
    }

    /// Keys that are about tokens, where the policy takes none.
    fn note_keys_of_tokens(&self, raw: &RawRoute, policy: &Policy) {
        let rule = policy.token_rule();
        let has_password = policy.login().is_some_and(|login| login.basic().is_some());
        if let (Some(forward), None, false) = (&raw.forward_token, rule, has_password) {
            let text = "is about tokens, and the route's policy takes none; take it out";
            self.diag.problem(&forward.place, text);
        }
        let cookie = rule.and_then(TokenRule::cookie_place);
        if let (Some(after), None) = (&raw.after_sign_in, cookie) {
            let text = "is about signing in by browser, and the route's policy takes no token \
                        from \"cookie:ianitor\"; name that in the issuer's sources, or take this \
                        out";
            self.diag.problem(&after.place, text);
        }
    }

    fn upstream(&self, name: &Spanned<String>) -> Option<(UpstreamId, &Upstream)> {
        let found = self
            .context
            .upstreams
            .iter()
            .position(|upstream| upstream.name.value == name.value);
        if found.is_none() {
            let known: Vec<&str> = self
                .context
                .upstreams
                .iter()
                .map(|upstream| &*upstream.name.value)
                .collect();
            let text = upstreams::unknown(&name.value, &known);
            self.diag.problem(&name.place, text);
        }
        found.map(|at| (UpstreamId(at), &self.context.upstreams[at]))
    }

    fn policy(&self, name: &Spanned<String>) -> Option<Resolved> {
        if name.value == Policy::OPEN {
            return Some(Resolved {
                policy: Some(Arc::clone(&self.open)),
                lets_everybody_in: true,
                judges: None,
            });
        }
        let Some(found) = self
            .context
            .policies
            .iter()
            .find(|policy| policy.name.value == name.value)
        else {
            let named = self
                .context
                .policies
                .iter()
                .map(|policy| &*policy.name.value);
            let known: Vec<&str> = named.chain([Policy::OPEN]).collect();
            self.diag
                .problem(&name.place, suggest::unknown("policy", &name.value, &known));
            return None;
        };
        Some(Resolved {
            policy: found.policy.clone(),
            lets_everybody_in: found.lets_everybody_in,
            judges: found.judged.as_ref().map(|judged| judged.protocols),
        })
    }

    /// A control port must not be open by accident, because its clients control the media server:
    /// it needs a second key.
    fn note_if_open(&self, raw: &RawRoute, upstreams: &[&Upstream], policy: Option<&Resolved>) {
        let (Some(name), Some(policy), false) = (&raw.policy, policy, upstreams.is_empty()) else {
            return;
        };
        let is_control =
            |upstream: &&&Upstream| upstream.protocol.is_control() || upstream.undeclared.is_some();
        let control = upstreams.iter().find(is_control);
        let open = control.filter(|_| policy.lets_everybody_in);
        match (&raw.i_know_this_is_open, open) {
            (Some(said), None) if said.value => self.diag.warning(
                &said.place,
                "is not needed here; take it out, so that it is seen where it matters",
            ),
            (Some(said), Some(_)) if said.value => {}
            (_, Some(upstream)) => self
                .diag
                .problem(&name.place, open_to_everybody(upstream, &name.value)),
            (_, None) => {}
        }
    }

    fn note_same_upstream(&self, raw: &RawRoute) {
        let (Some(upstream), Some(websocket)) = (&raw.upstream, &raw.websocket) else {
            return;
        };
        if upstream.value == websocket.value {
            let text = "is the upstream of the other requests too, so it changes nothing";
            self.diag.warning(&websocket.place, text);
        }
    }

    fn note_bad_path(&self, path: &Spanned<RoutePath>) {
        if local::below_own(path.value.front().as_str()).is_some() {
            let text = format!(
                "what is below {} belongs to the gateway itself; take another path",
                local::OWN
            );
            self.diag.problem(&path.place, text);
        }
    }

    /// With a tenant, the server knows the path without it, and both keys are about that path.
    fn path_change(&self, raw: &RawRoute, path: &RoutePath) -> PathChange {
        let path = &path.without_variable();
        match (&raw.strip_prefix, &raw.rewrite) {
            (None, None) => PathChange::default(),
            (Some(strip), None) => self.strip(strip, path),
            (None, Some(rewrite)) => self.rewrite(rewrite, path),
            (Some(_), Some(rewrite)) => {
                let text = "does not go with strip_prefix; it puts another path in place of \
                 the whole route's path";
                self.diag.problem(&rewrite.place, text);
                PathChange::default()
            }
        }
    }

    fn strip(&self, strip: &Spanned<PathPrefix>, path: &PathPrefix) -> PathChange {
        if strip.value.as_str().is_empty() {
            self.diag.problem(
                &strip.place,
                "\"/\" takes nothing off; write the segments to take off, or leave it out",
            );
        } else if !strip.value.covers(path.as_str()) {
            let text = format!(
                "\"{}\" is not the route's path, \"{path}\", or whole segments of its front",
                strip.value
            );
            self.diag.problem(&strip.place, text);
        }
        PathChange {
            strip: strip.value.as_str().into(),
            add: "".into(),
        }
    }

    fn rewrite(&self, rewrite: &Spanned<PathPrefix>, path: &PathPrefix) -> PathChange {
        if rewrite.value == *path {
            self.diag.warning(
                &rewrite.place,
                "is the route's own path, so it changes nothing",
            );
        }
        PathChange {
            strip: path.as_str().into(),
            add: rewrite.value.as_str().into(),
        }
    }

    fn note_unused(&self, routes: &[&RawRoute]) {
        let is_used = |name: &str, of: fn(&RawRoute) -> &Option<Spanned<String>>| {
            routes
                .iter()
                .any(|route| of(route).as_ref().is_some_and(|used| used.value == name))
        };
        for Upstream { name, .. } in self.context.upstreams {
            if !is_used(&name.value, |route| &route.upstream)
                && !is_used(&name.value, |route| &route.websocket)
            {
                self.diag
                    .warning(&name.place, "no route leads to this upstream");
            }
        }
        for NamedTurn { name, .. } in self.context.turns {
            if !is_used(&name.value, |route| &route.turn) {
                self.diag.warning(
                    &name.place,
                    "no route leads to these credentials; write turn = in a route",
                );
            }
        }
        for NamedPolicy { name, .. } in self.context.policies {
            if !is_used(&name.value, |route| &route.policy) {
                self.diag.warning(&name.place, "no route names this policy");
            }
        }
    }
}

fn limits(raw: &RawRoute) -> RouteLimits {
    RouteLimits {
        requests: raw.requests,
        concurrent: raw.concurrent,
    }
}

/// The problem that a policy lets everybody reach this control port.
fn open_to_everybody(upstream: &Upstream, policy: &str) -> String {
    match &upstream.undeclared {
        Some(server) => server.open_to_everybody(policy),
        None => format!(
            "\"{policy}\" lets everybody control the media server, for upstream \"{}\" speaks {}; \
             name a policy with an allow list, or write i_know_this_is_open = true",
            upstream.name.value,
            upstream.protocol.name()
        ),
    }
}

/// The policy of a route; `Some(None)` if the policy itself is invalid.
struct Resolved {
    policy: Option<Arc<Policy>>,
    lets_everybody_in: bool,
    /// Of which protocols it allows messages, if it judges them.
    judges: Option<Protocols>,
}
