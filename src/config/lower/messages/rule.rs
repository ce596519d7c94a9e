//! From a table to a rule.

use crate::config::lower::claims::claim_rules;
use crate::config::problem::Spanned;
use crate::config::read::{List, valid};
use crate::config::tables::RawRule;
use crate::signalling::rules::{Effect, Hosts, Names, Objects, ParameterRule, Rooms, Rule, Uris};

/// The rule with this number. `None` if its effect is missing.
pub(super) fn rule(at: usize, raw: RawRule) -> Option<Rule> {
    let name = raw
        .name
        .map_or_else(|| format!("rules[{at}]"), |name| name.value);
    let effect = raw.effect?;
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
    let uris = match (raw.uri, effect) {
        (Some(prefixes), _) => Uris::Below(each(prefixes)),
        (None, Effect::Allow) => Uris::OfPolicy,
        (None, Effect::Deny) => Uris::Any,
    };
    let claims = raw.claims.map(|claims| claims.value).unwrap_or_default();
    let parameters = raw.params.map(|params| params.value).unwrap_or_default();
    let parameters = claim_rules(parameters).into_iter();
    let parameters = parameters.map(|rule| ParameterRule {
        path: rule.path,
        one_of: rule.one_of,
    });
    Some(Rule {
        verbs: either(names(raw.verb), names(raw.method)),
        plugins: either(names(raw.plugin), names(raw.r#type)),
        requests: either(names(raw.request), names(raw.operation)),
        ptypes: names(raw.ptype),
        rooms,
        claims: claim_rules(claims),
        without: raw.without.map(each).unwrap_or_default(),
        hosts,
        parameters: parameters.collect(),
        uris,
        objects: raw.object.map_or(Objects::Own, |object| object.value),
        ..Rule::new(&name, effect)
    })
}

/// What is called otherwise by another protocol. A rule with both is a problem.
fn either(one: Names, other: Names) -> Names {
    match one {
        Names::Any => other,
        one => one,
    }
}

fn names<T: Into<Box<str>>>(list: Option<Spanned<List<T>>>) -> Names {
    list.map_or(Names::Any, |list| Names::OneOf(each(list)))
}

fn each<T: Into<U>, U>(list: Spanned<List<T>>) -> Box<[U]> {
    let valid = valid(list.value).into_iter();
    valid.map(|one| one.value.into()).collect()
}
