//! Message rules under a name, for `messages = […]` of a policy.
//!
//! Each is a table: a row allows requests of plugins, in rooms that the token names or in all, if
//! the message has none of the listed members and the token what the row requires.

mod kurento;
mod tables;

use std::fmt::Write as _;

use super::Protocol;
use super::janus::{ADMIN_VERBS, Class};
use super::rules::{Effect, Hosts, Names, Objects, Rooms, Rule, Uris};
use crate::token::claims::{ClaimRule, Wanted};
use kurento::KURENTO;
use tables::JANUS;

/// Rules under a name.
#[derive(Debug)]
pub struct Preset {
    /// Its name in `gateway.toml`.
    pub name: &'static str,
    /// What it is for.
    pub protocol: Protocol,
    /// For whom, in a sentence.
    pub about: &'static str,
    rows: &'static [Row],
}

#[derive(Clone, Copy, Debug)]
struct Row {
    verbs: Verbs,
    /// With white space between them; empty for any.
    plugins: &'static str,
    requests: &'static str,
    rooms: OwnRooms,
    /// Members that the request must not have.
    without: &'static [&'static str],
    /// A claim that must be `true`.
    claim: Option<&'static str>,
    /// A claim with the hosts to which media may be sent.
    hosts: Option<&'static str>,
    /// Whether URIs must be below a prefix that the policy lists.
    uris: bool,
    /// Whose objects it is about.
    objects: Objects,
}

#[derive(Clone, Copy, Debug)]
enum Verbs {
    These(&'static str),
    OfClass(Class),
}

#[derive(Clone, Copy, Debug)]
enum OwnRooms {
    /// Every room.
    Any,
    /// Those in the claims `room_ids` and `room`.
    Own,
    /// Those in the claim `room_ids`, or all without it, as janus-plugin-sfu has it.
    OfSfu,
}

/// Every preset.
pub fn all() -> impl Iterator<Item = &'static Preset> {
    JANUS.iter().chain(KURENTO)
}

/// A preset by its name.
pub fn find(name: &str) -> Option<&'static Preset> {
    all().find(|preset| preset.name == name)
}

impl Preset {
    /// Its rules.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        let numbered = self.rows.iter().zip(1..);
        numbered.map(|(row, number)| row.rule(&format!("{}.{number}", self.name)))
    }

    /// Whether the rooms or hosts of its messages are those that a token claims. A preset that is
    /// of use without claims, and allows one thing more with one, needs none.
    pub fn needs_claims(&self) -> bool {
        let mut rows = self.rows.iter();
        rows.any(|row| !matches!(row.rooms, OwnRooms::Any) || row.hosts.is_some())
    }

    /// The preset that a rule is of, by the name of the rule.
    pub fn of_rule(name: &str) -> Option<&'static Self> {
        name.split_once('.').and_then(|(preset, _)| find(preset))
    }

    /// The table of its rows, in Markdown.
    pub fn table(&self) -> String {
        let has_rooms = self.protocol != Protocol::Kurento;
        let mut table = String::from(if has_rooms {
            "| | verb | plugin | request | rooms | requires | without |\n\
             |---|---|---|---|---|---|---|\n"
        } else {
            "| | method | type | operation | requires | without |\n|---|---|---|---|---|---|\n"
        });
        for (row, number) in self.rows.iter().zip(1..) {
            let rooms = match row.rooms {
                _ if !has_rooms => "",
                OwnRooms::Any => "any | ",
                OwnRooms::Own => "in `room_ids` or `room` | ",
                OwnRooms::OfSfu => "in `room_ids`, any without it | ",
            };
            let without = match row.without {
                [] => String::new(),
                names => words(&names.join(" ")),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                table,
                "| {number} | {} | {} | {} | {rooms}{} | {without} |",
                words(&row.verb_names().join(" ")),
                words(row.plugins),
                words(row.requests),
                row.requirements(),
            );
        }
        table
    }
}

/// Each word as code.
fn words(words: &str) -> String {
    match words {
        "" => "any".to_owned(),
        words => format!(
            "`{}`",
            words.split_whitespace().collect::<Vec<_>>().join("` `")
        ),
    }
}

impl Row {
    fn verb_names(&self) -> Vec<&'static str> {
        match self.verbs {
            Verbs::These(verbs) => verbs.split_whitespace().collect(),
            Verbs::OfClass(class) => {
                let of_class = ADMIN_VERBS.iter().filter(|(_, its)| *its == class);
                of_class.map(|(verb, _)| *verb).collect()
            }
        }
    }

    /// What the row requires, in words.
    fn requirements(&self) -> String {
        let claim = self.claim.map(|claim| format!("`{claim}` is true"));
        let hosts = self.hosts.map(|claim| format!("each `host` in `{claim}`"));
        let uris = self
            .uris
            .then(|| "URIs below those of the policy".to_owned());
        let any = self.objects == Objects::Any;
        let objects = any.then(|| "objects of all clients".to_owned());
        let all = [claim, hosts, uris, objects].into_iter().flatten();
        all.collect::<Vec<_>>().join(", ")
    }

    fn rule(&self, name: &str) -> Rule {
        let names = |words: &'static str| match words {
            "" => Names::Any,
            words => Names::one_of(words.split_whitespace()),
        };
        let is_true = |path: &str| ClaimRule {
            path: path.into(),
            one_of: [Wanted::Bool(true)].into(),
        };
        Rule {
            verbs: Names::one_of(self.verb_names()),
            plugins: names(self.plugins),
            requests: names(self.requests),
            rooms: match self.rooms {
                OwnRooms::Any => Rooms::Any,
                OwnRooms::Own => Rooms::InClaims(["room_ids".into(), "room".into()].into()),
                OwnRooms::OfSfu => Rooms::InClaimIfPresent("room_ids".into()),
            },
            claims: self.claim.iter().copied().map(is_true).collect(),
            without: self.without.iter().map(|name| Box::from(*name)).collect(),
            hosts: self
                .hosts
                .map_or(Hosts::Any, |claim| Hosts::InClaim(claim.into())),
            uris: if self.uris { Uris::OfPolicy } else { Uris::Any },
            objects: self.objects,
            ..Rule::new(name, Effect::Allow)
        }
    }
}

#[cfg(test)]
mod tests;
