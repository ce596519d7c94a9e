//! A session that a client has lost.
//!
//! kurento-client asks for its session by `connect` after it has connected again. If that is gone,
//! as after a restart of the server, it goes on to name the session in each request until an answer
//! has another one. KMS would open a session by that name, which no client may choose.

use super::request::Request;
use crate::signalling::Context;
use crate::signalling::document::{self, Change as Edit, Object, Text};

/// Methods that are about the very session that they name.
const OF_SESSIONS: [&str; 3] = ["connect", "keepAlive", "closeSession"];

/// The session that a connection has asked for in vain.
#[derive(Debug, Default)]
pub(super) struct LostSession {
    id: Option<Box<str>>,
    /// Whether a `connect` was refused. Only the first one of a connection is that of a client
    /// that has connected again.
    was_refused: bool,
}

impl LostSession {
    /// The server does not have the client's session any more.
    pub(super) fn note(&mut self, session: &str) {
        self.id = Some(session.into());
    }

    /// A request was refused for its session. If it is a `connect`, and the session may have been
    /// the client's, it is lost.
    pub(super) fn note_refused(&mut self, request: &Request<'_>, context: &Context<'_>) {
        if self.was_refused || !request.operation.method.is("connect") {
            return;
        }
        self.was_refused = true;
        let Some((_, session)) = named(request) else {
            return;
        };
        let session = session.unescaped();
        let objects = context.backend.owners.objects();
        if is_uuid(&session) && !objects.is_of_another(context.owner, &session) {
            self.note(&session);
        }
    }

    /// The request without the lost session, if it names that: it is then one of the connection's
    /// own session.
    pub(super) fn without(&self, request: &Request<'_>) -> Option<String> {
        let lost = self.id.as_deref()?;
        let (params, session) = named(request)?;
        let is_of_session = OF_SESSIONS
            .iter()
            .any(|method| request.operation.method.is(method));
        if is_of_session || !session.is(lost) {
            return None;
        }
        let params = params.edited(&[Edit::Remove("sessionId")]);
        let params = document::split(&params).ok()?.next()?;
        Some(request.object.edited(&[Edit::Set("params", params)]))
    }
}

/// Whether it has the form of the ids that KMS gives to sessions.
fn is_uuid(text: &str) -> bool {
    let is_at = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_at)
}

/// The parameters of a request, and the session in them.
fn named<'m>(request: &Request<'m>) -> Option<(Object<'m>, Text<'m>)> {
    let params = request.operation.params?;
    Some((params, params.get("sessionId")?.text()?))
}
