//! The API for clients.

use std::borrow::Cow;

use super::calls::{self, Call};
use super::conclusion::{self, Admitted, conclude};
use super::envelope::{self, Envelope};
use super::event::Event;
use super::refusal::{self, Refusal};
use super::rooms;
use super::used::UsedSessions;
use super::{facts, info};
use crate::signalling::calls::Calls;
use crate::signalling::document::{Change, SyntaxError, Text, Value};
use crate::signalling::owners::{Found, PluginName, Unknown};
use crate::signalling::rules::{Entries, Facts, Word};
use crate::signalling::{Context, Direction, Inspector, MessageClass, MessageToken, Verdict};
use crate::token::claims::Claims;

/// The verbs.
pub const VERBS: [&str; 11] = [
    "ping",
    "info",
    "create",
    "claim",
    "keepalive",
    "attach",
    "destroy",
    "message",
    "trickle",
    "hangup",
    "detach",
];

/// The longest transaction in bytes of a request whose answer is waited for. Clients use a dozen.
const LONGEST_TRANSACTION: usize = 1024;

/// The longest name of a plugin in bytes that a client may attach to. Janus' have some thirty.
const LONGEST_PLUGIN: usize = 256;

/// What a verb is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Neither a session nor a handle.
    Server,
    /// A session.
    Session,
    /// A handle.
    Handle,
    /// The verb is unknown: whatever it names has to be the client's.
    Unknown,
}

/// One client's connection to Janus, or one request of it over HTTP.
#[derive(Debug)]
pub struct Api {
    calls: Calls<Call>,
    used: UsedSessions,
}

impl Api {
    /// With a random number.
    pub fn new(nonce: u64) -> Self {
        Self {
            calls: Calls::new(nonce, calls::MOST),
            used: UsedSessions::default(),
        }
    }

    /// Whether it has to see the answer to a message.
    pub fn is_waiting(&self) -> bool {
        self.calls.is_waiting()
    }

    /// Lets a message pass that the rules allow.
    fn admit<'m, 'c>(
        &mut self,
        envelope: &Envelope<'m>,
        facts: &Facts<'_>,
        context: &Context<'c>,
    ) -> Result<Admitted<'m, 'c>, Refusal> {
        info::check(facts, context)?;
        let rule = refusal::check(facts, context, || ends_a_call(facts))?;
        rooms::enter(envelope, facts, context)?;
        let call = self.call(envelope, facts, context)?;
        let text = self.written(envelope, call, context);
        Ok(Admitted { text, rule })
    }

    /// What the answer to this message will change.
    fn call(
        &mut self,
        envelope: &Envelope<'_>,
        facts: &Facts<'_>,
        context: &Context<'_>,
    ) -> Result<Option<Call>, Refusal> {
        let is = |verb: &str| envelope.verb.is_ignoring_case(verb);
        let call = match (envelope.session, envelope.handle) {
            (None, None) if is("create") => {
                check_proposed_id(envelope, context)?;
                let place = context.backend.owners.reserve_session(context.owner);
                Call::Create(place.map_err(Refusal::NoPlace)?)
            }
            (Some(session), None) if is("attach") => {
                let plugin = facts.plugin.as_ref().map(Word::name).unwrap_or_default();
                if plugin.len() > LONGEST_PLUGIN {
                    return Err(Refusal::Type("plugin", "shorter"));
                }
                let place = context.backend.owners.reserve_handle(context.owner);
                Call::Attach(
                    place.ok_or(Refusal::TooManyHandles)?,
                    session,
                    kept(&plugin),
                )
            }
            (Some(session), None) if is("destroy") => Call::Destroy(session),
            (Some(session), Some(handle)) if is("detach") => Call::Detach(session, handle),
            _ => return Ok(None),
        };
        if self.calls.is_full(context.now) {
            return Err(Refusal::TooManyCalls);
        }
        // It is kept until the answer comes.
        if envelope.transaction.raw().len() > LONGEST_TRANSACTION {
            return Err(Refusal::Type("transaction", "shorter"));
        }
        Ok(Some(call))
    }

