//! The object that an operation is about.

use std::borrow::Cow;

use super::names;
use super::params::Params;
use super::references::Reference;
use super::request::Operation;
use crate::signalling::document::{Text, Value};

/// For each operation of the outermost transaction before the one that is judged: the type of the
/// object, if it creates one.
pub(super) type Earlier<'m> = [Option<Cow<'m, str>>];

/// The object that an operation is about.
pub(super) enum Target<'m> {
    /// None.
    None,
    /// An object of this type. Whose it is, only the owners know.
    Type(Cow<'m, str>),
    /// None that exists.
    Unknown,
}

impl<'m> Target<'m> {
    pub(super) fn of(
        operation: &Operation<'m>,
        params: &Params<'m>,
        earlier: Option<&Earlier<'m>>,
    ) -> Self {
        if operation.method.is("create") {
            return created_type(params).map_or(Self::None, Self::Type);
        }
        let object = params.object.and_then(Value::text);
        object.map_or(Self::None, |object| Self::named(object, earlier))
    }

    fn named(object: Text<'m>, earlier: Option<&Earlier<'m>>) -> Self {
        match (Reference::of(object), earlier) {
            (Reference::Object, _) => {
                Self::Type(names::part(object.unescaped(), names::type_in_id))
            }
            (Reference::New(number), Some(earlier)) => {
                created_at(number, earlier).map_or(Self::Unknown, |kind| Self::Type(kind.clone()))
            }
            _ if object.is(names::SERVER_MANAGER) => Self::Type("ServerManager".into()),
            _ => Self::Unknown,
        }
    }
}

/// The type of the object that an operation creates, if it creates one.
pub(super) fn created_by<'m>(operation: &Operation<'m>) -> Option<Cow<'m, str>> {
    let is_create = operation.method.is("create");
    let params = Params::read(operation, &[]).ok()?;
    created_type(&params).filter(|_| is_create)
}

/// The type of the object that the operation with this number creates.
pub(super) fn created_at<'e, 'm>(
    number: Option<usize>,
    earlier: &'e Earlier<'m>,
) -> Option<&'e Cow<'m, str>> {
    earlier.get(number?)?.as_ref()
}

fn created_type<'m>(params: &Params<'m>) -> Option<Cow<'m, str>> {
    let name = params.kind?.text()?.unescaped();
    Some(names::part(name, names::type_in_create))
}
