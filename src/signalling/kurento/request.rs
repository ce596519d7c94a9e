//! The members of a request that KMS itself reads.

use super::id::Id;
use super::refusal::Refusal;
use crate::signalling::document::{Kind, Object, Text, Value};

/// The longest id in bytes: the ids of requests that wait for their answers are kept.
const LONGEST_ID: usize = 256;

/// A JSON-RPC 2.0 request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'m> {
    pub(super) object: Object<'m>,
    pub(super) id: Id<'m>,
    pub(super) operation: Operation<'m>,
}

/// What a request wants. A transaction has several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation<'m> {
    pub(super) method: Text<'m>,
    pub(super) params: Option<Object<'m>>,
}

/// A document that is no request, with the id for its answer.
pub(super) struct BadRequest<'m> {
    pub(super) refusal: Refusal,
    pub(super) id: Id<'m>,
}

/// The members before anything of them has been checked.
#[derive(Default)]
struct Found<'m> {
    version: Option<Value<'m>>,
    id: Option<Value<'m>>,
    method: Option<Value<'m>>,
    params: Option<Value<'m>>,
}

impl<'m> Request<'m> {
    /// Reads the members of a request, in one pass.
    pub(super) fn read(document: Value<'m>) -> Result<Self, BadRequest<'m>> {
        let unreadable = |refusal| BadRequest {
            refusal,
            id: Id::Unknown,
        };
        let object = match document.kind() {
            // KMS drops the connection, and its session is never collected.
            Kind::Array => return Err(unreadable(Refusal::Batch)),
            _ => document.object(),
        };
        let object = object.ok_or_else(|| unreadable(Refusal::Request("it is no object")))?;
        let found = Found::read(object);
        let id = found.id().map_err(unreadable)?;
        let operation = found.operation().map_err(|refusal| {
            // Without an id it is no notification either.
            let id = match id {
                Id::Notification => Id::Unknown,
                id => id,
            };
            BadRequest { refusal, id }
        })?;
        Ok(Self {
            object,
            id,
            operation,
        })
    }
}

impl<'m> Operation<'m> {
    /// Reads the operation of a transaction with this number. KMS wants the number as its id, and
    /// looks at it only when it has executed what comes before.
    pub(super) fn read(value: Value<'m>, number: usize) -> Result<Self, Refusal> {
        let object = value.object();
        let object = object.ok_or(Refusal::Transaction("an operation is no object"))?;
        let found = Found::read(object);
        let operation = found.operation()?;
        let id = found.id.and_then(Value::integer);
        if id.and_then(|id| usize::try_from(id).ok()) == Some(number) {
            Ok(operation)
        } else {
            Err(Refusal::Transaction(
                "the id of an operation is not its number from 0",
            ))
        }
    }
}

impl<'m> Found<'m> {
    fn read(object: Object<'m>) -> Self {
        let mut found = Self::default();
        for member in object.members() {
            let place = match () {
                () if member.name.is("jsonrpc") => &mut found.version,
                () if member.name.is("id") => &mut found.id,
                () if member.name.is("method") => &mut found.method,
                () if member.name.is("params") => &mut found.params,
                () => continue,
            };
            *place = Some(member.value);
        }
        found
    }

    fn id(&self) -> Result<Id<'m>, Refusal> {
        let Some(id) = self.id else {
            return Ok(Id::Notification);
        };
        let is_id = match id.kind() {
            Kind::Null | Kind::Text => true,
            Kind::Number => id.integer().is_some(),
            Kind::Object | Kind::Array | Kind::Bool => false,
        };
        if !is_id {
            return Err(Refusal::Request("the id is no string or integer"));
        }
        if id.raw().len() > LONGEST_ID {
            return Err(Refusal::Request("the id is too long"));
        }
        Ok(Id::Known(id))
    }

    fn operation(&self) -> Result<Operation<'m>, Refusal> {
        let version = self.version.and_then(Value::text);
        if !version.is_some_and(|version| version.is("2.0")) {
            return Err(Refusal::Request("jsonrpc is not \"2.0\""));
        }
        let method = self.method.and_then(Value::text);
        let method = method.ok_or(Refusal::Request("the method is no string"))?;
        let params = match self.params {
            None => None,
            Some(value) => Some(
                value
                    .object()
                    .ok_or(Refusal::Params("params", "an object"))?,
            ),
        };
        Ok(Operation { method, params })
    }
}
