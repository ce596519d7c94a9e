//! Warnings about routes that admit more than their policy suggests: pages of other origins, and
//! other routes to the same Janus.

use super::names::Context;
use crate::config::diagnostics::Diagnostics;
use crate::config::tables::RawRoute;
use crate::policy::TokenRule;
use crate::route::cors::{Cors, Origins};
use crate::route::janus::shares_janus;
use crate::route::upstream::UpstreamSpec;
use crate::route::{Forward, Route, Target};

/// Checks all valid routes.
pub(super) fn note(routes: &[(&RawRoute, &Route)], context: &Context<'_>, diag: &Diagnostics<'_>) {
    for (at, (raw, route)) in routes.iter().enumerate() {
        note_every_page(raw, route, diag);
        note_same_janus((raw, route), &routes[..at], context, diag);
    }
}

/// `"*"` where a cookie or an address permits requests.
fn note_every_page(raw: &RawRoute, route: &Route, diag: &Diagnostics<'_>) {
    let (
        Some(Cors {
            origins: Origins::Any,
            ..
        }),
        Some(origins),
    ) = (
        &route.cors,
        raw.cors.as_ref().and_then(|cors| cors.origins.as_ref()),
    )
    else {
        return;
    };
    if route.policy.takes_addresses() {
        let text = "\"*\" lets every web page do what the browsers on the policy's allow list \
         may; write the origins of \
                    your pages";
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
        !is_same
            && specs(route, context)
                .any(|one| specs(other, context).any(|other| shares_janus(one, other)))
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
        "{key} (line {line}) leads to the same Janus by another policy, \"{name}\": Janus takes \
         ids in the body and \
         WebSockets at any path, so a client of either route can do what the other \
         is for; give both the same policy"
    );
    diag.warning(&policy.place, text);
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
