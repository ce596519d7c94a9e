//! What a plugin's message asks for.

use std::borrow::Cow;

use super::envelope;
use super::plugins::{self, Plugin, RoomUse};
use super::refusal::Refusal;
use crate::signalling::document::{Kind, Member, Object, Text, Value};
use crate::signalling::rules::{Entries, Facts, Room, Word};

/// Every member that some plugin takes for a room.
const ROOM_NAMES: [&str; 4] = ["room", "room_id", "rooms", "room_ids"];

/// The longest name of a room in bytes: names are kept.
const LONGEST_ROOM: usize = 512;

/// The largest room number, as for sessions.
const LARGEST_ROOM: i64 = 1 << 53;

/// Facts about a message that is for no plugin.
pub(super) fn bare<'m>(verb: Word<'m>, parameters: Option<Object<'m>>) -> Facts<'m> {
    Facts {
        parameters,
        ..Facts::new(verb)
    }
}

/// A plugin's name.
pub(super) fn plugin_word(name: Cow<'_, str>) -> Word<'_> {
    let is_known = plugins::find(&name).is_some();
    Word::exact(name, is_known)
}

/// Facts about what is sent to a plugin, by a handle that has entered some rooms: a `message` with
/// its `body`, or a `message_plugin` with its `request`.
///
/// # Errors
/// If there is more than one reading of it, or it lacks what its request needs.
pub(super) fn of_plugin<'m>(
    verb: Word<'m>,
    (plugin_name, entered): (Cow<'m, str>, Entries),
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
    let members = Members::read(body, plugin);
    let mut room_use = Some(RoomUse::None);
    match members.request {
        None if plugin.is_request_optional => {}
        value => {
            let (_, text) = envelope::text(plugin.request, value)?;
            room_use = plugin.room_use(|name| text.is_ignoring_case(name));
            facts.request = Some(Word::folded(text, room_use.is_some()));
        }
    }
    // TextRoom reads its request from this member if there is one, and fills it in from `request`
    // if there is none.
    if plugin.name == "janus.plugin.textroom" && members.has_textroom {
        return Err(Refusal::SecondRequest);
    }
    if members.ptype.is_some() {
        let (_, text) = envelope::text("ptype", members.ptype)?;
        facts.ptype = Some(Word::folded(text, true));
    }
    if let Some(name) = plugin.room {
        facts.room = members.room(name)?;
        facts.is_about_room = room_use != Some(RoomUse::None);
        if facts.room.is_none() && room_use == Some(RoomUse::Required) {
            return Err(Refusal::NoRoom);
        }
        let request_among = |names: &[&'static str]| {
            let mut names = names.iter().copied();
            names.find(|name| facts.request.as_ref().is_some_and(|it| it.is(name)))
        };
        facts.enters = request_among(plugin.enters);
        let is_own = |room: &Room<'_>| entered.contain(room);
        facts.is_leaving =
            request_among(plugin.leaves).is_some() && facts.room.as_ref().is_none_or(is_own);
    }
    facts.entered = entered;
    Ok(facts)
}

/// What can be read of a message that has no facts, for the audit log: `body` is what its plugin
/// is sent, and `plugin` the one that its handle is attached to, or that it names.
pub(super) fn readable<'m>(
    verb: Word<'m>,
    plugin: Option<Cow<'m, str>>,
    body: Option<Value<'m>>,
) -> Facts<'m> {
    let mut facts = bare(verb, None);
    let known = plugin.as_deref().and_then(plugins::find);
    facts.plugin = plugin.map(plugin_word);
    let Some(body) = body.and_then(Value::object) else {
        return facts;
    };
    let request = known.map_or("request", |plugin| plugin.request);
    let request = body.get(request).and_then(Value::text);
    facts.request = request.map(|text| Word::folded(text, false));
    if let Some((plugin, room)) = known.and_then(|plugin| Some((plugin, plugin.room?))) {
        facts.room = Members::read(body, plugin).room(room).ok().flatten();
    }
    facts
}

/// What facts are taken from.
#[derive(Default)]
struct Members<'m> {
    request: Option<Value<'m>>,
    has_textroom: bool,
    ptype: Option<Value<'m>>,
    room: Option<Value<'m>>,
    /// A member that some plugin takes for a room, beside the plugin's own.
    second_room: Option<&'static str>,
}

impl<'m> Members<'m> {
    /// Reads what is sent to a plugin, in one pass.
    fn read(body: Object<'m>, plugin: &Plugin) -> Self {
        let mut found = Self::default();
        for Member { name, value } in body.members() {
            if name.is(plugin.request) {
                found.request = Some(value);
            } else if plugin.room.is_some_and(|room| name.is(room)) {
                found.room = Some(value);
            } else if name.is("ptype") {
                found.ptype = Some(value);
            } else if name.is("textroom") {
                found.has_textroom = true;
            } else {
                found.second_room = found.second_room.or_else(|| room_name(name));
            }
            if matches!(value.kind(), Kind::Object | Kind::Array) {
                let mut below = value.members_at_any_depth();
                let second = || below.find_map(|member| room_name(member.name));
                found.second_room = found.second_room.or_else(second);
            }
        }
        found
    }

    /// The room that a message names.
    fn room(&self, name: &'static str) -> Result<Option<Room<'m>>, Refusal> {
        if let Some(second) = self.second_room {
            return Err(Refusal::SecondRoom(second.into()));
        }
        let Some(value) = self.room else {
            return Ok(None);
        };
        let is_room = |number: &i64| (0..=LARGEST_ROOM).contains(number);
        let number = value.integer().filter(is_room).map(Room::Number);
        let room = number.or_else(|| value.text().map(Room::Text));
        if value.raw().len() > LONGEST_ROOM {
            return Err(Refusal::Type(name, "at most 500 bytes long"));
        }
        room.map(Some)
            .ok_or(Refusal::Type(name, "an integer or a string"))
    }
}

fn room_name(name: Text<'_>) -> Option<&'static str> {
    ROOM_NAMES.into_iter().find(|room| name.is(room))
}
