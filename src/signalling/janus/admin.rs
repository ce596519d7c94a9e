//! The admin API.

use std::borrow::Cow;

use super::conclusion::{self, Admitted, conclude};
use super::envelope::{self, Envelope};
use super::event::Event;
use super::refusal::{self, Refusal};
use super::{facts, info};
use crate::signalling::document::{Change, SyntaxError, Text, Value};
use crate::signalling::rules::{Entries, Facts, Word};
use crate::signalling::{Context, Direction, InfoPolicy, Inspector, MessageClass, Verdict};

/// What a verb of the admin API amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It reads what holds no secret and no SDP.
    Observe,
    /// It changes settings, sessions and handles. `query_…` is of this class if it has a `request`.
    Operate,
    /// It changes what is logged, writes captures, reads SDPs, or has Janus contact an address.
    Debug,
    /// It reads or changes the tokens that Janus keeps.
    Secrets,
    /// It sends a request to a plugin.
    MessagePlugin,
}

/// The verbs of Janus 1.1.2.
pub const ADMIN_VERBS: &[(&str, Class)] = &[
    ("info", Class::Observe),
    ("ping", Class::Observe),
    ("get_status", Class::Observe),
    ("list_sessions", Class::Observe),
    ("list_handles", Class::Observe),
    ("loops_info", Class::Observe),
    ("query_transport", Class::Observe),
    ("query_eventhandler", Class::Observe),
    ("query_logger", Class::Observe),
    ("set_session_timeout", Class::Operate),
    ("set_min_nack_queue", Class::Operate),
    ("set_nack_optimizations", Class::Operate),
    ("set_no_media_timer", Class::Operate),
    ("set_slowlink_threshold", Class::Operate),
    ("accept_new_sessions", Class::Operate),
    ("destroy_session", Class::Operate),
    ("detach_handle", Class::Operate),
    ("hangup_webrtc", Class::Operate),
    ("custom_event", Class::Operate),
    ("handle_info", Class::Debug),
    ("set_log_level", Class::Debug),
    ("set_log_timestamps", Class::Debug),
    ("set_log_colors", Class::Debug),
    ("set_locking_debug", Class::Debug),
    ("set_refcount_debug", Class::Debug),
    ("set_libnice_debug", Class::Debug),
    ("custom_logline", Class::Debug),
    ("resolve_address", Class::Debug),
    ("test_stun", Class::Debug),
    ("start_pcap", Class::Debug),
    ("start_text2pcap", Class::Debug),
    ("stop_pcap", Class::Debug),
    ("stop_text2pcap", Class::Debug),
    ("list_tokens", Class::Secrets),
    ("add_token", Class::Secrets),
    ("allow_token", Class::Secrets),
    ("disallow_token", Class::Secrets),
    ("remove_token", Class::Secrets),
    ("message_plugin", Class::MessagePlugin),
];

/// One client's connection to the admin API, or one request of it over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct AdminApi;

impl AdminApi {
    fn admit<'m, 'c>(
        envelope: &Envelope<'m>,
        facts: &Facts<'_>,
        context: &Context<'c>,
    ) -> Result<Admitted<'m, 'c>, Refusal> {
        info::check(facts, context)?;
        let ends = || facts.verb.is("ping");
        let rule = refusal::check(facts, context, ends)?;
        let mut changes: Vec<_> = envelope::with_ids_of_path(context.ids).collect();
        // Without the upstream's `admin_secret`, what clients send stays in their messages.
        if let Some(secret) = &context.backend.credentials.secret {
            // A `token` stays: it is what `add_token` and its like are about.
            changes.push(Change::SetText("admin_secret", secret.reveal()));
            changes.push(Change::Remove("apisecret"));
        }
        let text = match &changes[..] {
            [] => Cow::Borrowed(envelope.object.raw()),
            changes => envelope.object.edited(changes).into(),
        };
        Ok(Admitted { text, rule })
    }
}

impl Inspector for AdminApi {
    fn inspect<'m>(
        &mut self,
        direction: Direction,
        document: Value<'m>,
        context: &Context<'_>,
    ) -> Verdict<'m> {
        if direction == Direction::ToClient {
            return Verdict::Forward(answer(document, context));
        }
        let envelope = match Envelope::read(document, context.ids) {
            Ok(envelope) => envelope,
            Err(bad) => return conclusion::refuse(&bad, context),
        };
        let (facts, result) = match facts_of(&envelope) {
            Ok(facts) => {
                let result = Self::admit(&envelope, &facts, context);
                (facts, result)
            }
            Err(refusal) => {
                let plugin = envelope.plugin.and_then(Value::text).map(Text::unescaped);
                let facts = facts::readable(verb(&envelope), plugin, envelope.request);
                (facts, Err(refusal))
            }
        };
        conclude(&envelope, class(envelope.verb), &facts, result, context)
    }

    fn unreadable(&self, error: SyntaxError, context: &Context<'_>) -> Verdict<'static> {
        conclusion::unreadable(error, context)
    }

    fn recheck(&mut self, _: &Context<'_>) -> Result<(), &'static str> {
        Ok(())
    }
}

/// An answer of Janus, as clients get it.
fn answer<'m>(document: Value<'m>, context: &Context<'_>) -> Cow<'m, str> {
    let Some(object) = document.object() else {
        return Cow::Borrowed(document.raw());
    };
    let event = Event::read(object);
    conclusion::note_rejected(&event, context);
    match context.backend.info {
        InfoPolicy::Full => Cow::Borrowed(document.raw()),
        policy if event.is("server_info") => info::shown(object, policy),
        _ => Cow::Borrowed(document.raw()),
    }
}

fn find(verb: Text<'_>) -> Option<&'static (&'static str, Class)> {
    let mut verbs = ADMIN_VERBS.iter();
    verbs.find(|(name, _)| verb.is_ignoring_case(name))
}

fn class(verb: Text<'_>) -> MessageClass {
    match find(verb).map(|(_, class)| class) {
        Some(Class::Observe) => MessageClass::Observe,
        Some(Class::Operate) => MessageClass::Operate,
        Some(Class::Debug) => MessageClass::Debug,
        Some(Class::Secrets) => MessageClass::Secrets,
        Some(Class::MessagePlugin) => MessageClass::MessagePlugin,
        None => MessageClass::Unknown,
    }
}

fn verb<'m>(envelope: &Envelope<'m>) -> Word<'m> {
    Word::folded(envelope.verb, find(envelope.verb).is_some())
}

pub(super) fn facts_of<'m>(envelope: &Envelope<'m>) -> Result<Facts<'m>, Refusal> {
    let verb = verb(envelope);
    match find(envelope.verb) {
        // Judged by the message inside.
        Some((_, Class::MessagePlugin)) => {
            let (_, plugin) = envelope::text("plugin", envelope.plugin)?;
            let request = envelope::object("request", envelope.request)?;
            facts::of_plugin(verb, (plugin.unescaped(), Entries::default()), request)
        }
        // What is in it may change settings, so it needs a rule that names it.
        Some((name, _)) if name.starts_with("query_") && envelope.request.is_some() => {
            let request = envelope::object("request", envelope.request)?;
            let (_, text) = envelope::text("request", request.get("request"))?;
            let mut facts = facts::bare(verb, Some(request));
            facts.request = Some(Word::folded(text, false));
            Ok(facts)
        }
        _ => Ok(facts::bare(verb, Some(envelope.object))),
    }
}
