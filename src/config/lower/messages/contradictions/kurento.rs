//! Of a rule for Kurento, conditions that no message meets together.

use super::each;
use crate::config::diagnostics::Diagnostics;
use crate::config::lower::messages::uris::note_all_files;
use crate::config::problem::{Place, Spanned, quoted};
use crate::config::suggest;
use crate::config::tables::RawRule;
use crate::signalling::kurento::{EVENTS, METHODS, OPERATIONS, TYPES};
use crate::signalling::rules::{Effect, Objects};

/// The type that every client has the one object of.
const SERVER: &str = "ServerManager";

/// Checks a rule.
pub(super) fn note(raw: &RawRule, diag: &Diagnostics<'_>) {
    note_methods(raw, diag);
    note_object(raw, diag);
    note_operations(raw, diag);
    if raw.effect == Some(Effect::Allow) {
        note_all_files(each(&raw.uri), diag);
    }
}

/// Methods whose requests do not have what another condition asks for.
fn note_methods(raw: &RawRule, diag: &Diagnostics<'_>) {
    let is_any = |objects: &Spanned<Objects>| objects.value == Objects::Any;
    let conditions = [
        (raw.r#type.is_some(), has_type as fn(&str) -> bool, "type"),
        (raw.operation.is_some(), has_operation, "operation"),
        (raw.uri.is_some(), has_uri, "uri"),
        (raw.object.as_ref().is_some_and(is_any), has_type, "object"),
        (raw.params.is_some(), has_params, "params of its own"),
    ];
    for method in each(&raw.method) {
        let mut conditions = conditions.iter();
        let lacks = conditions.find(|(is_asked, has, _)| *is_asked && !has(method.value));
        if let Some((_, _, what)) = lacks {
            let key = what.split(' ').next().unwrap_or_default();
            let text = format!(
                "\"{}\" has no {what}; take it out, or write a rule for it without {key}",
                method.value
            );
            diag.problem(&method.place, text);
        }
    }
}

/// Whether requests with this method are about an object, whose type is known.
pub(super) fn has_type(method: &str) -> bool {
    let mut methods = METHODS.iter();
    let needs = methods.find_map(|(name, needs)| (*name == method).then_some(*needs));
    needs.is_some_and(|needs| needs.iter().any(|name| matches!(*name, "object" | "type")))
}

/// Whether they ask for something that the type of the object decides about.
pub(super) fn has_operation(method: &str) -> bool {
    matches!(method, "invoke" | "subscribe")
}

/// Whether they may have Kurento open something.
pub(super) fn has_uri(method: &str) -> bool {
    matches!(method, "create" | "invoke")
}

/// Whether they have parameters beside those of the operations in them.
pub(super) fn has_params(method: &str) -> bool {
    method != "transaction"
}

/// Whose objects a rule is about, where that makes no difference.
fn note_object(raw: &RawRule, diag: &Diagnostics<'_>) {
    let Some(object) = &raw.object else {
        return;
    };
    if raw.effect == Some(Effect::Deny) {
        let text = "is what an allow is about; a deny is about the objects of all clients; take it \
                    out";
        diag.problem(&object.place, text);
        return;
    }
    let mut types = each(&raw.r#type).peekable();
    let are_of_server = types.peek().is_some() && types.all(|name| name.value == SERVER);
    if object.value == Objects::Any && are_of_server {
        let text = "is about the objects of other clients, and the server is one that every client \
                    has; take it out";
        diag.problem(&object.place, text);
    }
}

/// Operations and events that no type is known to have. A later release may have one, so only what
/// looks like a slip is an error.
fn note_operations(raw: &RawRule, diag: &Diagnostics<'_>) {
    let has = |method: &str| {
        raw.method.is_none() || each(&raw.method).any(|written| written.value == method)
    };
    let known: Vec<&str> = [(has("invoke"), OPERATIONS), (has("subscribe"), EVENTS)]
        .into_iter()
        .filter(|(is_meant, _)| *is_meant)
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    if known.is_empty() || each(&raw.r#type).any(|name| !TYPES.contains(&&*name.value)) {
        return;
    }
    let is_event = !has("invoke");
    let what = if is_event { "event" } else { "operation" };
    for operation in each(&raw.operation) {
        let name = &*operation.value;
        if known.contains(&name) {
            continue;
        }
        let near = suggest::nearest(name, &known);
        let text = match near {
            _ if is_event && OPERATIONS.contains(&name) => {
                "is no event but an operation; write method = \"invoke\"".to_owned()
            }
            _ if !has("subscribe") && EVENTS.contains(&name) => {
                "is no operation but an event; write method = \"subscribe\"".to_owned()
            }
            _ if METHODS.iter().any(|(method, _)| *method == name) => {
                format!(
                    "is a method, and no {what}; write method = {}",
                    quoted(name)
                )
            }
            Some(near) => format!("is no {what} of a known type, did you mean \"{near}\"?"),
            None if is_event || raw.r#type.is_some() => {
                note_unknown(name, what, &operation.place, diag);
                continue;
            }
            None => {
                format!("is no {what} of a known type; name the type that it is for, type = \"…\"")
            }
        };
        diag.problem(&operation.place, format!("{} {text}", quoted(name)));
    }
}

fn note_unknown(name: &str, what: &str, place: &Place, diag: &Diagnostics<'_>) {
    let text = format!(
        "{} is not known as an {what} of Kurento; where there is one, this rule decides about it",
        quoted(name)
    );
    diag.warning(place, text);
}
