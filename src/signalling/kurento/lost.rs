//! A session that a client has lost.
//!
//! kurento-client asks for its session by `connect` after it has connected again. If that is gone,
//! as after a restart of the server, it goes on to name the session in each request until an answer
//! has another one. KMS would open a session by that name, which no client may choose.

use super::request::Request;
use crate::signalling::document::{self, Change as Edit, Object, Text};
use crate::signalling::owners::LONGEST;

/// Methods that are about the very session that they name.
const OF_SESSIONS: [&str; 3] = ["connect", "keepAlive", "closeSession"];

/// The session that a connection has asked for in vain.
#[derive(Debug, Default)]
pub(super) struct LostSession(Option<Box<str>>);

impl LostSession {
    /// The session does not exist, or is another client's.
    pub(super) fn note(&mut self, session: &str) {
        if session.len() <= LONGEST {
            self.0 = Some(session.into());
        }
    }

    /// The same for the session that a `connect` names.
    pub(super) fn note_refused(&mut self, request: &Request<'_>) {
        if request.operation.method.is("connect")
            && let Some((_, session)) = named(request)
        {
            self.note(&session.unescaped());
        }
    }

    /// The request without the lost session, if it names that: it is then one of the connection's
    /// own session.
    pub(super) fn without(&self, request: &Request<'_>) -> Option<String> {
        let lost = self.0.as_deref()?;
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

/// The parameters of a request, and the session in them.
fn named<'m>(request: &Request<'m>) -> Option<(Object<'m>, Text<'m>)> {
    let params = request.operation.params?;
    Some((params, params.get("sessionId")?.text()?))
}
