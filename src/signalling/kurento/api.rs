//! A connection to KMS.

use std::borrow::Cow;

use super::changes::{Answer, Change};
use super::conclusion::{self, record_admitted};
use super::id::Id;
use super::judge::{Admitted, Judge, Rejected};
use super::lost::LostSession;
use super::refusal::Refusal;
use super::renewal;
use super::request::Request;
use crate::signalling::calls::Calls;
use crate::signalling::document::{self, Change as Edit, SyntaxError, Text, Value};
use crate::signalling::owners::{InUse, Place};
use crate::signalling::{Context, Direction, Inspector, Verdict};

/// How many answers a connection may wait for. A server has one connection for all its users.
const MOST_CALLS: usize = 1024;

/// One client's connection to KMS.
///
/// KMS answers a request with the id of an earlier one from a cache, whatever it asks for. Requests
/// whose answers change what belongs to whom therefore go on with ids of the gateway's.
#[derive(Debug)]
pub struct Api {
    calls: Calls<Change>,
    /// A place for the session that KMS will open for this connection.
    reserved: Option<Place>,
    /// The session of this connection.
    session: Option<(Box<str>, InUse)>,
    lost: LostSession,
}

impl Api {
    /// With a random number.
    pub fn new(nonce: u64) -> Self {
        Self {
            calls: Calls::new(nonce, MOST_CALLS),
            reserved: None,
            session: None,
            lost: LostSession::default(),
        }
    }

    /// Whether it has to see the answer to a request.
    pub(in crate::signalling) fn is_waiting(&self) -> bool {
        self.calls.is_waiting()
    }

    fn session(&self) -> Option<&str> {
        self.session.as_ref().map(|(session, _)| &**session)
    }

    /// Whether the session of the connection has a place. KMS executes requests in one that it has
    /// closed too: it opens it again.
    fn has_session(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|(_, in_use)| !in_use.is_forgotten())
    }

    /// The request as KMS gets it: as it is, or with the gateway's id.
    fn written<'m>(
        &mut self,
        request: &Request<'m>,
        admitted: &mut Admitted<'m, '_>,
        context: &Context<'_>,
    ) -> Result<Cow<'m, str>, Refusal> {
        let may_open_session =
            admitted.named.session.is_none() && !request.operation.method.is("ping");
        if may_open_session && !self.has_session() && self.reserved.is_none() {
            let place = context.backend.owners.reserve_session(context.owner);
            self.reserved = Some(place.map_err(Refusal::NoPlace)?);
        }
        let raw = request.object.raw();
        let Some(change) = admitted.change.take() else {
            return Ok(Cow::Borrowed(raw));
        };
        let Id::Known(id) = request.id else {
            return Err(Refusal::NeedsId);
        };
        if self.calls.is_full(context.now) {
            return Err(Refusal::TooManyCalls);
        }
        let weight = change.weight();
        let id = self.calls.begin((change, weight), id.raw(), context.now);
        Ok(request.object.edited(&[Edit::SetText("id", &id)]).into())
    }

    /// Learns from what KMS says, and puts the client's id back.
    fn follow<'m>(&mut self, document: Value<'m>, context: &Context<'_>) -> Cow<'m, str> {
        let unchanged = Cow::Borrowed(document.raw());
        let Some(object) = document.object() else {
            return unchanged;
        };
        let Some(answer) = Answer::read(object) else {
            return unchanged;
        };
        if let Some(session) = answer.session() {
            self.note_session(session, context);
        }
        let call = answer
            .id
            .and_then(|id| Some((id, self.calls.end(id.text()?)?)));
        let Some((own_id, (change, id))) = call else {
            return unchanged;
        };
        if let Some(session) = change.lost_session(&answer) {
            self.lost.note(session);
        }
        change.finish(&answer, answer.session(), context);
        self.note_opened_again(context);
        // Nothing else in it has the gateway's id, which no client knows.
        match document.raw().split_once(own_id.raw()) {
            Some((before, after)) => [before, &id, after].concat().into(),
            None => unchanged,
        }
    }

    /// Remembers the session that KMS has executed a request in. It is the client's: requests that
    /// name another's do not reach KMS.
    fn note_session(&mut self, session: Text<'_>, context: &Context<'_>) {
        if self.has_session() && self.session().is_some_and(|known| session.is(known)) {
            return;
        }
        let (session, owners) = (session.unescaped(), &context.backend.owners);
        let known = owners.objects().use_session(context.owner, &session);
        // A session that is known already has its place.
        let reserved = self.reserved.take();
        let in_use = known.or_else(|| {
            let place = reserved.or_else(|| owners.reserve_session(context.owner).ok())?;
            owners
                .objects()
                .session_created(place, &session, context.now)
        });
        self.session = in_use.map(|in_use| (session.as_ref().into(), in_use));
    }

    /// Uses the session of the connection again if a transaction has closed it and gone on in it.
    fn note_opened_again(&mut self, context: &Context<'_>) {
        let objects = context.backend.owners.objects();
        if let Some((session, in_use)) = &mut self.session
            && in_use.is_forgotten()
            && let Some(again) = objects.use_session(context.owner, session)
        {
            *in_use = again;
        }
    }
}

impl Inspector for Api {
    fn inspect<'m>(
        &mut self,
        direction: Direction,
        document: Value<'m>,
        context: &Context<'_>,
    ) -> Verdict<'m> {
        if direction == Direction::ToClient {
            return Verdict::Forward(self.follow(document, context));
        }
        let request = match Request::read(document) {
            Ok(request) => request,
            Err(bad) => return conclusion::refuse(&bad, context),
        };
        if renewal::is_renewal(&request, context) {
            return renewal::answer(&request, self.session(), context);
        }
        if let Some(text) = self.lost.without(&request)
            && let Some(document) = document::split(&text).ok().and_then(|mut all| all.next())
        {
            return self.inspect(direction, document, context).into_owned();
        }
        let judged = Judge::new(context, self.session()).request(&request.operation);
        let mut admitted = match judged {
            Ok(admitted) => admitted,
            Err(rejected) => {
                if rejected.refusal == Refusal::NoSession {
                    self.lost.note_refused(&request, context);
                }
                return conclusion::reject(&rejected, request.id, self.session(), context);
            }
        };
        match self.written(&request, &mut admitted, context) {
            Ok(text) => {
                record_admitted(&admitted, self.session(), context);
                Verdict::Forward(text)
            }
            Err(refusal) => {
                let Admitted { facts, named, .. } = admitted;
                let rejected = Rejected {
                    facts,
                    named,
                    refusal,
                };
                conclusion::reject(&rejected, request.id, self.session(), context)
            }
        }
    }

    fn unreadable(&self, error: SyntaxError, context: &Context<'_>) -> Verdict<'static> {
        conclusion::unreadable(error, context)
    }

    fn restore<'m>(&self, message: &'m str) -> Cow<'m, str> {
        self.calls.restore(message)
    }

    fn recheck(&mut self, _: &Context<'_>) -> Result<(), &'static str> {
        Ok(())
    }
}
