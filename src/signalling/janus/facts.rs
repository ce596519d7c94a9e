//! What a plugin's message asks for.

use std::borrow::Cow;

use super::envelope;
use super::plugins::{self, RoomUse};
use super::refusal::Refusal;
use crate::signalling::document::{Object, Value};
use crate::signalling::rules::{Facts, Room, Word};

/// Every member that some plugin takes for a room.
const ROOM_NAMES: [&str; 4] = ["room", "room_id", "rooms", "room_ids"];

/// The largest room number, as for sessions.
const LARGEST_ROOM: i64 = 1 << 53;

/// Facts about a message that is for no plugin.
pub(super) fn bare<'m>(verb: Word<'m>, parameters: Option<Object<'m>>) -> Facts<'m> {
    Facts {
        verb,
        plugin: None,
        request: None,
        ptype: None,
        room: None,
        is_about_room: false,
        parameters,
    }
}

/// A plugin's name.
pub(super) fn plugin_word(name: Cow<'_, str>) -> Word<'_> {
    let is_known = plugins::find(&name).is_some();
    Word::exact(name, is_known)
}

/// Facts about what is sent to a plugin: a `message` with its `body`, or a `message_plugin` with
/// its `request`.
///
/// # Errors
/// If there is more than one reading of it, or it lacks what its request needs.
pub(super) fn of_plugin<'m>(
    verb: Word<'m>,
    plugin_name: Cow<'m, str>,
    body: Object<'m>,
) -> Result<Facts<'m>, Refusal> {
    let plugin = plugins::find(&plugin_name);
    let mut facts = bare(verb, Some(body));
    facts.plugin = Some(Word::exact(plugin_name, plugin.is_some()));
    let Some(plugin) = plugin else {
        // Nothing is known about its requests; a rule that names it may name them.
        facts.request = body
            .get("request")
            .and_then(Value::text)
            .map(|text| Word::folded(text, false));
        return Ok(facts);
    };
    let mut room_use = Some(RoomUse::None);
    match body.get(plugin.request) {
        None if plugin.is_request_optional => {}
        value => {
            let (_, text) = envelope::text(plugin.request, value)?;
            room_use = plugin.room_use(|name| text.is_ignoring_case(name));
            facts.request = Some(Word::folded(text, room_use.is_some()));
        }
    }
    // TextRoom reads its request from this member if there is one, and fills it in from `request`
    // if there is none.
    if plugin.name == "janus.plugin.textroom" && body.get("textroom").is_some() {
        return Err(Refusal::SecondRequest);
    }
    if let Some(ptype) = body.get("ptype") {
        let (_, text) = envelope::text("ptype", Some(ptype))?;
        facts.ptype = Some(Word::folded(text, true));
    }
    if let Some(name) = plugin.room {
        facts.room = room(name, body)?;
        facts.is_about_room = room_use != Some(RoomUse::None);
        if facts.room.is_none() && room_use == Some(RoomUse::Required) {
            return Err(Refusal::NoRoom);
        }
    }
    Ok(facts)
}

/// The room that a message names.
fn room<'m>(name: &'static str, body: Object<'m>) -> Result<Option<Room<'m>>, Refusal> {
    let other = |text: &str| text != name;
    let is_second = |member: &str| ROOM_NAMES.contains(&member) && other(member);
    let mut own = 0;
    for member in body.members_at_any_depth() {
        let found = ROOM_NAMES.iter().find(|room| member.name.is(room));
        if let Some(found) = found {
            own += usize::from(*found == name);
            if is_second(found) || own > 1 {
                return Err(Refusal::SecondRoom((*found).into()));
            }
        }
    }
    let Some(value) = body.get(name) else {
        // It is somewhere below.
        return if own > 0 {
            Err(Refusal::SecondRoom(name.into()))
        } else {
            Ok(None)
        };
    };
    let is_room = |number: &i64| (0..=LARGEST_ROOM).contains(number);
    let number = value.integer().filter(is_room).map(Room::Number);
    let room = number.or_else(|| value.text().map(Room::Text));
    room.map(Some)
        .ok_or(Refusal::Type(name, "an integer or a string"))
}
