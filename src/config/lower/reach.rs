//! Warnings about routes that admit more than their policy suggests: pages of other origins, and
//! other routes to the same Janus or Jitsi.

use super::defaults::cors_of;
use super::names::Context;
use crate::config::diagnostics::Diagnostics;
use crate::config::tables::RawRoute;
use crate::policy::TokenRule;
use crate::route::cors::{Cors, Origins};
use crate::route::janus::shares_janus;
use crate::route::upstream::{Protocol, UpstreamSpec};
use crate::route::{Forward, Route, Target};

/// Checks all valid routes.
pub(super) fn note(routes: &[(&RawRoute, &Route)], context: &Context<'_>, diag: &Diagnostics<'_>) {
    for (at, (raw, route)) in routes.iter().enumerate() {
        note_every_page(raw, route, context, diag);
        let before = &routes[..at];
        note_same_janus((raw, route), before, context, diag);
        note_same_jitsi((raw, route), before, context, diag);
    }
}

/// `"*"` where a cookie or an address permits requests.
fn note_every_page(raw: &RawRoute, route: &Route, context: &Context<'_>, diag: &Diagnostics<'_>) {
    let (
        Some(Cors {
            origins: Origins::Any,
            ..
        }),
        Some(origins),
    ) = (
        &route.cors,
        cors_of(raw, context).and_then(|cors| cors.origins.as_ref()),
    )
    else {
        return;
    };
    if route.policy.takes_addresses() {
        let text = "\"*\" lets every web page do what the browsers on the policy's allow list \
         may; write the origins of \
                    your pages";
        diag.warning(&origins.place, text);
    } else if route.policy.login().is_some() {
        let text = "\"*\" is for requests without cookies and passwords: clients that are logged \
                    in are rejected on pages of other hosts; write the origins of your pages";
        diag.warning(&origins.place, text);
    } else if route
        .policy
        .token_rule()
        .is_some_and(TokenRule::takes_cookies)
    {
        let text = "\"*\" is for requests without cookies: whose token is in a cookie is refused \
         on pages of other hosts; \
                    write the origins of your pages";
        diag.warning(&origins.place, text);
    }
}

/// Janus accepts ids in the body, WebSockets at any path, and its base path anywhere in a path.
/// Where each message is judged, none is for a session of another client.
fn note_same_janus(
    (raw, route): (&RawRoute, &Route),
    before: &[(&RawRoute, &Route)],
    context: &Context<'_>,
    diag: &Diagnostics<'_>,
) {
    let Some(policy) = &raw.policy else {
        return;
    };
    let has_other_policy = |(_, other): &&(&RawRoute, &Route)| {
        let both_judge = judges(other) && judges(route);
        let is_same = both_judge || other.policy.permits_the_same(&route.policy);
        !is_same && share(route, other, context, shares_janus)
    };
    let Some((first, other)) = before.iter().find(has_other_policy) else {
        return;
    };
    let (key, line, name) = (
        &first.place.key,
        diag.line(&first.place),
        other.policy.name(),
    );
    let text = format!(
        "{key} ({line}) leads to the same Janus by another policy, \"{name}\": Janus takes \
         ids in the body and \
         WebSockets at any path, so a client of either route can do what the other \
         is for; give both the same policy"
    );
    diag.warning(&policy.place, text);
}

/// Prosody has the same rooms at each of its paths, with and without a tenant. On another host the
/// rooms are those of another domain.
fn note_same_jitsi(
    (raw, route): (&RawRoute, &Route),
    before: &[(&RawRoute, &Route)],
    context: &Context<'_>,
    diag: &Diagnostics<'_>,
) {
    let Some(policy) = &raw.policy else {
        return;
    };
    let speaks_jitsi = |spec: &UpstreamSpec| spec.protocol == Protocol::Jitsi;
    let is_same_jitsi = |one: &UpstreamSpec, other: &UpstreamSpec| {
        speaks_jitsi(one) && speaks_jitsi(other) && one.shares_server(other)
    };
    let are_there = |(_, other): &&(&RawRoute, &Route)| {
        other.host == route.host && share(route, other, context, is_same_jitsi)
    };
    let is_same = |(_, other): &&(&RawRoute, &Route)| other.policy.permits_the_same(&route.policy);
    let there = before.iter().filter(are_there);
    let (same, others): (Vec<_>, Vec<_>) = there.partition(is_same);
    // Of two policies there is one warning, at the route where the second one comes first.
    let (true, Some((first, other))) = (same.is_empty(), others.first()) else {
        return;
    };
    let (key, line) = (&first.place.key, diag.line(&first.place));
    let text = format!(
        "{key} ({line}) leads to the same Jitsi by another policy, \"{}\": its rooms are \
         reached by each of its paths, so a client of either route can do what the other is for; \
         give both the same policy",
        other.policy.name()
    );
    diag.warning(&policy.place, text);
}

/// Whether both routes lead to upstreams of which this holds.
fn share(
    one: &Route,
    other: &Route,
    context: &Context<'_>,
    are_same: impl Fn(&UpstreamSpec, &UpstreamSpec) -> bool,
) -> bool {
    specs(one, context).any(|one| specs(other, context).any(|other| are_same(one, other)))
}

fn judges(route: &Route) -> bool {
    route.policy.messages().is_some()
}

fn specs<'g>(route: &'g Route, context: &Context<'g>) -> impl Iterator<Item = &'g UpstreamSpec> {
    let all = context.upstreams;
    let forward = match &route.target {
        Target::Forward(to) => Some(to),
        _ => None,
    };
    let ids = forward.into_iter().flat_map(Forward::upstreams);
    ids.filter_map(move |id| all[id.0].spec.as_ref())
}
