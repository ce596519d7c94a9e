//! Signalling messages: what they say, and whether they may pass. No sockets, no HTTP.
//!
//! ```text
//! text ─ document ─▶ Value ─ Inspector ─▶ Facts ─ rules ─▶ Decision ─▶ Verdict
//!                              │  owners: whose session, which plugin
//!                              └─ secret: what the server wants to see, and no client has
//! ```
//!
//! [`judge`] takes a message of either side apart and gives a [`Verdict`] on each document.
//! [`document`] has one reading of a text or none. [`rules`] decide on facts that every protocol
//! shares; [`presets`] are rules under a name. [`owners`] remembers whose sessions there are:
//! it is the one thing here that two workers write. [`janus`] knows Janus' two APIs, [`kurento`]
//! that of Kurento, [`jitsi`] what is in the tokens of Jitsi and its XMPP by HTTP.

pub mod audit;
mod backend;
mod calls;
pub mod document;
mod inspector;
pub mod janus;
pub mod jitsi;
pub mod kurento;
mod message_token;
pub mod owners;
pub mod presets;
mod record;
pub mod rules;
mod token_in_message;
pub mod uri;

use std::borrow::Cow;
use std::time::Instant;

use crate::clock::UnixTime;
use crate::token::claims::Claims;
pub use backend::{Backend, InfoPolicy};
use document::{Documents, SyntaxError, Value};
pub use inspector::AnyInspector;
pub use message_token::{MessageToken, RejectedToken, RenewalFault};
use owners::Owner;
pub use record::{MessageClass, Observer, Outcome, Record, RecordId, RejectedKey};
use rules::MessageRules;

/// What an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Janus' API for clients.
    Janus,
    /// Janus' admin API.
    JanusAdmin,
    /// Kurento's JSON-RPC.
    Kurento,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client: it is judged.
    ToServer,
    /// From the server: it says what has happened.
    ToClient,
}

/// What becomes of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'m> {
    /// It goes on as this text: one document, checked or written by the gateway.
    Forward(Cow<'m, str>),
    /// It goes no further, and the client gets this answer in the words of its protocol.
    Answer {
        /// The answer; empty if the protocol has none.
        text: String,
        /// Why, for the log and the audit record.
        reason: Box<str>,
        /// Whether it counts towards `limits.refusals_per_tunnel`. What the server itself would
        /// answer about a session or an object that has ended does not: programs end what has
        /// ended with something else, and after a restart of the gateway all they have is unknown.
        is_counted: bool,
    },
    /// It goes no further: it is for the gateway, which answers with this text; empty if it has no
    /// answer.
    Reply(String),
    /// The connection is to be closed (1008), for this reason.
    Close(&'static str),
}

impl Verdict<'_> {
    /// The same without the message.
    fn into_owned(self) -> Verdict<'static> {
        match self {
            Self::Forward(text) => Verdict::Forward(Cow::Owned(text.into_owned())),
            Self::Answer {
                text,
                reason,
                is_counted,
            } => Verdict::Answer {
                text,
                reason,
                is_counted,
            },
            Self::Reply(text) => Verdict::Reply(text),
            Self::Close(reason) => Verdict::Close(reason),
        }
    }
}

/// What a document is judged by, besides itself.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// The upstream.
    pub backend: &'c Backend,
    /// The ids in the path of a request over HTTP; none on WebSockets.
    pub ids: Ids,
    /// The rules of the client's permit; without rules every message passes.
    pub rules: Option<&'c MessageRules>,
    /// The claims of its token, if it has one.
    pub claims: Option<&'c Claims>,
    /// Who it is.
    pub owner: Owner,
    /// The time, for what expires inside messages.
    pub time: UnixTime,
    /// The moment, for how long a session has not been used.
    pub now: Instant,
    /// Whether its token has expired, and only what ends a call may still pass.
    pub is_in_grace: bool,
    /// What has become of the token in the document, if it has one.
    pub token: MessageToken<'c>,
    /// Sees what becomes of each document of the client.
    pub observer: &'c dyn Observer,
}

/// The ids of a session and of a handle in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The session.
    pub session: Option<i64>,
    /// The handle.
    pub handle: Option<i64>,
}

/// Judges the documents of one connection.
pub trait Inspector {
    /// Judges a document.
    fn inspect<'m>(
        &mut self,
        direction: Direction,
        document: Value<'m>,
        context: &Context<'_>,
    ) -> Verdict<'m>;

    /// What a client gets for a message that has no single reading.
    fn unreadable(&self, error: SyntaxError, context: &Context<'_>) -> Verdict<'static>;

    /// What the client gets of a message of the server that has no single reading.
    fn restore<'m>(&self, message: &'m str) -> Cow<'m, str> {
        Cow::Borrowed(message)
    }

    /// Whether the client may keep what it has, by rules or claims that have changed.
    ///
    /// # Errors
    /// Why its connection is to be closed.
    fn recheck(&mut self, context: &Context<'_>) -> Result<(), &'static str>;

    /// The connection is still open, so what it uses is in use, even if no message names it.
    fn keep(&mut self, _: &Context<'_>) {}
}

/// Judges a message: each of its documents, in order and by itself. A message that cannot be read
/// goes no further if it is a client's, and unchanged if it is the server's.
pub fn judge<'m>(
    inspector: &mut impl Inspector,
    direction: Direction,
    message: &'m str,
    context: &Context<'_>,
) -> impl Iterator<Item = Verdict<'m>> {
    let (documents, unreadable) = match document::split(message) {
        Ok(documents) => (Some(documents), None),
        Err(_) if direction == Direction::ToClient => {
            (None, Some(Verdict::Forward(inspector.restore(message))))
        }
        Err(error) => (None, Some(inspector.unreadable(error, context))),
    };
    let of_server = documents
        .as_ref()
        .filter(|_| direction == Direction::ToClient);
    let surrounded = of_server
        .and_then(Documents::only)
        .map(Value::raw)
        .filter(|document| document.len() < message.len());
    documents
        .into_iter()
        .flatten()
        .map(move |document| {
            let verdict = inspector.inspect(direction, document, context);
            match surrounded {
                Some(document) => with_surroundings(verdict, document, message),
                None => verdict,
            }
        })
        .chain(unreadable)
}

/// What a server writes around the only document of a message goes on as well.
fn with_surroundings<'m>(verdict: Verdict<'m>, document: &str, message: &'m str) -> Verdict<'m> {
    match (verdict, message.split_once(document)) {
        (Verdict::Forward(Cow::Borrowed(_)), Some(_)) => Verdict::Forward(message.into()),
        (Verdict::Forward(Cow::Owned(text)), Some((before, after))) => {
            Verdict::Forward([before, &text, after].concat().into())
        }
        (verdict, _) => verdict,
    }
}
