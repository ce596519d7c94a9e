//! What the answer to a request changes about what belongs to whom.

use crate::signalling::Context;
use crate::signalling::document::{Object, Text, Value};
use crate::signalling::owners::Place;

/// KMS does not have the session.
const INVALID_SESSION: i64 = 40_007;
/// KMS does not have the object.
const OBJECT_NOT_FOUND: i64 = 40_101;

/// What to do when the answer comes.
#[derive(Debug)]
pub(super) enum Change {
    /// The object in the answer is the client's.
    Create(Place),
    /// The object is gone.
    Release(Box<str>),
    /// The object is gone if KMS does not have it.
    UseObject(Box<str>),
    /// The session is gone if KMS does not have it.
    UseSession(Box<str>),
    /// The session is gone.
    CloseSession(Box<str>),
    /// The answers to these operations of a transaction, by their numbers.
    Transaction(Vec<(usize, Change)>),
}

/// What a message of KMS says.
#[derive(Clone, Copy, Default)]
pub(super) struct Answer<'m> {
    pub(super) id: Option<Value<'m>>,
    result: Option<Value<'m>>,
    error: Option<Value<'m>>,
}

impl<'m> Answer<'m> {
    /// `None` if it is an event.
    pub(super) fn read(object: Object<'m>) -> Option<Self> {
        let mut answer = Self::default();
        for member in object.members() {
            match () {
                () if member.name.is("method") => return None,
                () if member.name.is("id") => answer.id = Some(member.value),
                () if member.name.is("result") => answer.result = Some(member.value),
                () if member.name.is("error") => answer.error = Some(member.value),
                () => {}
            }
        }
        Some(answer)
    }

    /// The session that the request was executed in.
    pub(super) fn session(&self) -> Option<Text<'m>> {
        self.result?.object()?.get("sessionId")?.text()
    }

    fn value(&self) -> Option<Value<'m>> {
        self.result?.object()?.get("value")
    }

    fn is_error(&self, wanted: i64) -> bool {
        let error = self.error.and_then(Value::object);
        let code = error.and_then(|error| error.get("code"));
        code.and_then(Value::integer) == Some(wanted)
    }
}

impl Change {
    /// The session that the request has asked for in vain.
    pub(super) fn lost_session(&self, answer: &Answer<'_>) -> Option<&str> {
        match self {
            Self::UseSession(session) if answer.is_error(INVALID_SESSION) => Some(session),
            _ => None,
        }
    }

    /// How much it is to remember: an operation is one.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Transaction(changes) => {
                let changes = changes.iter();
                changes
                    .map(|(_, change)| change.weight())
                    .sum::<usize>()
                    .max(1)
            }
            _ => 1,
        }
    }

    /// Remembers what the answer says to a request in this session.
    pub(super) fn finish(
        self,
        answer: &Answer<'_>,
        session: Option<Text<'_>>,
        context: &Context<'_>,
    ) {
        let owners = &context.backend.owners;
        let (objects, owner) = (owners.objects(), context.owner);
        let is_done = answer.result.is_some();
        match self {
            Self::Create(place) => {
                let created = answer.value().and_then(Value::text);
                if let (Some(object), Some(session)) = (created, session) {
                    let (session, object) = (session.unescaped(), object.unescaped());
                    // An operation before it may have closed the session, which KMS then opens.
                    let known = objects.use_session(owner, &session);
                    let _in_use = known.or_else(|| {
                        let place = owners.reserve_session(owner).ok()?;
                        objects.session_created(place, &session, context.now)
                    });
                    objects.object_created(place, &session, &object);
                }
            }
            Self::Release(object) if is_done || answer.is_error(OBJECT_NOT_FOUND) => {
                objects.forget_object(owner, &object);
            }
            Self::UseObject(object) if answer.is_error(OBJECT_NOT_FOUND) => {
                objects.forget_object(owner, &object);
            }
            Self::UseSession(session) if answer.is_error(INVALID_SESSION) => {
                objects.forget_session(owner, &session);
            }
            Self::CloseSession(session) if is_done || answer.is_error(INVALID_SESSION) => {
                objects.forget_session(owner, &session);
            }
            Self::Transaction(changes) => {
                let answers = answer.value().and_then(Value::array);
                let mut answers = answers
                    .into_iter()
                    .flat_map(|list| list.items().enumerate());
                for (number, change) in changes {
                    let answer = answers.find(|(at, _)| *at == number);
                    let answer = answer.and_then(|(_, answer)| Answer::read(answer.object()?));
                    if let Some(answer) = answer {
                        // The whole transaction is in one session.
                        change.finish(&answer, session, context);
                    }
                }
            }
            _ => {}
        }
    }
}
