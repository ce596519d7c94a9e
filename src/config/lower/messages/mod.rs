//! `messages` and `rules` of a policy: the rules for messages, in the order in which they are
//! tried.
//!
//! ```text
//! [[policies.NAME.rules]] ─▶ contradictions ─▶ Rule ─▶ shadows ─┐
//! messages = [presets] ─────────────────────────────────────────┼─▶ MessageRules
//! uris = [prefixes] ────────────────────────────────────────────┘
//! ```

mod contradictions;
mod protocols;
mod rule;
mod shadows;
mod uris;

use super::note_twice;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned};
use crate::config::read::{List, valid};
use crate::config::tables::RawRule;
use crate::signalling::Protocol;
use crate::signalling::presets::{self, Preset};
use crate::signalling::rules::{Effect, MessageRules, Rule, Uris};
use crate::signalling::uri::UriPrefix;
pub(super) use protocols::Protocols;
use rule::rule;
use uris::PolicyUris;

/// What a policy says about messages.
pub(super) struct Judged {
    pub(super) rules: MessageRules,
    /// What the allowed messages are for.
    pub(super) protocols: Protocols,
    pub(super) parts: Vec<Part>,
}

/// A preset or a rule of its own, and what it is for.
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) protocols: Protocols,
    effect: Effect,
    /// Whether it allows URIs that the policy lists.
    uses_uris: bool,
}

/// How the policy admits clients.
#[derive(Clone, Copy)]
pub(super) struct Clients {
    /// Whether there are tokens.
    pub(super) have_tokens: bool,
    /// Whether the address alone can be enough.
    pub(super) may_have_none: bool,
}

/// What is written about messages.
pub(super) struct Written {
    pub(super) presets: Option<Spanned<List<&'static str>>>,
    pub(super) rules: Option<Spanned<List<RawRule>>>,
    pub(super) uris: Option<Spanned<List<UriPrefix>>>,
}

/// `None` if the policy does not judge messages.
pub(super) fn lower(written: Written, clients: Clients, diag: &Diagnostics<'_>) -> Option<Judged> {
    let Written {
        presets,
        rules,
        uris,
    } = written;
    let uris = uris::lower(uris, diag);
    let place = [
        presets.as_ref().map(|presets| presets.place.clone()),
        rules.as_ref().map(|rules| rules.place.clone()),
    ];
    let Some(place) = place.into_iter().flatten().next() else {
        uris.note_unused(false, diag);
        return None;
    };
    let presets = presets.map(|presets| presets.value).unwrap_or_default();
    let rules = rules.map(|rules| rules.value).unwrap_or_default();
    let written = presets.len() + rules.len();
    let presets = find_presets(valid(presets), clients, diag);
    let own = own(rules, clients, &uris, diag);
    shadows::note_presets(&own, &presets, &uris, diag);
    let mut parts: Vec<Part> = own.iter().map(Part::of_rule).collect();
    parts.extend(presets.iter().map(Part::of_preset));
    let mut protocols = Protocols::default();
    let allowing = parts.iter().filter(|part| part.effect == Effect::Allow);
    allowing.for_each(|part| protocols.add(part.protocols));
    let use_uris = parts.iter().any(|part| part.uses_uris);
    if parts.len() < written {
        // A wrong one may be for any.
        protocols = Protocols::ALL;
    } else if !use_uris {
        uris.note_unused(true, diag);
    }
    if parts.len() == written && protocols.is_empty() {
        let what = match written {
            0 => "an empty list refuses every message",
            _ => "no rule allows anything, so that every message is refused",
        };
        let write = "write messages = [\"janus-caller\"], or a rule with effect = \"allow\"";
        diag.problem(&place, format!("{what}; {write}"));
        protocols = Protocols::ALL;
    }
    let own = own.into_iter().map(|own| own.rule);
    let of_presets = presets.into_iter().flat_map(|(_, preset)| preset.rules());
    let of_presets = of_presets.map(|rule| uris.put_into(rule));
    Some(Judged {
        rules: MessageRules::new(own.chain(of_presets)),
        protocols,
        parts,
    })
}

fn find_presets(
    names: Vec<Spanned<&'static str>>,
    clients: Clients,
    diag: &Diagnostics<'_>,
) -> Vec<(Spanned<&'static str>, &'static Preset)> {
    note_twice(&names, diag);
    let mut found = Vec::new();
    for name in names {
        let Some(preset) = presets::find(name.value) else {
            continue;
        };
        if preset.needs_claims() && clients.may_have_none {
            let text = match clients.have_tokens {
                true => {
                    "allows what a token claims, and a client that is admitted by its address has \
                     none; write satisfy = \"all\", or rules with room = […]"
                }
                false => {
                    "allows what a token claims, and the policy takes none; write issuers, or \
                     rules with room = […]"
                }
            };
            diag.warning(&name.place, format!("\"{}\" {text}", name.value));
        }
        found.push((name, preset));
    }
    found
}

/// A rule of the policy's own, and where it stands.
struct OwnRule {
    place: Place,
    /// The place of its name, if it has one.
    name: Place,
    protocols: Protocols,
    /// Whether the policy lists the URIs that it allows.
    uses_uris: bool,
    rule: Rule,
}

fn own(
    raw: List<RawRule>,
    clients: Clients,
    uris: &PolicyUris,
    diag: &Diagnostics<'_>,
) -> Vec<OwnRule> {
    let numbered = raw.into_iter().enumerate();
    let rules = numbered.filter_map(|(at, raw)| {
        let raw = raw?.value;
        contradictions::note(&raw, clients, diag);
        let place = raw.place.clone();
        let name = raw.name.as_ref().map_or(&place, |name| &name.place).clone();
        let protocols = Protocols::of_rule(&raw);
        let rule = rule(at, raw)?;
        Some(OwnRule {
            place,
            name,
            protocols,
            uses_uris: rule.uris == Uris::OfPolicy && protocols.has(Protocol::Kurento),
            rule: uris.put_into(rule),
        })
    });
    let rules: Vec<OwnRule> = rules.collect();
    note_same_name(&rules, diag);
    shadows::note(&rules, diag);
    rules
}

fn note_same_name(rules: &[OwnRule], diag: &Diagnostics<'_>) {
    for (at, later) in rules.iter().enumerate() {
        let mut before = rules[..at].iter();
        if let Some(first) = before.find(|first| first.rule.name == later.rule.name) {
            let (key, line) = (&first.place.key, diag.line(&first.place));
            let text = format!(
                "\"{}\" is the name of {key} already ({line}); take another",
                later.rule.name
            );
            diag.problem(&later.name, text);
        }
    }
}

impl Part {
    fn of_preset((name, preset): &(Spanned<&'static str>, &'static Preset)) -> Self {
        Self {
            place: name.place.clone(),
            protocols: Protocols::from(preset.protocol),
            effect: Effect::Allow,
            uses_uris: preset.rules().any(|rule| rule.uris == Uris::OfPolicy),
        }
    }

    fn of_rule(own: &OwnRule) -> Self {
        Self {
            place: own.place.clone(),
            protocols: own.protocols,
            effect: own.rule.effect,
            uses_uris: own.uses_uris,
        }
    }
}
