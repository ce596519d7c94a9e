//! What rules require of single parameters.

use super::facts::Facts;
use crate::signalling::document::{Kind, Object, Value};
use crate::token::claims::Wanted;

/// A parameter that a rule requires: its value is one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterRule {
    /// Its name, or a path of names separated by dots.
    pub path: Box<str>,
    /// The accepted values; at least one.
    pub one_of: Box<[Wanted]>,
}

impl ParameterRule {
    pub(super) fn is_met(&self, facts: &Facts<'_>) -> bool {
        let value = facts.parameters.and_then(|object| find(object, &self.path));
        value.is_some_and(|value| self.one_of.iter().any(|wanted| is(wanted, value)))
    }
}

fn find<'m>(object: Object<'m>, path: &str) -> Option<Value<'m>> {
    match path.split_once('.') {
        Some((name, rest)) => find(object.get(name)?.object()?, rest),
        None => object.get(path),
    }
}

fn is(wanted: &Wanted, value: Value<'_>) -> bool {
    match wanted {
        _ if wanted.is_any() => value.kind() != Kind::Null,
        Wanted::Text(wanted) => value.text().is_some_and(|text| text.is(wanted)),
        Wanted::Integer(wanted) => value.integer() == Some(*wanted),
        Wanted::Bool(truth) => value.kind() == Kind::Bool && value.raw().starts_with('t') == *truth,
    }
}
