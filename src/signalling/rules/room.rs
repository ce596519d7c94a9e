//! Rooms, in messages and without them.

use crate::signalling::document::Text;

/// The room that a message names. The number 1 and the text `1` are two rooms.
#[derive(Clone, Copy, Debug)]
pub enum Room<'m> {
    /// A number.
    Number(i64),
    /// A text.
    Text(Text<'m>),
    /// A text that is in no message.
    Kept(&'m str),
}

/// A room, kept longer than the message that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomId {
    /// A number.
    Number(i64),
    /// A text.
    Text(Box<str>),
}

impl Room<'_> {
    /// Whether it is this room.
    pub fn is(&self, id: &RoomId) -> bool {
        match id {
            RoomId::Number(id) => self.is_number(*id),
            RoomId::Text(id) => self.is_text(id),
        }
    }

    pub(super) fn is_number(&self, id: i64) -> bool {
        matches!(self, Self::Number(number) if *number == id)
    }

    pub(super) fn is_text(&self, id: &str) -> bool {
        match self {
            Self::Number(_) => false,
            Self::Text(text) => text.is(id),
            Self::Kept(text) => *text == id,
        }
    }

    /// The room without the message.
    pub fn id(&self) -> RoomId {
        match self {
            Self::Number(number) => RoomId::Number(*number),
            Self::Text(text) => RoomId::Text(text.unescaped().into()),
            Self::Kept(text) => RoomId::Text((*text).into()),
        }
    }
}

impl RoomId {
    /// The same as a message would name it.
    pub(super) fn room(&self) -> Room<'_> {
        match self {
            Self::Number(number) => Room::Number(*number),
            Self::Text(text) => Room::Kept(text),
        }
    }
}
