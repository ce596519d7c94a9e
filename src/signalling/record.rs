//! What is recorded of each document of a client.

use std::borrow::Cow;
use std::fmt;

use super::Protocol;
use super::document::{Text, Value};
use super::rules::{Facts, Rule};
use crate::token::claims::Claims;

/// Sees what became of each document of a client.
pub trait Observer {
    /// A document was judged.
    fn judged(&self, record: &Record<'_>);

    /// The server has rejected what the gateway put into a message.
    fn credentials_rejected(&self, _: RejectedKey) {}

    /// More documents were refused than may be, so that the connection is closed.
    fn too_many_refused(&self) {}

    /// The client has sent more messages than `limits.messages_per_tunnel`, and has to wait.
    fn slowed(&self) {}
}

/// The key of an upstream that names a file with the wrong secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectedKey {
    /// Its name in `gateway.toml`.
    pub key: &'static str,
    /// The setting of Janus that the file has to agree with.
    pub setting: &'static str,
}

/// Sees nothing.
impl Observer for () {
    fn judged(&self, _: &Record<'_>) {}
}

/// A document, and what became of it.
#[derive(Clone, Copy)]
pub struct Record<'r> {
    /// What the upstream speaks.
    pub protocol: Protocol,
    /// What kind of message it is.
    pub class: MessageClass,
    /// The policy whose rules it was judged by, if there are rules.
    pub policy: Option<&'r str>,
    /// The claims of the client's token, if it has one.
    pub claims: Option<&'r Claims>,
    /// What it says, if that could be read.
    pub facts: Option<&'r Facts<'r>>,
    /// The session that it names, or is executed in.
    pub session: Option<RecordId<'r>>,
    /// The handle or object that it names.
    pub handle: Option<RecordId<'r>>,
    /// What became of it.
    pub outcome: Outcome<'r>,
}

/// The id of a session, of a handle of Janus, or of an object of Kurento.
#[derive(Clone, Copy, Debug)]
pub enum RecordId<'r> {
    /// A number, as Janus has them.
    Number(i64),
    /// A text in the message.
    Text(Text<'r>),
    /// A text that is not in the message.
    Kept(&'r str),
}

impl<'r> RecordId<'r> {
    /// The id that a member of a message has, if it can be one.
    pub(super) fn of(value: Value<'r>) -> Option<Self> {
        let number = value.integer().map(Self::Number);
        number.or_else(|| value.text().map(Self::Text))
    }

    /// The id as a text.
    pub(super) fn text(self) -> Cow<'r, str> {
        match self {
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => text.unescaped(),
            Self::Kept(text) => text.into(),
        }
    }
}

/// What became of a document.
#[derive(Clone, Copy)]
pub enum Outcome<'r> {
    /// It went on, by this rule, if there are rules; or the gateway did what it asks for.
    Allowed(Option<&'r Rule>),
    /// It did not.
    Refused {
        /// The rule that denied it, if one did.
        rule: Option<&'r str>,
        /// Why, in a word.
        reason: &'static str,
        /// What the word leaves open. No ids of sessions, and nothing that a client must not see.
        detail: Option<&'r dyn fmt::Display>,
        /// The URI for which it was refused, as the client wrote it.
        uri: Option<&'r str>,
    },
}

/// Kinds of messages, as metrics count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageClass {
    /// `create`, `ping` and `info`.
    Server,
    /// Verbs of a session.
    Session,
    /// Verbs of a handle but `message`.
    Handle,
    /// A message to a plugin.
    Message,
    /// A verb of the admin API that reads.
    Observe,
    /// One that changes settings, sessions or handles.
    Operate,
    /// One that reads SDPs or changes what is logged.
    Debug,
    /// One about the tokens that Janus keeps.
    Secrets,
    /// A message to a plugin by the admin API.
    MessagePlugin,
    /// The verb is unknown.
    Unknown,
    /// It has no verb, or cannot be read.
    Unreadable,
}

impl MessageClass {
    /// All classes in order, by their labels.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Server, "server"),
        (Self::Session, "session"),
        (Self::Handle, "handle"),
        (Self::Message, "message"),
        (Self::Observe, "observe"),
        (Self::Operate, "operate"),
        (Self::Debug, "debug"),
        (Self::Secrets, "secrets"),
        (Self::MessagePlugin, "message_plugin"),
        (Self::Unknown, "unknown"),
        (Self::Unreadable, "unreadable"),
    ];
}
