//! What a message says, as far as rules ask for it.

use std::borrow::Cow;

use super::entries::{Entries, Entry};
use super::room::Room;
use crate::signalling::document::{Object, Text};

/// What a message says.
#[derive(Clone, Debug)]
pub struct Facts<'m> {
    /// What it wants.
    pub verb: Word<'m>,
    /// The plugin that it is for, if it is for one.
    pub plugin: Option<Word<'m>>,
    /// What it wants of the plugin.
    pub request: Option<Word<'m>>,
    /// As what the client wants to join.
    pub ptype: Option<Word<'m>>,
    /// The room that it names.
    pub room: Option<Room<'m>>,
    /// Whether the request is one about a room, so that it must name one to match a rule about
    /// rooms. Other requests are about the room that the client is in already.
    pub is_about_room: bool,
    /// The rooms that the client's handle is in: what a request means that is not about a room
    /// which it names.
    pub entered: Entries,
    /// How the request is called if it enters the room that it names.
    pub enters: Option<&'static str>,
    /// Whether the request leaves a room. What a client has, it may always leave.
    pub is_leaving: bool,
    /// Whether it names an object that is not the client's.
    pub is_foreign: bool,
    /// What the plugin or the server reads parameters from.
    pub parameters: Option<Object<'m>>,
    /// What the verb, the plugin and the request are called.
    pub terms: Terms,
}

/// What the server calls what a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// Verbs, plugins and their requests.
    Janus,
    /// Methods, types of objects and their operations. The server opens the URIs in parameters.
    Kurento,
}

impl Terms {
    /// The name of the verb, of the plugin and of the request.
    pub fn names(self) -> [&'static str; 3] {
        match self {
            Self::Janus => ["verb", "plugin", "request"],
            Self::Kurento => ["method", "type", "operation"],
        }
    }
}

impl<'m> Facts<'m> {
    /// Facts about a message that is for no plugin and about no room.
    pub fn new(verb: Word<'m>) -> Self {
        Self {
            verb,
            plugin: None,
            request: None,
            ptype: None,
            room: None,
            is_about_room: false,
            entered: Entries::default(),
            enters: None,
            is_leaving: false,
            is_foreign: false,
            parameters: None,
            terms: Terms::Janus,
        }
    }

    /// Facts about the request that entered a room.
    pub fn of_entry(entry: &'m Entry, verb: &'static str, plugin: &'m str) -> Self {
        Self {
            plugin: Some(Word::exact(plugin.into(), true)),
            request: Some(Word::known(entry.request)),
            ptype: entry.ptype.map(Word::known),
            room: Some(entry.room.room()),
            is_about_room: true,
            ..Self::new(Word::known(verb))
        }
    }

    /// The first of these names that the parameters have as a member, at any depth.
    pub(super) fn member_among<'n>(&self, names: &'n [Box<str>]) -> Option<&'n str> {
        // Most rules forbid nothing, and most messages are short.
        let parameters = self.parameters.filter(|_| !names.is_empty())?;
        let among = |name: Text<'_>| names.iter().find(|forbidden| name.is(forbidden));
        let mut members = parameters.members_at_any_depth();
        members
            .find_map(|member| among(member.name))
            .map(|name| &**name)
    }
}

/// A name in a message, and how it is to be compared.
#[derive(Clone, Debug)]
pub struct Word<'m> {
    text: Written<'m>,
    /// Whether the gateway knows what it does.
    pub is_known: bool,
}

#[derive(Clone, Debug)]
enum Written<'m> {
    /// In the message; its case does not count.
    Folded(Text<'m>),
    /// Its case counts.
    Exact(Cow<'m, str>),
    /// In no message; its case does not count.
    Known(&'static str),
}

impl<'m> Word<'m> {
    /// A name whose case does not count.
    pub fn folded(text: Text<'m>, is_known: bool) -> Self {
        let text = Written::Folded(text);
        Self { text, is_known }
    }

    /// A name whose case counts.
    pub fn exact(text: Cow<'m, str>, is_known: bool) -> Self {
        let text = Written::Exact(text);
        Self { text, is_known }
    }

    /// A name that the gateway knows, and whose case does not count.
    pub fn known(name: &'static str) -> Self {
        Self {
            text: Written::Known(name),
            is_known: true,
        }
    }

    /// Whether it is this name.
    pub fn is(&self, name: &str) -> bool {
        match &self.text {
            Written::Folded(text) => text.is_ignoring_case(name),
            Written::Exact(text) => text == name,
            Written::Known(known) => known.eq_ignore_ascii_case(name),
        }
    }

    /// The name, in small letters if its case does not count.
    pub fn name(&self) -> Cow<'_, str> {
        match &self.text {
            Written::Folded(text) => text.unescaped().to_ascii_lowercase().into(),
            Written::Exact(text) => Cow::Borrowed(text),
            Written::Known(known) => Cow::Borrowed(known),
        }
    }
}