    /// The message as Janus gets it: as it is, or with what the gateway has to change in it.
    fn written<'m>(
        &mut self,
        envelope: &Envelope<'m>,
        call: Option<Call>,
        context: &Context<'_>,
    ) -> Cow<'m, str> {
        let plugin = match &call {
            Some(Call::Attach(.., plugin)) => Some(&**plugin),
            _ => None,
        };
        let credentials = &context.backend.credentials;
        let token = credentials.mint(context.time, plugin);
        let mut changes: Vec<_> = envelope::with_ids_of_path(context.ids).collect();
        if context.backend.identify && plugin.is_some() {
            changes.push(identity(context));
        }
        if !credentials.is_empty() {
            changes.extend(credentials.changes(token.as_deref()));
        } else if context.token == MessageToken::Accepted {
            changes.push(Change::Remove("token"));
        }
        let transaction = call.map(|call| {
            self.calls
                .begin((call, 1), envelope.transaction.raw(), context.now)
        });
        if let Some(transaction) = &transaction {
            changes.push(Change::SetText("transaction", transaction));
        }
        if changes.is_empty() {
            Cow::Borrowed(envelope.object.raw())
        } else {
            Cow::Owned(envelope.object.edited(&changes))
        }
    }

    /// Learns from what Janus says, and puts the client's transaction back.
    fn follow<'m>(&mut self, document: Value<'m>, context: &Context<'_>) -> Cow<'m, str> {
        // Answers to long polls may be lists of events.
        for event in document.array().into_iter().flat_map(|list| list.items()) {
            if let Some(event) = event.object() {
                self.note(&Event::read(event), context);
            }
        }
        let Some(object) = document.object() else {
            return Cow::Borrowed(document.raw());
        };
        let event = Event::read(object);
        self.note(&event, context);
        let call = event
            .transaction
            .and_then(|transaction| self.calls.end(transaction));
        let Some((call, transaction)) = call else {
            return if event.is("server_info") {
                info::shown(object, context.backend.info)
            } else {
                Cow::Borrowed(document.raw())
            };
        };
        if event.is("success") {
            self.finish(call, &event, context);
        }
        let value = crate::signalling::document::split(&transaction);
        match value.ok().and_then(|mut values| values.next()) {
            Some(value) => object.edited(&[Change::Set("transaction", value)]).into(),
            None => Cow::Borrowed(document.raw()),
        }
    }

    /// Remembers what a request has changed.
    fn finish(&mut self, call: Call, event: &Event<'_>, context: &Context<'_>) {
        let owners = &context.backend.owners;
        match (call, event.created()) {
            (Call::Create(place), Some(session)) => {
                owners.created(place, session, context.now);
                self.used.note(session, context);
            }
            (Call::Attach(place, session, plugin), Some(handle)) => {
                owners.attached(place, session, handle, plugin);
            }
            (Call::Destroy(session), _) => self.forget(session, context),
            (Call::Detach(session, handle), _) => owners.detach(context.owner, session, handle),
            (Call::Create(_) | Call::Attach(..), None) => {}
        }
    }

    /// Forgets what Janus says is over.
    fn note(&mut self, event: &Event<'_>, context: &Context<'_>) {
        conclusion::note_rejected(event, context);
        let Some(session) = event.session else {
            return;
        };
        if event.is("timeout") || (event.is("error") && event.code() == Some(458)) {
            self.forget(session, context);
        } else if event.is("detached")
            && let Some(handle) = event.sender
        {
            let owners = &context.backend.owners;
            owners.detach(context.owner, session, handle);
        } else {
            rooms::follow(event, context);
        }
    }

    fn forget(&mut self, session: i64, context: &Context<'_>) {
        context.backend.owners.forget(context.owner, session);
        self.used.forget(session);
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
        let envelope = match Envelope::read(document, context.ids) {
            Ok(envelope) => envelope,
            Err(bad) => return conclusion::refuse(&bad, context),
        };
        let (facts, result) = match facts_of(&envelope, context) {
            Ok(facts) => {
                if let Some(session) = envelope.session {
                    self.used.note(session, context);
                }
                let result = self.admit(&envelope, &facts, context);
                (facts, result)
            }
            Err(refusal) => (readable(&envelope, context), Err(refusal)),
        };
        conclude(&envelope, class(envelope.verb), &facts, result, context)
    }

    fn unreadable(&self, error: SyntaxError, context: &Context<'_>) -> Verdict<'static> {
        conclusion::unreadable(error, context)
    }

    fn restore<'m>(&self, message: &'m str) -> Cow<'m, str> {
        self.calls.restore(message)
    }

    fn recheck(&mut self, context: &Context<'_>) -> Result<(), &'static str> {
        let lost = |session| rooms::lost(session, context);
        match self.used.iter().find_map(lost) {
            Some(lost) => Err(lost.reason()),
            None => Ok(()),
        }
    }

    fn keep(&mut self, context: &Context<'_>) {
        self.used.keep(context);
    }
}

