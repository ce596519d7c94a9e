//! Rules that never decide, because an earlier one matches everything that they match.

use super::uris::PolicyUris;
use super::{OwnRule, Protocols};
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::Spanned;
use crate::signalling::Protocol;
use crate::signalling::janus::plugins::{self, PLUGINS, Plugin, RoomUse};
use crate::signalling::kurento::{OPERATIONS, TYPES};
use crate::signalling::presets::Preset;
use crate::signalling::rules::{Effect, Hosts, Names, Objects, Rooms, Rule, Uris};
use crate::token::claims::{ClaimRule, Wanted};

/// Checks the rules of a policy.
pub(super) fn note(rules: &[OwnRule], diag: &Diagnostics<'_>) {
    for (at, own) in rules.iter().enumerate() {
        let OwnRule { place, rule, .. } = own;
        if is_bare(rule) && rule.effect == Effect::Allow {
            let text = "allows everything that the gateway knows, such as kicking, recording and \
                        destroying rooms of Janus, or filters of GStreamer at Kurento; write what \
                        it is about, or a preset";
            diag.warning(place, text);
        }
        let mut before = rules[..at].iter();
        let Some(first) = before.find(|earlier| earlier.covers(own.protocols, rule)) else {
            note_rooms(&rules[..at], own, diag);
            continue;
        };
        let (key, line) = (&first.place.key, diag.line(&first.place));
        let text = format!("never decides, as {key} ({line}) matches everything that it does");
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
            && earlier.covers_beside_rooms(later.protocols, &later.rule)
    };
    if let Some(first) = before.iter().find(denies_rooms) {
        let (key, line) = (&first.place.key, diag.line(&first.place));
        let text = format!(
            "lets a client into none of its rooms, as {key} ({line}) denies them; put this \
             one before it"
        );
        diag.warning(&later.place, text);
    }
}

/// Checks the presets, which are tried after the rules.
pub(super) fn note_presets(
    rules: &[OwnRule],
    presets: &[(Spanned<&'static str>, &'static Preset)],
    uris: &PolicyUris,
    diag: &Diagnostics<'_>,
) {
    for (name, preset) in presets {
        let rules_of_preset: Vec<Rule> = preset.rules().map(|rule| uris.put_into(rule)).collect();
        let protocols = preset.protocol.into();
        let covers_preset = |own: &&OwnRule| {
            let mut rules = rules_of_preset.iter();
            rules.all(|rule| own.covers(protocols, rule))
        };
        let Some(own) = rules.iter().find(covers_preset) else {
            continue;
        };
        let (key, line) = (&own.place.key, diag.line(&own.place));
        let what = match own.rule.effect {
            Effect::Allow => "allows everything that it does; take one out",
            Effect::Deny => "denies everything that it allows; write what that rule is about",
        };
        let text = format!(
            "\"{}\" never decides: rules come before presets, and {key} ({line}) {what}",
            name.value
        );
        diag.warning(&name.place, text);
    }
}

/// Whether the rule has no conditions.
fn is_bare(rule: &Rule) -> bool {
    let bare = Rule {
        uris: rule.uris.clone(),
        ..Rule::new(&rule.name, rule.effect)
    };
    *rule == bare
}

impl OwnRule {
    /// Whether it matches everything that a later rule matches, which is for these protocols.
    fn covers(&self, protocols: Protocols, later: &Rule) -> bool {
        rooms_cover(&self.rule, later) && self.covers_beside_rooms(protocols, later)
    }

    /// The same without the rooms.
    fn covers_beside_rooms(&self, protocols: Protocols, later: &Rule) -> bool {
        let earlier = &self.rule;
        self.protocols.contain(protocols)
            && if protocols.are_kurento() {
                names_cover_at_kurento(earlier, later)
            } else {
                names_cover_at_janus(earlier, later)
            }
            && names_cover(
                &earlier.ptypes,
                &later.ptypes,
                str::eq_ignore_ascii_case,
                |_| true,
            )
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
            && parameters_cover(earlier, later)
            && (uris_cover(earlier, later) || !protocols.has(Protocol::Kurento))
            && objects_cover(earlier, later)
    }
}

fn names_cover_at_janus(earlier: &Rule, later: &Rule) -> bool {
    let names = |earlier_names: &Names, later_names: &Names, is_known: fn(&str) -> bool| {
        let takes_unknown = earlier.effect == Effect::Deny;
        names_cover(
            earlier_names,
            later_names,
            str::eq_ignore_ascii_case,
            |name| takes_unknown || is_known(name),
        )
    };
    names(&earlier.verbs, &later.verbs, |_| true)
        && names(&earlier.plugins, &later.plugins, |name| {
            plugins::find(name).is_some()
        })
        && names(&earlier.requests, &later.requests, is_known_request)
}

fn names_cover_at_kurento(earlier: &Rule, later: &Rule) -> bool {
    // An event is always known.
    let subscribes = later.verbs == Names::one_of(["subscribe"]);
    let takes_unknown = earlier.effect == Effect::Deny;
    let is_same = |one: &str, other: &str| one == other;
    let names = |earlier_names: &Names, later_names: &Names, known: &[&str]| {
        names_cover(earlier_names, later_names, is_same, |name| {
            takes_unknown || known.contains(&name)
        })
    };
    names_cover(&earlier.verbs, &later.verbs, is_same, |_| true)
        && names(&earlier.plugins, &later.plugins, &TYPES)
        && match subscribes {
            true => names_cover(&earlier.requests, &later.requests, is_same, |_| true),
            false => names(&earlier.requests, &later.requests, OPERATIONS),
        }
}

fn parameters_cover(earlier: &Rule, later: &Rule) -> bool {
    let is_implied = |path: &str, one_of: &[Wanted]| {
        let takes_any = one_of.iter().any(Wanted::is_any);
        later
            .parameters
            .iter()
            .any(|other| *other.path == *path && (takes_any || is_subset(&other.one_of, one_of)))
    };
    let mut rules = earlier.parameters.iter();
    rules.all(|rule| is_implied(&rule.path, &rule.one_of))
}

fn uris_cover(earlier: &Rule, later: &Rule) -> bool {
    match (&earlier.uris, &later.uris) {
        (Uris::Any, _) => true,
        // A deny is about one URI of a message, and an allow about all of them.
        (Uris::Below(earlier_uris), Uris::Below(later_uris)) if earlier.effect == later.effect => {
            later_uris.iter().all(|uri| {
                let mut wider = earlier_uris.iter();
                wider.any(|prefix| prefix.contains(uri))
            })
        }
        _ => false,
    }
}

fn objects_cover(earlier: &Rule, later: &Rule) -> bool {
    // What a deny says of other clients' objects is the same without a rule that allows it.
    earlier.effect == Effect::Deny
        || later.effect == Effect::Deny
        || earlier.objects == Objects::Any
        || later.objects == Objects::Own
}

fn is_known_request(name: &str) -> bool {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    PLUGINS.iter().any(|plugin| plugin.room_use(is).is_some())
}

/// `covers_any`: whether a rule without names is about this one.
fn names_cover(
    earlier: &Names,
    later: &Names,
    is_same: impl Fn(&str, &str) -> bool,
    covers_any: impl Fn(&str) -> bool,
) -> bool {
    match (earlier, later) {
        (Names::Any, Names::Any) => true,
        (Names::Any, Names::OneOf(later)) => later.iter().all(|name| covers_any(name)),
        (Names::OneOf(_), Names::Any) => false,
        (Names::OneOf(earlier), Names::OneOf(later)) => later
            .iter()
            .all(|name| earlier.iter().any(|other| is_same(other, name))),
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
