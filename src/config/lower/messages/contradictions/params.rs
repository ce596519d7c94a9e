//! Paths of `params` that no request of Kurento has: such a rule never matches, and a `deny` would
//! refuse nothing.

use super::each;
use super::kurento::{has_operation, has_params, has_type, has_uri};
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::quoted;
use crate::config::suggest;
use crate::config::tables::RawRule;
use crate::signalling::kurento::{METHODS, members};

/// Checks the first name of each path. What is below it depends on the type of the object.
pub(super) fn note(raw: &RawRule, diag: &Diagnostics<'_>) {
    let Some(params) = &raw.params else {
        return;
    };
    let methods = methods(raw);
    for (path, values) in &params.value {
        let first = first_of(path);
        let lacking: Vec<&str> = methods
            .iter()
            .copied()
            .filter(|method| !members(method).contains(&first))
            .collect();
        // Where no method is written, one is enough.
        if lacking.is_empty() || (raw.method.is_none() && lacking.len() < methods.len()) {
            continue;
        }
        let of = match &raw.method {
            Some(_) => {
                let each = lacking.iter().map(|method| quoted(method));
                each.collect::<Vec<_>>().join(" and ")
            }
            None => "any such request".to_owned(),
        };
        let write = advice(path, &lacking);
        let text = format!("{} is not in the params of {of}; {write}", quoted(first));
        diag.problem(&values.place, text);
    }
}

/// The methods that the rule may be about.
fn methods(raw: &RawRule) -> Vec<&'static str> {
    let is_meant = |method: &str| match &raw.method {
        Some(_) => each(&raw.method).any(|written| written.value == method),
        None => {
            (raw.r#type.is_none() || has_type(method))
                && (raw.operation.is_none() || has_operation(method))
                && (raw.uri.is_none() || has_uri(method))
        }
    };
    let methods = METHODS.iter().map(|(name, _)| *name);
    methods
        .filter(|method| has_params(method) && is_meant(method))
        .collect()
}

/// Whether it is where requests with this method have parameters of their own.
fn is_container_of(name: &str, method: &str) -> bool {
    name.ends_with("Params") && members(method).contains(&name)
}

fn first_of(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

/// What to write in place of a path that these methods do not have.
fn advice(path: &str, methods: &[&str]) -> String {
    // `params` is where the path begins.
    let path = path.strip_prefix("params.").unwrap_or(path);
    let first = first_of(path);
    let rest = &path[first.len()..];
    let mut others = METHODS.iter().map(|(name, _)| *name);
    if let Some(other) =
        others.find(|other| !methods.contains(other) && is_container_of(first, other))
    {
        return format!("\"{other}\" has it; write a rule of its own for that");
    }
    let right = |method: &str| {
        let known = members(method);
        let is_known = known.contains(&first).then_some(first);
        let same = || known.iter().find(|name| name.eq_ignore_ascii_case(first));
        let near = || same().copied().or_else(|| suggest::nearest(first, known));
        let container = || known.iter().find(|name| name.ends_with("Params"));
        match is_known.or_else(near) {
            Some(near) => Some(format!("{near}{rest}")),
            None => container().map(|container| format!("{container}.{path}")),
        }
    };
    let mut all: Vec<(&str, String)> = Vec::new();
    for method in methods {
        if let Some(right) = right(method).filter(|right| all.iter().all(|(_, it)| it != right)) {
            all.push((method, right));
        }
    }
    match &all[..] {
        [] => {
            let first = methods.first().copied().unwrap_or_default();
            format!("it has {}", members(first).join(" and "))
        }
        [(_, right)] => format!("write {}", quoted(right)),
        all => {
            let each = all
                .iter()
                .map(|(method, right)| format!("{} for {method}", quoted(right)));
            format!("write {}", each.collect::<Vec<_>>().join(", "))
        }
    }
}