fn level(verb: Text<'_>) -> Level {
    let is_one_of = |verbs: &[&str]| verbs.iter().any(|name| verb.is_ignoring_case(name));
    if is_one_of(&["message", "trickle", "hangup", "detach"]) {
        Level::Handle
    } else if is_one_of(&["claim", "keepalive", "attach", "destroy"]) {
        Level::Session
    } else if is_one_of(&["ping", "info", "create"]) {
        Level::Server
    } else {
        Level::Unknown
    }
}

fn class(verb: Text<'_>) -> MessageClass {
    match level(verb) {
        Level::Server => MessageClass::Server,
        Level::Session => MessageClass::Session,
        Level::Handle if verb.is_ignoring_case("message") => MessageClass::Message,
        Level::Handle => MessageClass::Handle,
        Level::Unknown => MessageClass::Unknown,
    }
}

/// Whether the message names what its verb is for, and nothing more. Janus is more lenient with
/// `claim` and `keepalive`, but ids that mean nothing are better not forwarded.
fn check_level(level: Level, envelope: &Envelope<'_>) -> Result<(), Refusal> {
    let is_right = match (level, envelope.session, envelope.handle) {
        (Level::Server, session, handle) => session.is_none() && handle.is_none(),
        (Level::Session, session, handle) => session.is_some() && handle.is_none(),
        (Level::Handle, _, handle) => handle.is_some(),
        (Level::Unknown, ..) => true,
    };
    if is_right {
        Ok(())
    } else {
        Err(Refusal::Path(envelope.verb.unescaped().into()))
    }
}

/// Whether the message may still pass when the token has expired: it ends something, or keeps the
/// session until the token is renewed.
fn ends_a_call(facts: &Facts<'_>) -> bool {
    let is = |verb: &str| facts.verb.is(verb);
    let leaves = || facts.request.as_ref().is_some_and(|it| it.is("leave"));
    ["keepalive", "hangup", "detach", "destroy"]
        .into_iter()
        .any(is)
        || (is("message") && leaves())
}

fn verb<'m>(envelope: &Envelope<'m>) -> Word<'m> {
    Word::folded(envelope.verb, level(envelope.verb) != Level::Unknown)
}

/// What the message says.
///
/// # Errors
/// If session or handle are not the client's, or it has no single meaning.
fn facts_of<'m>(envelope: &Envelope<'m>, context: &Context<'_>) -> Result<Facts<'m>, Refusal> {
    let found = find(envelope, context)?;
    check_level(level(envelope.verb), envelope)?;
    let (plugin, entered) = match found.handle {
        Some(attached) => (Some(attached.plugin), attached.entered),
        None => (None, Entries::default()),
    };
    let facts = facts_with(envelope, plugin, entered)?;
    if found.is_check_due {
        rooms::check(envelope.session, &facts, context)?;
    }
    Ok(facts)
}

