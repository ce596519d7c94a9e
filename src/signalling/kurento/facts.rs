//! What an operation asks for.

use std::borrow::Cow;

use super::names;
use super::refusal::Refusal;
use super::request::Operation;
use super::target::Target;
use crate::signalling::MessageClass;
use crate::signalling::document::{Kind, Object, Text, Value};
use crate::signalling::rules::{Facts, Terms, Word};

/// Operations of the server that list what belongs to all clients.
const LISTS: [&str; 4] = ["getPipelines", "getSessions", "getChildren", "getChilds"];

/// Members of `params` in which KMS looks for parameters by their names. It fails inside its JSON
/// library if one is no object.
const OBJECTS: [&str; 3] = ["constructorParams", "properties", "operationParams"];

/// The members of `params` that several methods have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Params<'m> {
    pub(super) session: Option<Value<'m>>,
    pub(super) object: Option<Value<'m>>,
    pub(super) kind: Option<Value<'m>>,
    pub(super) operation: Option<Value<'m>>,
    pub(super) operations: Option<Value<'m>>,
    subscription: Option<Value<'m>>,
}

impl<'m> Params<'m> {
    /// Reads the members, in one pass.
    ///
    /// # Errors
    /// If one is missing that the method needs, or has another type.
    pub(super) fn read(operation: &Operation<'m>, needs: &[&'static str]) -> Result<Self, Refusal> {
        let mut params = Self::default();
        let members = operation.params.into_iter().flat_map(Object::members);
        for member in members {
            let mut objects = OBJECTS.into_iter();
            if let Some(name) = objects.find(|name| member.name.is(name)) {
                let is_object = matches!(member.value.kind(), Kind::Object | Kind::Null);
                is_object
                    .then_some(())
                    .ok_or(Refusal::Params(name, "an object"))?;
            }
            if let Some(place) = params.place(|name| member.name.is(name)) {
                *place = Some(member.value);
            }
        }
        for name in needs {
            let value = params.place(|its| its == *name).and_then(|place| *place);
            let value = value.ok_or(Refusal::Missing(name))?;
            if *name == "operations" {
                value.array().ok_or(Refusal::Params(name, "an array"))?;
            } else {
                value.text().ok_or(Refusal::Params(name, "a string"))?;
            }
        }
        Ok(params)
    }

    fn place(&mut self, is: impl Fn(&str) -> bool) -> Option<&mut Option<Value<'m>>> {
        Some(match () {
            () if is("sessionId") => &mut self.session,
            () if is("object") => &mut self.object,
            () if is("type") => &mut self.kind,
            () if is("operation") => &mut self.operation,
            () if is("operations") => &mut self.operations,
            () if is("subscription") => &mut self.subscription,
            () => return None,
        })
    }
}

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
    if is("invoke") {
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

/// The same part of each text, which stays borrowed if the text is.
pub(super) fn part<'m>(text: Cow<'m, str>, of: fn(&str) -> &str) -> Cow<'m, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(of(text)),
        Cow::Owned(text) => Cow::Owned(of(&text).to_owned()),
    }
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
