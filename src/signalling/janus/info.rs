//! What Janus says about itself.

use std::borrow::Cow;

use super::refusal::Refusal;
use crate::signalling::document::{Object, Value};
use crate::signalling::rules::Facts;
use crate::signalling::{Context, InfoPolicy};

/// What clients need of it: what they can use, and how long they may be silent.
const KEPT: [&str; 12] = [
    "janus",
    "session_id",
    "transaction",
    "name",
    "data_channels",
    "accepting-new-sessions",
    "session-timeout",
    "reclaim-session-timeout",
    "candidates-timeout",
    "full-trickle",
    "webrtc_encryption",
    "plugins",
];

/// Whether clients may ask for it.
///
/// # Errors
/// If they may not.
pub(super) fn check(facts: &Facts<'_>, context: &Context<'_>) -> Result<(), Refusal> {
    if context.backend.info == InfoPolicy::Hide && facts.verb.is("info") {
        return Err(Refusal::HiddenInfo);
    }
    Ok(())
}

/// An answer to `info`, as clients get it.
pub(super) fn shown<'m>(answer: Object<'m>, policy: InfoPolicy) -> Cow<'m, str> {
    match policy {
        InfoPolicy::Full => Cow::Borrowed(answer.raw()),
        InfoPolicy::Trim | InfoPolicy::Hide => trimmed(answer).into(),
    }
}

fn trimmed(answer: Object<'_>) -> String {
    let mut out = String::from("{");
    for member in answer.members() {
        let Some(name) = KEPT.into_iter().find(|name| member.name.is(name)) else {
            continue;
        };
        start_member(&mut out, name);
        match member.value.object() {
            // Of each plugin only that it is there, and what it is called.
            Some(plugins) if name == "plugins" => push_plugins(&mut out, plugins),
            _ => out.push_str(member.value.raw()),
        }
    }
    out.push('}');
    out
}

fn push_plugins(out: &mut String, plugins: Object<'_>) {
    out.push('{');
    for member in plugins.members() {
        start_member(out, member.name.raw());
        out.push('{');
        let name = member.value.object().and_then(|plugin| plugin.get("name"));
        if let Some(name) = name.filter(|name: &Value<'_>| name.text().is_some()) {
            start_member(out, "name");
            out.push_str(name.raw());
        }
        out.push('}');
    }
    out.push('}');
}

/// Appends a name, as it is written in JSON.
fn start_member(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}
