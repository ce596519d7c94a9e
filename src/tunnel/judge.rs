//! Judges the messages of one tunnel.

use std::rc::Rc;
use std::time::Instant;

use super::control::{Grant, TunnelControl};
use super::verifier::{TokenResult, TokenVerifier, Unsettled, Verification};
use crate::clock::{self, UnixTime};
use crate::limits::Rate;
use crate::policy::Permit;
use crate::signalling::document::{self, Value};
use crate::signalling::owners::Owner;
use crate::signalling::{
    Context, Direction, Ids, Inspector, MessageToken, Observer, Verdict, judge,
};

/// What messages are judged by, beside the permit of the tunnel.
#[derive(Debug)]
pub struct Judge<I, O> {
    inspector: I,
    observer: O,
    verifier: Rc<dyn TokenVerifier>,
    owner: Owner,
    message_size: usize,
    refusal_rate: Rate,
    message_rate: Option<Rate>,
    /// When all refusals are available again, in microseconds since `since`.
    refusals_full_at: u64,
    since: Instant,
}

impl<I: Inspector, O: Observer> Judge<I, O> {
    /// For the messages of this owner, of at most `message_size` bytes. If more are refused than
    /// the first rate allows, the tunnel is closed; the client is read no faster than the second
    /// one.
    pub fn new(
        (inspector, observer): (I, O),
        verifier: Rc<dyn TokenVerifier>,
        owner: Owner,
        message_size: usize,
        (refusal_rate, message_rate): (Rate, Option<Rate>),
    ) -> Self {
        Self {
            inspector,
            observer,
            verifier,
            owner,
            message_size,
            refusal_rate,
            message_rate,
            refusals_full_at: 0,
            since: clock::monotonic(),
        }
    }

    /// The largest message in bytes.
    pub(super) fn message_size(&self) -> usize {
        self.message_size
    }

    /// How fast the client may send; `None`: without a limit.
    pub(super) fn message_rate(&self) -> Option<Rate> {
        self.message_rate
    }

    /// Notes that the client has to wait, for the first time.
    pub(super) fn note_slowed(&self) {
        self.observer.slowed();
    }

    /// Counts a refused message. `false` if there are too many.
    pub(super) fn may_refuse(&mut self) -> bool {
        let now = clock::monotonic().saturating_duration_since(self.since);
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let taken = self.refusal_rate.take(self.refusals_full_at, now);
        let taken = taken.map(|full_at| self.refusals_full_at = full_at);
        taken
            .inspect_err(|_| self.observer.too_many_refused())
            .is_ok()
    }

    /// Judges each document of a client's message, or those from a token on that has been settled.
    /// If another token has to be waited for, that document and those behind it are not judged yet.
    /// Without a backend there is nothing to judge by, and nothing passes.
    pub(super) fn judge_message(
        &mut self,
        message: &str,
        settled: Option<(usize, TokenResult)>,
        tunnel: &Rc<TunnelControl>,
        mut each: impl FnMut(Verdict<'_>),
    ) -> Option<Unsettled> {
        let grant = tunnel.grant();
        let context = context(self.owner, &self.observer, &grant)?;
        let documents = match document::split(message) {
            Ok(documents) => documents,
            Err(error) => {
                each(self.inspector.unreadable(error, &context));
                return None;
            }
        };
        let (first, mut settled) = match settled {
            Some((at, result)) => (at, Some(result)),
            None => (0, None),
        };
        for (at, document) in documents.enumerate().skip(first) {
            let result = match settled.take() {
                Some(result) => Some(result),
                None => match self.present(document, &context, tunnel) {
                    None => None,
                    Some(Verification::Settled(result)) => Some(result),
                    Some(Verification::Waits(verification)) => {
                        return Some(Unsettled { at, verification });
                    }
                },
            };
            let context = Context {
                token: (&result).into(),
                ..context
            };
            each(
                self.inspector
                    .inspect(Direction::ToServer, document, &context),
            );
        }
        None
    }

    /// Asks about the token in a document, if it has one.
    fn present(
        &self,
        document: Value<'_>,
        context: &Context<'_>,
        tunnel: &Rc<TunnelControl>,
    ) -> Option<Verification> {
        let token = context.backend.message_token(document, context.rules)?;
        Some(Rc::clone(&self.verifier).present(tunnel, &token))
    }

    /// Follows what the server says.
    pub(super) fn follow(&mut self, message: &str, grant: &Grant, each: impl FnMut(Verdict<'_>)) {
        if let Some(context) = context(self.owner, &self.observer, grant) {
            judge(&mut self.inspector, Direction::ToClient, message, &context).for_each(each);
        }
    }

    /// The tunnel is still open, so what the client uses there is in use.
    pub(super) fn keep(&mut self, grant: &Grant) {
        if let Some(context) = context(self.owner, &self.observer, grant) {
            self.inspector.keep(&context);
        }
    }

    /// Whether the client may keep what it has.
    ///
    /// # Errors
    /// Why the tunnel is to be closed.
    pub(super) fn recheck(&mut self, grant: &Grant) -> Result<(), &'static str> {
        let context = context(self.owner, &self.observer, grant);
        context.map_or(Ok(()), |context| self.inspector.recheck(&context))
    }
}

fn context<'c>(owner: Owner, observer: &'c dyn Observer, grant: &'c Grant) -> Option<Context<'c>> {
    let permit = grant.permit.as_ref();
    let token = permit.and_then(Permit::user);
    let time = UnixTime::now();
    Some(Context {
        backend: grant.backend.as_ref()?,
        ids: Ids::default(),
        rules: permit.and_then(Permit::rules),
        claims: token.map(|token| &token.claims),
        owner,
        time,
        now: clock::monotonic(),
        is_in_grace: permit.is_some_and(|permit| permit.is_in_grace(time)),
        token: MessageToken::Absent,
        observer,
    })
}
