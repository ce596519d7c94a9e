//! Message rules: the first one that matches decides, and a message that none matches is refused.
//!
//! ```text
//! Facts ─▶ Rule: verb · plugin · request · ptype · room · claims ─▶ Decision
//!          members · hosts · parameters · URIs · whose objects
//!          each with the reason why it does not match, which `explain` lists
//! ```
//!
//! A condition that is not written matches whatever is known. An unknown verb, plugin or request
//! matches only an `allow` that names it, so that the next release of a plugin opens nothing.

mod condition;
mod entries;
mod facts;
mod mismatch;
mod parameters;
mod room;
mod uris;

pub use condition::{Hosts, Names, Rooms};
pub use entries::{Entries, Entry, TooMany};
pub use facts::{Facts, Terms, Word};
pub use mismatch::Mismatch;
pub use parameters::ParameterRule;
pub use room::{Room, RoomId};
pub use uris::{Uris, uris_of};

use std::fmt;

use super::uri::UriPrefix;
use crate::token::claims::{ClaimRule, Claims};

/// What a rule does with a message that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The message passes.
    Allow,
    /// The message is refused.
    Deny,
}

impl Effect {
    /// The names in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 2] = [("allow", Self::Allow), ("deny", Self::Deny)];
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in logs and explanations.
    pub name: Box<str>,
    /// What it does.
    pub effect: Effect,
    /// The verbs, compared without case.
    pub verbs: Names,
    /// The plugins, compared with case, as Janus finds them.
    pub plugins: Names,
    /// The plugin's requests, compared without case.
    pub requests: Names,
    /// The participant types of VideoRoom, compared without case.
    pub ptypes: Names,
    /// The rooms.
    pub rooms: Rooms,
    /// What the token says, all of it.
    pub claims: Box<[ClaimRule]>,
    /// Members that the plugin's message must not have, at any depth.
    pub without: Box<[Box<str>]>,
    /// Where the plugin may send media.
    pub hosts: Hosts,
    /// What the parameters say, all of it.
    pub parameters: Box<[ParameterRule]>,
    /// What the server may be asked to open.
    pub uris: Uris,
    /// Whose objects it is about.
    pub objects: Objects,
}

/// Whose objects a rule lets a client use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objects {
    /// The client's.
    Own,
    /// Those of all clients. A `deny` is always about all of them.
    Any,
}

impl Rule {
    /// A rule without conditions.
    pub fn new(name: &str, effect: Effect) -> Self {
        Self {
            name: name.into(),
            effect,
            verbs: Names::Any,
            plugins: Names::Any,
            requests: Names::Any,
            ptypes: Names::Any,
            rooms: Rooms::Any,
            claims: [].into(),
            without: [].into(),
            hosts: Hosts::Any,
            parameters: [].into(),
            uris: Uris::Any,
            objects: Objects::Own,
        }
    }

    /// Whether it matches a message.
    ///
    /// # Errors
    /// The first condition that does not hold.
    fn matches(&self, facts: &Facts<'_>, claims: Option<&Claims>) -> Result<(), Condition> {
        let is_deny = self.effect == Effect::Deny;
        let names = |names: &Names, word: Option<&Word<'_>>| names.match_word(word, is_deny);
        let holds = |is_held, condition| if is_held { Ok(()) } else { Err(condition) };
        holds(names(&self.verbs, Some(&facts.verb)), Condition::Verb)?;
        holds(
            names(&self.plugins, facts.plugin.as_ref()),
            Condition::Plugin,
        )?;
        holds(
            names(&self.requests, facts.request.as_ref()),
            Condition::Request,
        )?;
        holds(names(&self.ptypes, facts.ptype.as_ref()), Condition::Ptype)?;
        holds(self.rooms.contain(facts, claims, is_deny), Condition::Room)?;
        holds(self.missing_claim(claims).is_none(), Condition::Claim)?;
        let forbidden = facts.member_among(&self.without);
        holds(forbidden.is_none(), Condition::Member)?;
        holds(self.hosts.contain(facts, claims), Condition::Host)?;
        holds(self.other_parameter(facts).is_none(), Condition::Parameter)?;
        let is_others = facts.is_foreign && !is_deny && self.objects == Objects::Own;
        holds(!is_others, Condition::Object)?;
        holds(self.uris.are_met(facts, is_deny), Condition::Uri)
    }