/// What can be read of a message that is refused before it has facts.
fn readable<'m>(envelope: &Envelope<'m>, context: &Context<'_>) -> Facts<'m> {
    let named = envelope.plugin.and_then(Value::text);
    let attached = || find(envelope, context).ok()?.handle;
    let plugin = match envelope.verb.is_ignoring_case("attach") {
        true => named.map(Text::unescaped),
        false => attached().map(|attached| attached.plugin),
    };
    facts::readable(verb(envelope), plugin, envelope.body)
}

/// Whether a verb needs a handle.
pub(super) fn is_of_handle(verb: Text<'_>) -> bool {
    level(verb) == Level::Handle
}

/// The same for a message whose handle is attached to this plugin, and has entered these rooms.
pub(super) fn facts_with<'m>(
    envelope: &Envelope<'m>,
    plugin: Option<PluginName>,
    entered: Entries,
) -> Result<Facts<'m>, Refusal> {
    let verb = verb(envelope);
    if envelope.verb.is_ignoring_case("message") {
        let body = envelope::object("body", envelope.body)?;
        return facts::of_plugin(verb, (plugin.unwrap_or_default(), entered), body);
    }
    let is = |verb: &str| envelope.verb.is_ignoring_case(verb);
    Ok(Facts {
        entered,
        is_leaving: is("hangup") || is("detach"),
        ..facts_of_verb(verb, plugin, envelope)?
    })
}

/// What a message says that is not for a plugin.
fn facts_of_verb<'m>(
    verb: Word<'m>,
    attached: Option<PluginName>,
    envelope: &Envelope<'m>,
) -> Result<Facts<'m>, Refusal> {
    let mut facts = facts::bare(verb, None);
    if envelope.verb.is_ignoring_case("attach") {
        let (_, plugin) = envelope::text("plugin", envelope.plugin)?;
        facts.plugin = Some(facts::plugin_word(plugin.unescaped()));
    } else if let Some(plugin) = attached {
        facts.plugin = Some(facts::plugin_word(plugin));
    }
    Ok(facts)
}

/// The handle that the message names, if the client may use session and handle.
fn find(envelope: &Envelope<'_>, context: &Context<'_>) -> Result<Found, Refusal> {
    let Some(session) = envelope.session else {
        // Janus has no session 0.
        return match envelope.handle {
            Some(_) => Err(Refusal::NoSession(0)),
            None => Ok(Found::default()),
        };
    };
    let handle = envelope.handle;
    let owners = &context.backend.owners;
    let found = owners.find(context.owner, session, handle, context.now);
    found.map_err(|unknown| match unknown {
        Unknown::Session => Refusal::NoSession(session),
        Unknown::Handle => Refusal::NoHandle(handle.unwrap_or_default(), session),
    })
}

/// The subject of the client that attaches, instead of what the client itself sends.
fn identity<'c>(context: &Context<'c>) -> Change<'c> {
    match context.claims.and_then(Claims::subject) {
        Some(subject) => Change::SetText("opaque_id", subject),
        None => Change::Remove("opaque_id"),
    }
}

/// Whether the client may have the id that it proposes for a session. Another client's may be on
/// another server of the upstream, which would not mind.
fn check_proposed_id(envelope: &Envelope<'_>, context: &Context<'_>) -> Result<(), Refusal> {
    // Janus answers a bad one without the transaction.
    let proposed = envelope::id("id", envelope.object.get("id"))?;
    let owners = &context.backend.owners;
    match proposed.filter(|id| owners.is_of_another(context.owner, *id)) {
        Some(id) => Err(Refusal::SessionInUse(id)),
        None => Ok(()),
    }
}

/// A plugin's name that outlives the message: of the usual ones without a copy.
fn kept(name: &str) -> PluginName {
    match super::plugins::find(name) {
        Some(plugin) => Cow::Borrowed(plugin.name),
        None => Cow::Owned(name.to_owned()),
    }
}
