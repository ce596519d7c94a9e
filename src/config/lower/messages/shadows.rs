//! Rules that never decide, because an earlier one matches everything that they match.

use super::OwnRule;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::Spanned;
use crate::signalling::janus::plugins::{self, PLUGINS, Plugin, RoomUse};
use crate::signalling::presets::Preset;
use crate::signalling::rules::{Effect, Hosts, Names, Rooms, Rule};
use crate::token::claims::{ClaimRule, Wanted};

/// Checks the rules of a policy.
pub(super) fn note(rules: &[OwnRule], diag: &Diagnostics<'_>) {
    for (at, OwnRule { place, rule, .. }) in rules.iter().enumerate() {
        if is_bare(rule) && rule.effect == Effect::Allow {
            let text = "allows everything that the gateway knows, such as kicking, recording and \
                        destroying rooms; write its verb, plugin, request or room, or a preset";
            diag.warning(place, text);
        }
        let mut before = rules[..at].iter();
        let Some(first) = before.find(|earlier| covers(&earlier.rule, rule)) else {
            note_rooms(&rules[..at], &rules[at], diag);
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

/// Notes that an `allow` for rooms lets in none of them.
fn note_rooms(before: &[OwnRule], later: &OwnRule, diag: &Diagnostics<'_>) {
    let denies_rooms = |earlier: &&OwnRule| {
        (earlier.rule.effect, later.rule.effect) == (Effect::Deny, Effect::Allow)
            && has_rooms_of(&earlier.rule, &later.rule)
            && covers_beside_rooms(&earlier.rule, &later.rule)
    };
    if let Some(first) = before.iter().find(denies_rooms) {
        let (key, line) = (&first.place.key, diag.line(&first.place));
        let text = format!(
            "lets a client into none of its rooms, as {key} (line {line}) denies them; put this \
             one before it"
        );
        diag.warning(&later.place, text);
    }
}

/// Checks the presets, which are tried after the rules.
pub(super) fn note_presets(
    rules: &[OwnRule],
    presets: &[(Spanned<&'static str>, &'static Preset)],
    diag: &Diagnostics<'_>,
) {
    for (name, preset) in presets {
        let covers_preset = |own: &&OwnRule| preset.rules().all(|rule| covers(&own.rule, &rule));
        let Some(own) = rules.iter().find(covers_preset) else {
            continue;
        };
        let (key, line) = (&own.place.key, diag.line(&own.place));
        let what = match own.rule.effect {
            Effect::Allow => "allows everything that it does; take one out",
            Effect::Deny => "denies everything that it allows; write what that rule is about",
        };
        let text = format!(
            "\"{}\" never decides: rules come before presets, and {key} (line {line}) {what}",
            name.value
        );
        diag.warning(&name.place, text);
    }
}

/// Whether the rule has no conditions.
fn is_bare(rule: &Rule) -> bool {
    *rule == Rule::new(&rule.name, rule.effect)
}

/// Whether the earlier rule matches everything that the later one matches.
fn covers(earlier: &Rule, later: &Rule) -> bool {
    rooms_cover(earlier, later) && covers_beside_rooms(earlier, later)
}

/// The same without the rooms.
fn covers_beside_rooms(earlier: &Rule, later: &Rule) -> bool {
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
        && !always_names_room(later)
    {
        return false;
    }
    has_rooms_of(earlier, later)
}

/// Whether each message that the rule matches names a room, and leaves none.
fn always_names_room(rule: &Rule) -> bool {
    let Names::OneOf(requests) = &rule.requests else {
        return false;
    };
    let known: Option<Vec<&Plugin>> = match &rule.plugins {
        Names::Any => Some(PLUGINS.iter().collect()),
        Names::OneOf(names) => names.iter().map(|name| plugins::find(name)).collect(),
    };
    let known = known.unwrap_or_default();
    requests.iter().all(|request| {
        let is = |name: &str| request.eq_ignore_ascii_case(name);
        let of = |plugin: &&Plugin| plugin.room_use(is).is_some();
        let mut of_plugins = known.iter().copied().filter(of).peekable();
        of_plugins.peek().is_some()
            && of_plugins.all(|plugin| {
                plugin.room_use(is) == Some(RoomUse::Required)
                    && !plugin.leaves.iter().any(|name| is(name))
            })
    })
}

/// Whether the rooms of the later rule are among those of the earlier one.
fn has_rooms_of(earlier: &Rule, later: &Rule) -> bool {
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