    /// What the rule requires of the token, and the token does not say.
    fn missing_claim(&self, claims: Option<&Claims>) -> Option<&ClaimRule> {
        let is_met = |rule: &ClaimRule| claims.is_some_and(|claims| rule.is_met(claims));
        self.claims.iter().find(|rule| !is_met(rule))
    }

    /// What the rule requires of the parameters, and they do not say.
    fn other_parameter(&self, facts: &Facts<'_>) -> Option<&ParameterRule> {
        self.parameters.iter().find(|rule| !rule.is_met(facts))
    }
}

/// The conditions of a rule, in the order in which they are compared. A later one that a message
/// does not meet means that the rule was closer to matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    Verb,
    Plugin,
    Request,
    Ptype,
    Room,
    Claim,
    Member,
    Host,
    Parameter,
    Object,
    Uri,
}

/// What the rules decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<'r> {
    /// This rule lets the message pass.
    Allowed(&'r Rule),
    /// This rule refuses it.
    Denied(&'r Rule),
    /// No rule matches. The reason is that of the rule which came closest.
    Unmatched(Option<Mismatch>),
}

/// A line of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Why it does not match, or `None` if it decides.
    pub mismatch: Option<Mismatch>,
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, mismatch } = self;
        match (mismatch, rule.effect) {
            (Some(mismatch), _) => write!(f, "{}: no match, {mismatch}", rule.name),
            (None, Effect::Allow) => write!(f, "{}: allowed", rule.name),
            (None, Effect::Deny) => write!(f, "{}: denied", rule.name),
        }
    }
}

/// The rules of a policy, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageRules {
    rules: Box<[Rule]>,
    policy: Box<str>,
    renew_in_band: bool,
}

impl MessageRules {
    /// From rules in order.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self {
            rules: rules.into_iter().collect(),
            policy: Box::default(),
            renew_in_band: false,
        }
    }

    /// The same rules, and whether Kurento's clients renew their tokens by messages.
    #[must_use]
    pub fn with_renewal_in_band(self, renew_in_band: bool) -> Self {
        Self {
            renew_in_band,
            ..self
        }
    }

    /// Whether Kurento's clients renew their tokens by messages.
    pub fn renew_in_band(&self) -> bool {
        self.renew_in_band
    }

    /// The same rules, of the policy with this name.
    pub fn of_policy(self, name: &str) -> Self {
        let policy = name.into();
        Self { policy, ..self }
    }

    /// The name of their policy, for logs and metrics.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// All of them, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// With the beginnings of URIs that the policy lists.
    #[must_use]
    pub fn with_uris(mut self, prefixes: &[UriPrefix]) -> Self {
        let rules = self.rules.iter_mut();
        for rule in rules.filter(|rule| rule.uris == Uris::OfPolicy) {
            rule.uris = Uris::Below(prefixes.into());
        }
        self
    }

    /// Decides about a message.
    pub fn decide(&self, facts: &Facts<'_>, claims: Option<&Claims>) -> Decision<'_> {
        let mut closest = None;
        for rule in &self.rules {
            match (rule.matches(facts, claims), rule.effect) {
                (Ok(()), Effect::Allow) => return Decision::Allowed(rule),
                (Ok(()), Effect::Deny) => return Decision::Denied(rule),
                // How close a message came to a refusal explains nothing. Of equals, the first.
                (Err(condition), Effect::Allow)
                    if closest.is_none_or(|(closer, _)| closer < condition) =>
                {
                    closest = Some((condition, rule));
                }
                (Err(_), _) => {}
            }
        }
        let mismatch = |(condition, rule)| Mismatch::new(condition, rule, facts, claims);
        Decision::Unmatched(closest.map(mismatch))
    }

    /// Rule by rule, up to the one that decides: why it matches or not.
    pub fn explain<'r>(
        &'r self,
        facts: &Facts<'_>,
        claims: Option<&Claims>,
    ) -> impl Iterator<Item = Step<'r>> {
        let mut is_decided = false;
        self.rules.iter().map_while(move |rule| {
            if is_decided {
                return None;
            }
            let unmet = rule.matches(facts, claims).err();
            let mismatch = unmet.map(|unmet| Mismatch::new(unmet, rule, facts, claims));
            is_decided = mismatch.is_none();
            Some(Step { rule, mismatch })
        })
    }
}

#[cfg(test)]
mod tests;
