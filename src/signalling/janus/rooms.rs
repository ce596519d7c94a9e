//! Which rooms handles are in, and whether their clients may still be there.
//!
//! A request enters a room as soon as it goes on to Janus, and rooms are left when Janus says so:
//! requests over HTTP may overtake each other. Only what Janus says with a transaction is about the
//! handle itself, and not about another participant.

use super::envelope::Envelope;
use super::event::Event;
use super::refusal::{Lost, Refusal};
use crate::signalling::Context;
use crate::signalling::document::{Object, Value};
use crate::signalling::owners::Attached;
use crate::signalling::rules::{Decision, Entries, Entry, Facts, Room, Word};

/// What VideoRoom knows as `ptype`.
const PTYPES: [&str; 2] = ["publisher", "subscriber"];

/// Remembers the room that an allowed request enters.
///
/// # Errors
/// If the handle has entered too many.
pub(super) fn enter(
    envelope: &Envelope<'_>,
    facts: &Facts<'_>,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    let (Some(session), Some(handle)) = (envelope.session, envelope.handle) else {
        return Ok(());
    };
    if facts.is_leaving {
        let owners = &context.backend.owners;
        owners.with_entries(context.owner, (session, handle), Entries::note_leaving);
    }
    let (Some(request), Some(room)) = (facts.enters, facts.room) else {
        return Ok(());
    };
    let is_ptype = |name: &&str| facts.ptype.as_ref().is_some_and(|ptype| ptype.is(name));
    let entry = Entry {
        request,
        ptype: PTYPES.into_iter().find(is_ptype),
        room: room.id(),
    };
    let owners = &context.backend.owners;
    let entered = owners.enter(context.owner, (session, handle), entry);
    entered.map_err(|_| Refusal::TooManyRooms)
}

/// Looks whether the client may still have the handles of the session that the message names. If
/// not, only what ends them may pass: anything else would keep the session alive.
///
/// # Errors
/// If it may not, and the message is another.
pub(super) fn check(
    session: Option<i64>,
    facts: &Facts<'_>,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    let Some(session) = session else {
        return Ok(());
    };
    let owners = &context.backend.owners;
    let Some(lost) = lost(session, context) else {
        owners.note_checked(context.owner, session, context.now);
        return Ok(());
    };
    let is = |verb: &str| facts.verb.is(verb);
    let is_lost = || {
        let plugin = facts.plugin.as_ref().map(Word::name).unwrap_or_default();
        lost_of(&plugin, &facts.entered, context).is_some()
    };
    let is_ending = is("destroy")
        || is("detach")
        || (is("hangup") || is("message") && facts.is_leaving) && is_lost();
    if is_ending {
        Ok(())
    } else {
        Err(Refusal::Lost(lost))
    }
}

/// What the client has in a session, and may no longer have.
pub(super) fn lost(session: i64, context: &Context<'_>) -> Option<Lost> {
    context.rules?;
    let lost = |Attached { plugin, entered }: &Attached| lost_of(plugin, entered, context);
    let owners = &context.backend.owners;
    owners.find_in_handles(context.owner, session, lost)
}

/// The same of one handle.
fn lost_of(plugin: &str, entered: &Entries, context: &Context<'_>) -> Option<Lost> {
    let rules = context.rules?;
    let is_allowed =
        |facts: &Facts<'_>| matches!(rules.decide(facts, context.claims), Decision::Allowed(_));
    let attach = Facts {
        plugin: Some(super::facts::plugin_word(plugin.into())),
        ..Facts::new(Word::known("attach"))
    };
    if !is_allowed(&attach) {
        return Some(Lost::Plugin);
    }
    let is_lost = |entry: &Entry| !is_allowed(&Facts::of_entry(entry, "message", plugin));
    entered.iter().any(is_lost).then_some(Lost::Room)
}

/// Learns from an answer of a plugin which rooms a handle is no longer in.
pub(super) fn follow(event: &Event<'_>, context: &Context<'_>) {
    let Some(moved) = Moved::read(event) else {
        return;
    };
    let (Some(session), Some(handle)) = (event.session, event.sender) else {
        return;
    };
    let (owners, handle) = (&context.backend.owners, (session, handle));
    owners.with_entries(context.owner, handle, |entries| match moved {
        Moved::In(room) => entries.keep_from(&room),
        Moved::Out(room) => entries.keep_after(&room),
        Moved::OutOfCurrent => entries.drop_first(1),
        Moved::OutOfAll => entries.clear(),
    });
}

/// What Janus says of a handle and rooms.
enum Moved<'m> {
    /// It is in this one.
    In(Room<'m>),
    /// It has left this one.
    Out(Room<'m>),
    /// It has left the one that it was in.
    OutOfCurrent,
    /// It has left, and cannot enter any.
    OutOfAll,
}

impl<'m> Moved<'m> {
    /// From an answer with a transaction.
    fn read(event: &Event<'m>) -> Option<Self> {
        if !event.is("event") || event.transaction.is_none() {
            return None;
        }
        let plugindata = event.plugindata?;
        let plugin = plugindata.get("plugin")?.text()?;
        let data = plugindata.get("data")?.object()?;
        let is = |name: &str, wanted: &str| is_text(data.get(name), wanted);
        if plugin.is("janus.plugin.audiobridge") {
            let room = room(data.get("room")?)?;
            if is("audiobridge", "joined") || is("audiobridge", "roomchanged") {
                return Some(Self::In(room));
            }
            return is("audiobridge", "left").then_some(Self::Out(room));
        }
        // A subscriber that has left may subscribe again; a publisher is out for good.
        if plugin.is("janus.plugin.videoroom") {
            return is("leaving", "ok").then_some(Self::OutOfAll);
        }
        if plugin.is("janus.plugin.streaming") {
            let result: Object<'m> = data.get("result")?.object()?;
            if is_text(result.get("switched"), "ok") {
                return Some(Self::In(room(result.get("id")?)?));
            }
            let is_over = is_text(result.get("status"), "stopping");
            return is_over.then_some(Self::OutOfCurrent);
        }
        None
    }
}

fn is_text(value: Option<Value<'_>>, wanted: &str) -> bool {
    value
        .and_then(Value::text)
        .is_some_and(|text| text.is(wanted))
}

fn room(value: Value<'_>) -> Option<Room<'_>> {
    let number = value.integer().map(Room::Number);
    number.or_else(|| value.text().map(Room::Text))
}
