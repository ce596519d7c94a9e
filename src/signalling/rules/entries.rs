//! The rooms that a handle has entered.

use std::sync::Arc;

use super::room::{Room, RoomId};

/// How many rooms one handle may enter.
const MOST: usize = 8;

/// A room that a handle has entered, with what its client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The request that entered.
    pub request: &'static str,
    /// As what the client wanted to join.
    pub ptype: Option<&'static str>,
    /// The room.
    pub room: RoomId,
}

/// The words that the plugins of Janus have for entering a room, and for what a client is there.
const WORDS: [&str; 7] = [
    "join",
    "joinandconfigure",
    "changeroom",
    "watch",
    "switch",
    "publisher",
    "subscriber",
];

impl Entry {
    /// A word that an entry may have.
    pub fn word(word: &str) -> Option<&'static str> {
        WORDS.into_iter().find(|known| *known == word)
    }
}

/// The handle has entered as many rooms as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// The rooms of a handle, in the order in which its client asked to enter them. A request that the
/// server then rejects counts as well, because its answer may come late or never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    rooms: Option<Arc<[Entry]>>,
    /// The client has asked to leave, and the server has not answered yet.
    is_leaving: bool,
}

impl Entries {
    /// The rooms in order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.as_slice().iter()
    }

    /// Those of a handle in another process.
    pub fn restored(rooms: impl Iterator<Item = Entry>, is_leaving: bool) -> Self {
        let rooms: Arc<[Entry]> = rooms.take(MOST).collect();
        let is_leaving = is_leaving && !rooms.is_empty();
        Self {
            rooms: Some(rooms).filter(|rooms| !rooms.is_empty()),
            is_leaving,
        }
    }

    /// Whether the client has asked to leave, and the server has not answered yet.
    pub fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_none()
    }

    /// Whether this room is one of them.
    pub fn contain(&self, room: &Room<'_>) -> bool {
        self.iter().any(|entry| room.is(&entry.room))
    }

    /// The client asks to leave a room: what it asks for next is another entry.
    pub fn note_leaving(&mut self) {
        self.is_leaving = !self.is_empty();
    }

    /// Adds a room. The same request a second time adds nothing, unless the client has asked to
    /// leave in between.
    ///
    /// # Errors
    /// If there are too many.
    pub fn add(&mut self, entry: Entry) -> Result<(), TooMany> {
        let known = self.as_slice();
        if known.last() == Some(&entry) && !self.is_leaving {
            return Ok(());
        }
        if known.len() >= MOST {
            return Err(TooMany);
        }
        self.rooms = Some(known.iter().cloned().chain([entry]).collect());
        Ok(())
    }

    /// The handle is in this room: those that it entered before are behind it. Of a room that was
    /// entered twice, the server may mean the first time.
    pub fn keep_from(&mut self, room: &Room<'_>) {
        let position = self.iter().position(|entry| room.is(&entry.room));
        self.drop_first(position.unwrap_or(0));
    }

    /// The handle has left this room, and those that it entered before.
    pub fn keep_after(&mut self, room: &Room<'_>) {
        let position = self.iter().position(|entry| room.is(&entry.room));
        self.drop_first(position.map_or(0, |position| position + 1));
    }

    /// The handle has left the room that it was in.
    pub fn drop_first(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.is_leaving = false;
        let rest = self.as_slice().get(count..).unwrap_or_default();
        self.rooms = (!rest.is_empty()).then(|| rest.into());
    }

    /// Takes all of them out.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn as_slice(&self) -> &[Entry] {
        self.rooms.as_deref().unwrap_or_default()
    }
}
