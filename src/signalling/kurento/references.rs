//! Strings by which a request names objects.
//!
//! KMS takes any parameter for the id of an object if an operation wants one, so that every string
//! counts that has the form of an id: `UUID_module.Type`, and more of them after slashes. In a
//! transaction `newref:2`, wherever it stands, is the value that operation 2 has returned.

use crate::signalling::document::Text;

/// With what references to earlier operations begin.
const NEW: &str = "newref:";

/// The shortest first part of an id: a UUID without hyphens.
const SHORTEST: usize = 32;

/// What a string names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// No object.
    None,
    /// An object by its id.
    Object,
    /// The value of the operation with this number. KMS reads the number leniently; `None` if it
    /// is not written as usual.
    New(Option<usize>),
}

impl Reference {
    /// What a string names. Only in a transaction there are earlier operations.
    pub(super) fn of(text: Text<'_>) -> Self {
        let mut chars = text.chars();
        let mut prefix = NEW.chars();
        match chars.next() {
            Some('n') if prefix.next() == Some('n') && prefix.all(|c| chars.next() == Some(c)) => {
                number(chars)
            }
            Some(first) if first.is_ascii_hexdigit() && is_id(text.chars()) => Self::Object,
            _ => Self::None,
        }
    }
}

fn number(digits: impl Iterator<Item = char>) -> Reference {
    // More digits than a transaction can have operations.
    let digits: String = digits.take(8).collect();
    let is_usual = digits.len() < 8
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    Reference::New(digits.parse().ok().filter(|_| is_usual))
}

/// Whether it is `UUID_module.Type`, or several of these with slashes between.
fn is_id(chars: impl Iterator<Item = char>) -> bool {
    let (mut part, mut length, mut is_first) = (Part::Id, 0, true);
    for c in chars {
        let next = match (part, c) {
            (Part::Id, '_') if length >= SHORTEST || !is_first => Part::Module,
            (Part::Module, '.') if length > 0 => Part::Type,
            (Part::Type, '/') if length > 0 => Part::Id,
            (Part::Id, '-') | (Part::Module | Part::Type, '_') => part,
            (_, c) if c.is_ascii_alphanumeric() => part,
            _ => return false,
        };
        is_first &= next != Part::Id || part == Part::Id;
        length = if next == part { length + 1 } else { 0 };
        part = next;
    }
    part == Part::Type && length > 0
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Id,
    Module,
    Type,
}
