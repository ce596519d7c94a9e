//! `messages` and `rules` of a policy: the rules for messages, in the order in which they are
//! tried.
//!
//! ```text
//! [[policies.NAME.rules]] ─▶ contradictions ─▶ Rule ─▶ shadows ─┐
//! messages = [presets] ─────────────────────────────────────────┴─▶ MessageRules
//! ```

mod contradictions;
mod shadows;

use super::claims::claim_rules;
use super::note_twice;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned};
use crate::config::read::{List, valid};
use crate::config::tables::RawRule;
use crate::signalling::Protocol;
use crate::signalling::janus::{ADMIN_VERBS, VERBS};
use crate::signalling::kurento::METHODS;
use crate::signalling::presets::{self, Preset};
use crate::signalling::rules::{Effect, Hosts, MessageRules, Names, Rooms, Rule};

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
}

/// Protocols whose messages can be judged.
#[derive(Clone, Copy, Default)]
pub(super) struct Protocols {
    janus: bool,
    janus_admin: bool,
    kurento: bool,
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
}

/// `None` if the policy does not judge messages.
pub(super) fn lower(written: Written, clients: Clients, diag: &Diagnostics<'_>) -> Option<Judged> {
    let Written { presets, rules } = written;
    let place = [
        presets.as_ref().map(|presets| presets.place.clone()),
        rules.as_ref().map(|rules| rules.place.clone()),
    ];
    let place = place.into_iter().flatten().next()?;
    let presets = presets.map(|presets| presets.value).unwrap_or_default();
    let rules = rules.map(|rules| rules.value).unwrap_or_default();
    let written = presets.len() + rules.len();
    let own = own(rules, clients, diag);
    let presets = find_presets(valid(presets), clients, diag);
    shadows::note_presets(&own, &presets, diag);
    let mut parts: Vec<Part> = own.iter().map(Part::of_rule).collect();
    parts.extend(presets.iter().map(Part::of_preset));
    let mut protocols = Protocols::default();
    let allowing = parts.iter().filter(|part| part.effect == Effect::Allow);
    allowing.for_each(|part| protocols.add(part.protocols));
    if parts.len() < written {
        // A wrong one may be for any.
        protocols = Protocols::ALL;
    } else if protocols.is_empty() {
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
    rule: Rule,
}

fn own(raw: List<RawRule>, clients: Clients, diag: &Diagnostics<'_>) -> Vec<OwnRule> {
    let numbered = raw.into_iter().enumerate();
    let rules = numbered.filter_map(|(at, raw)| {
        let raw = raw?.value;
        contradictions::note(&raw, clients, diag);
        let place = raw.place.clone();
        let name = raw.name.as_ref().map_or(&place, |name| &name.place).clone();
        let rule = rule(at, raw)?;
        Some(OwnRule { place, name, rule })
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
                "\"{}\" is the name of {key} already (line {line}); take another",
                later.rule.name
            );
            diag.problem(&later.name, text);
        }
    }
}

/// `None` if its effect is missing.
fn rule(at: usize, raw: RawRule) -> Option<Rule> {
    let name = raw
        .name
        .map_or_else(|| format!("rules[{at}]"), |name| name.value);
    let rooms = match (raw.room, raw.room_claims) {
        (Some(rooms), _) => Rooms::OneOf(each(rooms)),
        (None, Some(claims)) => Rooms::InClaims(each(claims)),
        (None, None) => Rooms::Any,
    };
    let hosts = match (raw.hosts, raw.host_claim) {
        (Some(hosts), _) => Hosts::OneOf(each(hosts)),
        (None, Some(claim)) => Hosts::InClaim(claim.value.into()),
        (None, None) => Hosts::Any,
    };
    let claims = raw.claims.map(|claims| claims.value).unwrap_or_default();
    Some(Rule {
        verbs: names(raw.verb),
        plugins: names(raw.plugin),
        requests: names(raw.request),
        ptypes: names(raw.ptype),
        rooms,
        claims: claim_rules(claims),
        without: raw.without.map(each).unwrap_or_default(),
        hosts,
        ..Rule::new(&name, raw.effect?)
    })
}

fn names<T: Into<Box<str>>>(list: Option<Spanned<List<T>>>) -> Names {
    list.map_or(Names::Any, |list| Names::OneOf(each(list)))
}

fn each<T: Into<U>, U>(list: Spanned<List<T>>) -> Box<[U]> {
    let valid = valid(list.value).into_iter();
    valid.map(|one| one.value.into()).collect()
}

impl Part {
    fn of_preset((name, preset): &(Spanned<&'static str>, &'static Preset)) -> Self {
        Self {
            place: name.place.clone(),
            protocols: Protocols::from(preset.protocol),
            effect: Effect::Allow,
        }
    }

    fn of_rule(own: &OwnRule) -> Self {
        Self {
            place: own.place.clone(),
            protocols: Protocols::of_verbs(&own.rule.verbs),
            effect: own.rule.effect,
        }
    }
}

impl Protocols {
    const ALL: Self = Self {
        janus: true,
        janus_admin: true,
        kurento: true,
    };

    /// Those whose messages have these verbs.
    fn of_verbs(verbs: &Names) -> Self {
        let Names::OneOf(verbs) = verbs else {
            return Self::ALL;
        };
        let has = |is_known: fn(&str) -> bool| verbs.iter().any(|verb| is_known(verb));
        Self {
            janus: has(|verb| VERBS.contains(&verb)),
            janus_admin: has(|verb| ADMIN_VERBS.iter().any(|(known, _)| *known == verb)),
            kurento: has(|verb| METHODS.iter().any(|(known, _)| *known == verb)),
        }
    }

    pub(super) fn has(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Janus => self.janus,
            Protocol::JanusAdmin => self.janus_admin,
            Protocol::Kurento => self.kurento,
        }
    }

    fn is_empty(self) -> bool {
        !self.meet(Self::ALL)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.janus |= other.janus;
        self.janus_admin |= other.janus_admin;
        self.kurento |= other.kurento;
    }

    /// Whether they have one in common.
    pub(super) fn meet(self, other: Self) -> bool {
        (self.janus && other.janus)
            || (self.janus_admin && other.janus_admin)
            || (self.kurento && other.kurento)
    }
}

impl From<Protocol> for Protocols {
    fn from(protocol: Protocol) -> Self {
        Self {
            janus: protocol == Protocol::Janus,
            janus_admin: protocol == Protocol::JanusAdmin,
            kurento: protocol == Protocol::Kurento,
        }
    }
}
