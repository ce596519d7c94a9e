//! Which rules judge the messages of a route.

use std::fmt::Write as _;

use crate::config::Config;
use crate::policy::Policy;
use crate::route::upstream::UpstreamSpec;
use crate::route::{Forward, Route, Target};
use crate::signalling::presets::Preset;
use crate::signalling::rules::{Effect, MessageRules, Uris};

/// Whether the gateway reads messages at all.
pub(super) fn are_understood(config: &Config) -> bool {
    let mut routes = config.routes.routes().iter();
    routes.any(|route| {
        let mut upstreams = upstreams(config, route);
        upstreams.any(|upstream| {
            upstream.changes_messages()
                || (route.policy.messages().is_some() && upstream.protocol.of_messages().is_some())
        })
    })
}

/// For each upstream of the route, what happens to its messages; empty if there are none.
pub(super) fn judged(config: &Config, route: &Route) -> Vec<String> {
    let of_upstream = |upstream: &UpstreamSpec| match route.policy.messages() {
        _ if upstream.protocol.of_messages().is_none() => String::new(),
        Some(rules) => format!("judged by {}", names(rules)),
        None => "not judged".to_owned(),
    };
    upstreams(config, route).map(of_upstream).collect()
}

fn upstreams<'c>(config: &'c Config, route: &'c Route) -> impl Iterator<Item = &'c UpstreamSpec> {
    let forward = match &route.target {
        Target::Forward(to) => Some(to),
        Target::Files(_) | Target::Redirect(_) | Target::Turn(_) => None,
    };
    let ids = forward.into_iter().flat_map(Forward::upstreams);
    ids.map(|id| &**config.routes.upstream(id))
}

/// What Kurento's clients may have opened, and how they renew tokens: `uris https://*/,
/// renew_in_band`.
pub(super) fn uris_and_renewal(policy: &Policy) -> String {
    let Some(rules) = policy.messages() else {
        return String::new();
    };
    let mut uris: Vec<String> = Vec::new();
    let allowing = rules.rules().iter();
    for rule in allowing.filter(|rule| rule.effect == Effect::Allow) {
        let Uris::Below(prefixes) = &rule.uris else {
            continue;
        };
        for prefix in prefixes.iter().map(ToString::to_string) {
            if !uris.contains(&prefix) {
                uris.push(prefix);
            }
        }
    }
    let uris = (!uris.is_empty()).then(|| format!("uris {}", uris.join(" ")));
    let renewal = rules.renew_in_band().then(|| "renew_in_band".to_owned());
    let parts: Vec<String> = uris.into_iter().chain(renewal).collect();
    parts.join(", ")
}

/// `janus-caller, 2 own rules`.
fn names(rules: &MessageRules) -> String {
    let mut out = String::new();
    let mut own = 0;
    let mut last = "";
    for rule in rules.rules() {
        let Some(preset) = Preset::of_rule(&rule.name) else {
            own += 1;
            continue;
        };
        if preset.name != last {
            last = preset.name;
            let comma = if out.is_empty() { "" } else { ", " };
            // Writing to a String does not fail.
            let _ = write!(out, "{comma}{last}");
        }
    }
    let comma = if out.is_empty() { "" } else { ", " };
    let _ = match own {
        0 => Ok(()),
        1 => write!(out, "{comma}1 own rule"),
        own => write!(out, "{comma}{own} own rules"),
    };
    out
}
