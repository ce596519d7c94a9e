//! Targets of routes: one each, with the keys that belong to it.

use std::path::Path;

use super::answers;
use super::files;
use super::names::Names;
use super::upstreams::Upstream;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned};
use crate::config::suggest;
use crate::config::tables::RawRoute;
use crate::policy::Policy;
use crate::route::edits::Edits;
use crate::route::path::EncodedSlash;
use crate::route::redirect::RedirectSpec;
use crate::route::tenant::RoutePath;
use crate::route::upstream::Protocol;
use crate::route::{Forward, HostHeader, PathChange, Target, Timeouts, UpstreamId};
use crate::token::location::Source;
use crate::turn::TurnId;

/// The kind of a target.
pub(super) enum Kind<'r> {
    Upstream,
    Files(&'r Path),
    Redirect(&'r RedirectSpec),
    Turn(&'r Spanned<String>),
}

/// The target; `None` with a problem if it is missing or invalid. Of several, which is a problem,
/// the first kind.
pub(super) fn kind<'r>(raw: &'r RawRoute, diag: &Diagnostics<'_>) -> Option<Kind<'r>> {
    let all = [
        raw.upstream
            .as_ref()
            .map(|name| (&name.place, "upstream", Kind::Upstream)),
        raw.files
            .as_ref()
            .map(|files| (&files.place, "files", Kind::Files(&files.value))),
        raw.redirect
            .as_ref()
            .map(|redirect| (&redirect.place, "redirect", Kind::Redirect(&redirect.value))),
        raw.turn
            .as_ref()
            .map(|name| (&name.place, "turn", Kind::Turn(name))),
    ];
    let mut all = all.into_iter().flatten();
    let (place, key, kind) = all.next()?;
    for (other, _, _) in all {
        let line = diag.line(place);
        let text = format!(
            "a route leads to one target, and this one has {key} too ({line}); take one out"
        );
        diag.problem(other, text);
    }
    Some(kind)
}

/// The settings of a forwarded request, without its upstream.
pub(super) struct ForwardParts {
    headers: Edits,
    host: Option<HostHeader>,
    timeouts: Timeouts,
    websocket: Option<UpstreamId>,
    encoded_slash: EncodedSlash,
    message_size: usize,
}

impl ForwardParts {
    pub(super) fn to(self, upstream: UpstreamId, path: PathChange) -> Target {
        let Self {
            headers,
            host,
            timeouts,
            websocket,
            encoded_slash,
            message_size,
        } = self;
        Target::Forward(Forward {
            upstream,
            websocket: websocket.filter(|id| *id != upstream),
            path,
            encoded_slash,
            headers,
            host,
            timeouts,
            message_size,
        })
    }
}

/// The largest message where the route does not say it.
fn default_message_size(to: [Option<&Upstream>; 2]) -> usize {
    let is_kurento = |upstream: &Upstream| upstream.protocol == Protocol::Kurento;
    match to.into_iter().flatten().any(is_kurento) {
        true => Forward::KURENTO_MESSAGE_SIZE,
        false => Forward::MESSAGE_SIZE,
    }
}

impl Names<'_> {
    pub(super) fn forward(
        &self,
        raw: &RawRoute,
        upstream: Option<&Upstream>,
        websocket: Option<(UpstreamId, &Upstream)>,
    ) -> ForwardParts {
        self.note_keys_of_files(raw);
        self.note_keys_of_redirects(raw);
        let timeouts = self.timeouts(raw).map(|timeouts| timeouts.value);
        let host = raw.host_header.as_ref().and_then(|host| {
            let authority = host.value.clone();
            let value = authority.to_string().try_into().ok()?;
            Some(HostHeader { authority, value })
        });
        ForwardParts {
            headers: answers::request_edits(raw, self.diag),
            host,
            timeouts: timeouts.unwrap_or_default(),
            websocket: websocket.map(|(id, _)| id),
            encoded_slash: self.encoded_slash(raw, [upstream, websocket.map(|(_, to)| to)]),
            message_size: match &raw.message_size {
                Some(size) => size.value,
                None => default_message_size([upstream, websocket.map(|(_, to)| to)]),
            },
        }
    }

    fn encoded_slash(&self, raw: &RawRoute, to: [Option<&Upstream>; 2]) -> EncodedSlash {
        let Some(slash) = &raw.encoded_slash else {
            return EncodedSlash::default();
        };
        let is_http = |upstream: &Upstream| {
            upstream.protocol == Protocol::Http && upstream.undeclared.is_none()
        };
        if slash.value == EncodedSlash::Keep && !to.into_iter().flatten().all(is_http) {
            let text = "is for upstreams that speak http; media servers decode paths in their own \
                        ways; take it out";
            self.diag.problem(&slash.place, text);
        }
        slash.value
    }

    /// A token in a cookie is forwarded only where cookies are.
    pub(super) fn note_token_in_cookie(
        &self,
        raw: &RawRoute,
        policy: &Policy,
        upstreams: &[&Upstream],
    ) {
        let (Some(forward), Some(rule)) = (&raw.forward_token, policy.token_rule()) else {
            return;
        };
        let is_cookie = |source: &Source| matches!(source, Source::Cookie(_));
        let mut specs = upstreams.iter().filter_map(|to| to.spec.as_ref());
        if let Some(spec) = specs.find(|spec| !spec.forward_cookies)
            && forward.value
            && rule.sources.iter().any(is_cookie)
        {
            let text = format!(
                "does not hold for a token in a cookie, as upstream \"{}\" gets no cookies; write \
                 forward_cookies = true there if it reads tokens from them",
                spec.name
            );
            self.diag.warning(&forward.place, text);
        }
    }

    /// A bridge checks the password in each of its URLs, which have no token.
    pub(super) fn note_token_for_bridges(
        &self,
        raw: &RawRoute,
        policy: &Policy,
        upstreams: &[&Upstream],
    ) {
        let is_by_path =
            |upstream: &&Upstream| upstream.spec.as_ref().is_some_and(|spec| spec.is_by_path());
        if let Some(name) = &raw.policy
            && policy.token_rule().is_some_and(|rule| !rule.is_optional)
            && upstreams.iter().any(is_by_path)
        {
            let text = format!(
                "\"{}\" asks for a token, and Jitsi's clients send none to a bridge, which checks \
                 the pwd in each URL itself; write \"open\"",
                name.value
            );
            self.diag.warning(&name.place, text);
        }
    }

    pub(super) fn files(&self, raw: &RawRoute, root: &Path) -> Target {
        self.note_keys_of_upstreams(raw, "files");
        self.note_keys_of_redirects(raw);
        Target::Files(files::spec(raw, root, self.diag))
    }

    pub(super) fn redirect(&self, raw: &RawRoute, spec: &RedirectSpec) -> Target {
        self.note_keys_of_upstreams(raw, "redirect");
        self.note_keys_of_files(raw);
        let mut spec = spec.clone();
        if let Some(status) = &raw.redirect_status {
            spec.status = status.value;
        }
        Target::Redirect(spec)
    }

    pub(super) fn turn(
        &self,
        raw: &RawRoute,
        name: &Spanned<String>,
        for_everybody: bool,
    ) -> Option<Target> {
        self.note_keys_of_upstreams(raw, "turn");
        self.note_keys_of_files(raw);
        self.note_keys_of_redirects(raw);
        if let (Some(policy), true, false) = (&raw.policy, for_everybody, is_said(raw)) {
            let text = format!(
                "\"{}\" gives everybody the use of the TURN server; name a policy, or write \
                 i_know_this_is_open = true",
                policy.value
            );
            self.diag.warning(&policy.place, text);
        }
        let turns = self.context.turns;
        let found = turns.iter().position(|turn| turn.name.value == name.value);
        if found.is_none() {
            let known: Vec<&str> = turns.iter().map(|turn| &*turn.name.value).collect();
            self.diag
                .problem(&name.place, suggest::unknown("turn", &name.value, &known));
        }
        found.map(|at| Target::Turn(TurnId(at)))
    }

    fn note_keys_of_upstreams(&self, raw: &RawRoute, target: &str) {
        fn place<T>(key: &Option<Spanned<T>>) -> Option<&Place> {
            key.as_ref().map(|key| &key.place)
        }
        let edits = raw.headers.as_ref();
        let edits = edits.filter(|edits| !edits.set.is_empty() || !edits.remove.is_empty());
        let places = [
            place(&raw.websocket),
            place(&raw.strip_prefix),
            place(&raw.rewrite),
            place(&raw.encoded_slash),
            place(&raw.body),
            place(&raw.message_size),
            place(&raw.host_header),
            place(&raw.timeouts),
            edits.map(|edits| &edits.place),
        ];
        for place in places.into_iter().flatten() {
            let text = match edits.is_some_and(|edits| std::ptr::eq(place, &edits.place)) {
                true => format!(
                    "set and remove are for requests to an upstream, not for {target}; for \
                     answers, write response = {{ … }}"
                ),
                false => format!("is for routes to an upstream, not for {target}; take it out"),
            };
            self.diag.problem(place, text);
        }
    }

    fn note_keys_of_files(&self, raw: &RawRoute) {
        for place in files::places(raw) {
            self.diag
                .problem(place, "is for routes with files; take it out");
        }
    }

    fn note_keys_of_redirects(&self, raw: &RawRoute) {
        if let Some(key) = &raw.redirect_status {
            self.diag
                .problem(&key.place, "is for routes with redirect; take it out");
        }
    }
}

fn is_said(raw: &RawRoute) -> bool {
    raw.i_know_this_is_open
        .as_ref()
        .is_some_and(|said| said.value)
}

/// A redirect to a path of its own route would be a loop.
pub(super) fn note_loops(routes: &[&RawRoute], diag: &Diagnostics<'_>) {
    for route in routes {
        let (Some(path), Some(redirect)) = (&route.path, &route.redirect) else {
            continue;
        };
        let Some(to) = redirect.value.own_path().filter(|to| path.value.covers(to)) else {
            continue;
        };
        let longer = |other: &RoutePath| other.goes_before(&path.value) && other.covers(to);
        if !routes.iter().any(|other| {
            other
                .path
                .as_ref()
                .is_some_and(|other| longer(&other.value))
        }) {
            let text = format!(
                "leads back to this very route, \"{}\", and so would never end",
                path.value
            );
            diag.problem(&redirect.place, text);
        }
    }
}
