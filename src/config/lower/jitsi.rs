//! Routes to upstreams that speak Jitsi's XMPP.

use super::names::Context;
use crate::config::diagnostics::Diagnostics;
use crate::config::tables::RawRoute;
use crate::route::tenant::{VARIABLE, XMPP_PATHS};
use crate::route::upstream::{Protocol, UpstreamSpec, XmppDomain};
use crate::route::{Route, Target};
use crate::token::location::parameters;

/// Checks all valid routes.
pub(super) fn note(routes: &[(&RawRoute, &Route)], context: &Context<'_>, diag: &Diagnostics<'_>) {
    // One cause has one warning, on however many routes.
    let mut noted: Vec<&str> = Vec::new();
    for (raw, route) in routes {
        let Some(upstream) = jitsi_of(route, context) else {
            continue;
        };
        note_path(raw, route, diag);
        note_domain(raw, route, upstream, context, diag);
        if !noted.contains(&route.policy.name()) && note_sources(raw, route, upstream, diag) {
            noted.push(route.policy.name());
        }
    }
}

/// The upstream of a route that speaks Jitsi's XMPP.
fn jitsi_of<'c>(route: &Route, context: &Context<'c>) -> Option<&'c UpstreamSpec> {
    let Target::Forward(to) = &route.target else {
        return None;
    };
    let all = context.upstreams;
    let mut specs = to.upstreams().filter_map(|id| all[id.0].spec.as_ref());
    specs.find(|spec| spec.protocol == Protocol::Jitsi)
}

/// Tokens that are looked for everywhere but where Jitsi Meet puts them. Whether there is a
/// warning.
fn note_sources(
    raw: &RawRoute,
    route: &Route,
    upstream: &UpstreamSpec,
    diag: &Diagnostics<'_>,
) -> bool {
    let (Some(name), Some(rule)) = (&raw.policy, route.policy.token_rule()) else {
        return false;
    };
    if parameters(&rule.sources).any(|parameter| parameter == "token") {
        return false;
    }
    let issuer = rule.issuers.first().map_or("…", |issuer| &*issuer.name);
    let text = format!(
        "\"{}\" does not look for tokens where Jitsi Meet has them in its requests to upstream \
         \"{}\", the parameter token; write sources = [\"query:token\"] in [issuers.{issuer}]",
        name.value, upstream.name
    );
    diag.warning(&name.place, text);
    true
}

/// A path of tenants that is none of Prosody's.
fn note_path(raw: &RawRoute, route: &Route, diag: &Diagnostics<'_>) {
    let (Target::Forward(to), Some(path)) = (&route.target, &raw.path) else {
        return;
    };
    let at_server = to.path_at_upstream(&route.path);
    if route.path.has_tenant() && !XMPP_PATHS.contains(&at_server.trim_end_matches('/')) {
        let text = format!(
            "is {at_server} at the server, and Prosody knows the tenants of /http-bind and \
             /xmpp-websocket; write \"/{VARIABLE}/http-bind\" or \"/{VARIABLE}/xmpp-websocket\""
        );
        diag.warning(&path.place, text);
    }
}

/// Tokens that are for a domain, where the client alone may say which domain it is.
fn note_domain(
    raw: &RawRoute,
    route: &Route,
    upstream: &UpstreamSpec,
    context: &Context<'_>,
    diag: &Diagnostics<'_>,
) {
    let (Some(path), Some(_)) = (&raw.path, route.policy.token_rule()) else {
        return;
    };
    let is_named = raw.host_is_written || route.path.has_tenant();
    if !context.takes_any_host || is_named || upstream.domain != XmppDomain::Host {
        return;
    }
    let text = format!(
        "the sub of a token is compared with the host of a request, which must be a name of a \
         certificate then: others are rejected with jitsi_domain; write host here, or domain in \
         [upstreams.{}]",
        upstream.name
    );
    diag.warning(&path.place, text);
}
