//! Rules that never decide, because an earlier one matches everything that they match.

use super::OwnRule;
use crate::config::diagnostics::Diagnostics;
use crate::signalling::janus::plugins::{self, PLUGINS};
use crate::signalling::rules::{Effect, Hosts, Names, Rooms, Rule};
use crate::token::claims::{ClaimRule, Wanted};

/// Checks the rules of a policy.
pub(super) fn note(rules: &[OwnRule], diag: &Diagnostics<'_>) {
    for (at, OwnRule { place, rule, .. }) in rules.iter().enumerate() {
        let mut before = rules[..at].iter();
        let Some(first) = before.find(|earlier| covers(&earlier.rule, rule)) else {
            continue;
        };
        let (key, line) = (&first.place.key, diag.line(&first.place));
        let text = format!("never decides, as {key} (line {line}) matches everything that it does");
        match (first.rule.effect, rule.effect) {
            (Effect::Allow, Effect::Deny) => {
                diag.problem(
                    place,
                    format!("{text} and allows it; put this one before it"),
                );
            }
            (Effect::Deny, Effect::Allow) => {
                diag.problem(
                    place,
                    format!("{text} and denies it; put this one before it"),
                );
            }
            _ => diag.warning(place, format!("{text}; take one out")),
        }
    }
}

/// Whether the earlier rule matches everything that the later one matches.
fn covers(earlier: &Rule, later: &Rule) -> bool {
    let is_any = |_: &str| true;
    let names = |earlier_names: &Names, later_names: &Names, is_known: fn(&str) -> bool| {
        let takes_unknown = earlier.effect == Effect::Deny;
        names_cover(earlier_names, later_names, |name| {
            takes_unknown || is_known(name)
        })
    };
    names(&earlier.verbs, &later.verbs, is_any)
        && names(&earlier.plugins, &later.plugins, |name| {
            plugins::find(name).is_some()
        })
        && names(&earlier.requests, &later.requests, is_known_request)
        && names(&earlier.ptypes, &later.ptypes, is_any)
        && rooms_cover(earlier, later)
        && earlier
            .claims
            .iter()
            .all(|rule| is_implied(rule, &later.claims))
        && is_subset(&earlier.without, &later.without)
        && match (&earlier.hosts, &later.hosts) {
            (Hosts::Any, _) => true,
            (Hosts::OneOf(earlier), Hosts::OneOf(later)) => is_subset(later, earlier),
            (earlier, later) => earlier == later,
        }
}

fn is_known_request(name: &str) -> bool {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    PLUGINS.iter().any(|plugin| plugin.room_use(is).is_some())
}

/// `covers_any`: whether a rule without names is about this one.
fn names_cover(earlier: &Names, later: &Names, covers_any: impl Fn(&str) -> bool) -> bool {
    match (earlier, later) {
        (Names::Any, Names::Any) => true,
        (Names::Any, Names::OneOf(later)) => later.iter().all(|name| covers_any(name)),
        (Names::OneOf(_), Names::Any) => false,
        (Names::OneOf(earlier), Names::OneOf(later)) => later
            .iter()
            .all(|name| earlier.iter().any(|other| other.eq_ignore_ascii_case(name))),
    }
}

fn rooms_cover(earlier: &Rule, later: &Rule) -> bool {
    // Requests that name no room pass an `allow` for rooms, and a `deny` for rooms does not match
    // them.
    if earlier.effect == Effect::Deny
        && later.effect == Effect::Allow
        && earlier.rooms != Rooms::Any
    {
        return false;
    }
    match (&earlier.rooms, &later.rooms) {
        (Rooms::Any, _) => true,
        (Rooms::OneOf(earlier), Rooms::OneOf(later)) => is_subset(later, earlier),
        (Rooms::InClaims(earlier), Rooms::InClaims(later)) => is_subset(later, earlier),
        (earlier, later) => earlier == later,
    }
}

fn is_subset<T: PartialEq>(some: &[T], all: &[T]) -> bool {
    some.iter().all(|one| all.contains(one))
}

/// Whether tokens that meet all of these rules meet this one.
fn is_implied(rule: &ClaimRule, by: &[ClaimRule]) -> bool {
    let takes_any = rule.one_of.iter().any(Wanted::is_any);
    by.iter().any(|other| {
        other.path == rule.path && (takes_any || is_subset(&other.one_of, &rule.one_of))
    })
}
