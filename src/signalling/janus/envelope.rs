//! The members of a message that Janus itself reads.

use super::refusal::Refusal;
use crate::signalling::Ids;
use crate::signalling::document::{Change, Kind, Object, Text, Value};

/// The largest id that Janus makes; JavaScript's numbers go no further.
pub(super) const LARGEST_ID: i64 = 1 << 53;

/// The members of a message, as Janus reads them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope<'m> {
    pub(super) object: Object<'m>,
    pub(super) verb: Text<'m>,
    pub(super) transaction: Value<'m>,
    pub(super) session: Option<i64>,
    pub(super) handle: Option<i64>,
    pub(super) plugin: Option<Value<'m>>,
    pub(super) body: Option<Value<'m>>,
    pub(super) request: Option<Value<'m>>,
}

/// The same before anything of it has been checked.
#[derive(Default)]
struct Found<'m> {
    verb: Option<Value<'m>>,
    transaction: Option<Value<'m>>,
    session: Option<Value<'m>>,
    handle: Option<Value<'m>>,
    plugin: Option<Value<'m>>,
    body: Option<Value<'m>>,
    request: Option<Value<'m>>,
}

/// Why a message has no envelope, with what the answer repeats of it.
pub(super) struct BadEnvelope<'m> {
    pub(super) refusal: Refusal,
    pub(super) session: Option<i64>,
    pub(super) transaction: Option<Value<'m>>,
    pub(super) verb: Option<Text<'m>>,
    pub(super) handle: Option<i64>,
}

impl<'m> Envelope<'m> {
    /// Reads the members of a message, in one pass. The ids in the path of a request over HTTP
    /// count as the message's.
    pub(super) fn read(document: Value<'m>, in_path: Ids) -> Result<Self, BadEnvelope<'m>> {
        let Some(object) = document.object() else {
            return Err(BadEnvelope {
                refusal: Refusal::NotAnObject,
                session: in_path.session,
                transaction: None,
                verb: None,
                handle: in_path.handle,
            });
        };
        let found = Found::read(object);
        found
            .checked(object, in_path)
            .map_err(|refusal| BadEnvelope {
                refusal,
                session: in_path
                    .session
                    .or_else(|| id("session_id", found.session).ok().flatten()),
                transaction: found.transaction,
                verb: found.verb.and_then(Value::text),
                handle: in_path
                    .handle
                    .or_else(|| id("handle_id", found.handle).ok().flatten()),
            })
    }
}

impl<'m> Found<'m> {
    fn read(object: Object<'m>) -> Self {
        let mut found = Self::default();
        for member in object.members() {
            let place = match () {
                () if member.name.is("janus") => &mut found.verb,
                () if member.name.is("transaction") => &mut found.transaction,
                () if member.name.is("session_id") => &mut found.session,
                () if member.name.is("handle_id") => &mut found.handle,
                () if member.name.is("plugin") => &mut found.plugin,
                () if member.name.is("body") => &mut found.body,
                () if member.name.is("request") => &mut found.request,
                () => continue,
            };
            *place = Some(member.value);
        }
        found
    }

    fn checked(&self, object: Object<'m>, in_path: Ids) -> Result<Envelope<'m>, Refusal> {
        let transaction = text("transaction", self.transaction)?;
        let verb = text("janus", self.verb)?;
        Ok(Envelope {
            object,
            verb: verb.1,
            transaction: transaction.0,
            session: settled("session", id("session_id", self.session)?, in_path.session)?,
            handle: settled("handle", id("handle_id", self.handle)?, in_path.handle)?,
            plugin: self.plugin,
            body: self.body,
            request: self.request,
        })
    }
}

/// The id in the message, or the one in the path. Both may be there if they are the same.
fn settled(
    of: &'static str,
    written: Option<i64>,
    in_path: Option<i64>,
) -> Result<Option<i64>, Refusal> {
    match (written, in_path) {
        (Some(written), Some(in_path)) if written != in_path => Err(Refusal::Conflict(of)),
        _ => Ok(written.or(in_path)),
    }
}

/// Writes the ids of a path into the message as well. Janus compares the two, so that it cannot
/// read other ids from the path than the gateway has.
pub(super) fn with_ids_of_path(in_path: Ids) -> impl Iterator<Item = Change<'static>> {
    let set = |name, id: Option<i64>| id.map(|id| Change::SetNumber(name, id));
    let session = set("session_id", in_path.session);
    session.into_iter().chain(set("handle_id", in_path.handle))
}

/// A string that has to be there.
pub(super) fn text<'m>(
    name: &'static str,
    value: Option<Value<'m>>,
) -> Result<(Value<'m>, Text<'m>), Refusal> {
    let value = value.ok_or(Refusal::Missing(name))?;
    let text = value.text().ok_or(Refusal::Type(name, "a string"))?;
    Ok((value, text))
}

/// An object that has to be there.
pub(super) fn object<'m>(
    name: &'static str,
    value: Option<Value<'m>>,
) -> Result<Object<'m>, Refusal> {
    let value = value.ok_or(Refusal::Missing(name))?;
    value.object().ok_or(Refusal::Type(name, "an object"))
}

/// An id. `null` is none, as it is to Janus; what Janus would take for none although something is
/// written, a text, a float or zero, is refused.
pub(super) fn id(name: &'static str, value: Option<Value<'_>>) -> Result<Option<i64>, Refusal> {
    let Some(value) = value.filter(|value| value.kind() != Kind::Null) else {
        return Ok(None);
    };
    let is_id = |id: &i64| (1..=LARGEST_ID).contains(id);
    let id = value.integer().filter(is_id);
    id.map(Some)
        .ok_or(Refusal::Type(name, "a positive integer"))
}
