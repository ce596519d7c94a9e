//! What an operation asks for.

use super::names;
use super::params::Params;
use super::request::Operation;
use super::target::Target;
use crate::signalling::MessageClass;
use crate::signalling::document::{Object, Text, Value};
use crate::signalling::rules::{Facts, Terms, Word};

/// Operations of the server that list what belongs to all clients.
const LISTS: [&str; 4] = ["getPipelines", "getSessions", "getChildren", "getChilds"];

/// Facts about a method by itself.
pub(super) fn bare<'m>(method: Text<'m>, parameters: Option<Object<'m>>) -> Facts<'m> {
    let method = method.unescaped();
    let is_known = names::needs(&method).is_some();
    Facts {
        parameters,
        terms: Terms::Kurento,
        ..Facts::new(Word::exact(method, is_known))
    }
}

/// Facts about an operation on this object. Whether it names others, the owners know.
pub(super) fn of<'m>(
    operation: &Operation<'m>,
    params: &Params<'m>,
    target: Target<'m>,
) -> Facts<'m> {
    let is = |method: &str| operation.method.is(method);
    let mut facts = bare(operation.method, operation.params);
    match target {
        Target::None => {}
        Target::Unknown => facts.is_foreign = true,
        Target::Type(kind) => {
            let is_known = names::TYPES.contains(&&*kind);
            facts.plugin = Some(Word::exact(kind, is_known));
        }
    }
    let text = |value: Option<Value<'m>>| value.and_then(Value::text).map(Text::unescaped);
    if is("closeSession") {
        facts.is_foreign |= releases(operation.params);
    } else if is("invoke") {
        facts.request = text(params.operation).map(|name| {
            let is_known = names::OPERATIONS.contains(&&*name);
            Word::exact(name, is_known)
        });
    } else if is("subscribe") {
        // An event tells a client what happens to an object that it may use anyway.
        facts.request = text(params.kind).map(|name| Word::exact(name, true));
    } else if is("transaction") {
        // The operations have parameters of their own.
        facts.parameters = None;
    }
    facts
}

/// Whether `closeSession` ends all objects that the session has ever referenced. Everybody's may be
/// among these, and the server itself: a session references what it describes.
fn releases(params: Option<Object<'_>>) -> bool {
    let release = params.and_then(|params| params.get("release"));
    release.is_some_and(|release| release.raw() != "false")
}

/// What kind of message it is.
pub(super) fn class(facts: &Facts<'_>) -> MessageClass {
    let is_verb = |names: &[&str]| names.iter().any(|name| facts.verb.is(name));
    let is_server = || {
        facts
            .plugin
            .as_ref()
            .is_some_and(|kind| kind.is("ServerManager"))
    };
    let lists = || {
        let request = facts.request.as_ref();
        request.is_some_and(|request| LISTS.iter().any(|name| request.is(name)))
    };
    match () {
        () if !facts.verb.is_known => MessageClass::Unknown,
        () if facts.is_foreign || (is_server() && lists()) => MessageClass::Operate,
        () if is_server() => MessageClass::Observe,
        () if is_verb(&["ping", "connect", "keepAlive", "closeSession", names::RENEW]) => {
            MessageClass::Session
        }
        () => MessageClass::Message,
    }
}

/// Whether the operation may still pass when the token has expired: it ends something, or keeps the
/// session until the token is renewed.
pub(super) fn ends_something(facts: &Facts<'_>) -> bool {
    let is = |name: &&str| facts.verb.is(name);
    let stops = |name: &&str| facts.request.as_ref().is_some_and(|it| it.is(name));
    [
        "ping",
        "keepAlive",
        "release",
        "unref",
        "unsubscribe",
        "closeSession",
    ]
    .iter()
    .any(is)
        || (is(&"invoke") && ["stop", "stopAndWait"].iter().any(stops))
}
