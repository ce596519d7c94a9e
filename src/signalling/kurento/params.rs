//! The parameters of an operation.

use super::refusal::Refusal;
use super::request::Operation;
use crate::signalling::document::{Kind, Object, Value};

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
