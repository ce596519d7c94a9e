//! Rooms as patterns: those of Lua, as far as one that is for rooms has a use for them.
//!
//! Prosody's plugins look for the pattern in the name of the room and compare what they find with
//! the whole name. Which part is found depends on the order in which Lua tries repetitions, so that
//! order is kept here. Back references, `%b`, `%f` and captures of a part are not supported, nor
//! classes in upper case: the plugins lower the whole pattern, which makes them their opposite.

use std::fmt;

/// The longest pattern in bytes.
const LONGEST: usize = 1024;

/// Why a pattern is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// Something in it has no meaning here.
    Syntax,
    /// It is too long.
    Length,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "pattern not supported",
            Self::Length => "pattern too long",
        })
    }
}

/// Whether a pattern is found in a room's name and is all of it. The pattern's letters count as
/// lower case.
///
/// # Errors
/// If the pattern is not supported.
pub(super) fn matches(pattern: &str, room: &str) -> Result<bool, Unsupported> {
    if pattern.len() > LONGEST {
        return Err(Unsupported::Length);
    }
    let pattern = Pattern::parse(pattern)?;
    Ok(pattern.end_in(room.as_bytes()) == Some(room.len()))
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes([u64; 4]);

impl Bytes {
    fn of(is_in: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::default();
        (0..=u8::MAX)
            .filter(|byte| is_in(*byte))
            .for_each(|byte| set.add(byte));
        set
    }

    fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn add_all(&mut self, other: Self) {
        for (mine, other) in self.0.iter_mut().zip(other.0) {
            *mine |= other;
        }
    }

    fn inverted(self) -> Self {
        Self(self.0.map(|bits| !bits))
    }

    fn has(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }
}

/// How often an item may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Once,
    /// Once if possible.
    AtMostOnce,
    /// As often as possible.
    Most,
    /// As seldom as possible.
    Fewest,
}

struct Pattern {
    items: Vec<(Bytes, Times)>,
    /// It has to reach the end of the name.
    to_the_end: bool,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, Unsupported> {
        let text = text.as_bytes();
        // Only what begins at the beginning can be all of the name.
        let text = text.strip_prefix(b"^").unwrap_or(text);
        let (text, to_the_end) = match text {
            [front @ .., b'$'] if !ends_with_escape(front) => (front, true),
            _ => (text, false),
        };
        let mut reader = Reader { text, at: 0 };
        let is_captured = reader.skip(b'(');
        let mut items = Vec::new();
        while let Some(byte) = reader.next() {
            if byte == b')' && is_captured && reader.at == text.len() {
                return Ok(Self { items, to_the_end });
            }
            let bytes = reader.item(byte)?;
            let times = match reader.peek() {
                Some(b'*') => Times::Most,
                Some(b'+') => {
                    items.push((bytes, Times::Once));
                    Times::Most
                }
                Some(b'-') => Times::Fewest,
                Some(b'?') => Times::AtMostOnce,
                _ => Times::Once,
            };
            if matches!(reader.peek(), Some(b'*' | b'+' | b'-' | b'?')) {
                reader.at += 1;
            }
            items.push((bytes, times));
        }
        match is_captured {
            true => Err(Unsupported::Syntax),
            false => Ok(Self { items, to_the_end }),
        }
    }

    /// Where the part of a name ends that Lua finds at its beginning. Computed from the last item
    /// to the first, for each place in the name: an item that may come more than once only asks
    /// what was found one byte later.
    fn end_in(&self, name: &[u8]) -> Option<usize> {
        let last = name.len();
        let mut after: Vec<Option<usize>> = (0..=last)
            .map(|at| (!self.to_the_end || at == last).then_some(at))
            .collect();
        for (bytes, times) in self.items.iter().rev() {
            let mut here = vec![None; last + 1];
            for at in (0..=last).rev() {
                let fits = name.get(at).is_some_and(|byte| bytes.has(*byte));
                let without = after[at];
                here[at] = match times {
                    Times::Once if fits => after[at + 1],
                    Times::Once => None,
                    _ if !fits => without,
                    Times::AtMostOnce => after[at + 1].or(without),
                    Times::Most => here[at + 1].or(without),
                    Times::Fewest => without.or(here[at + 1]),
                };
            }
            after = here;
        }
        after[0]
    }
}

/// Whether what follows is escaped: an odd number of `%` at the end.
fn ends_with_escape(front: &[u8]) -> bool {
    front.iter().rev().take_while(|byte| **byte == b'%').count() % 2 == 1
}

struct Reader<'p> {
    text: &'p [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// What one item stands for, of which the first byte has been read.
    fn item(&mut self, first: u8) -> Result<Bytes, Unsupported> {
        match first {
            b'.' => Ok(Bytes::of(|_| true)),
            b'%' => self.escape(),
            b'[' => self.set(),
            b'(' | b')' => Err(Unsupported::Syntax),
            byte => Ok(one(byte)),
        }
    }

    /// What follows `%`.
    fn escape(&mut self) -> Result<Bytes, Unsupported> {
        let byte = self.next().ok_or(Unsupported::Syntax)?;
        let class: fn(&u8) -> bool = match byte {
            b'a' => u8::is_ascii_alphabetic,
            b'c' => u8::is_ascii_control,
            b'd' => u8::is_ascii_digit,
            b'g' => u8::is_ascii_graphic,
            b'l' => u8::is_ascii_lowercase,
            b'p' => u8::is_ascii_punctuation,
            b's' => |byte| matches!(byte, b' ' | 9..=13),
            b'u' => u8::is_ascii_uppercase,
            b'w' => u8::is_ascii_alphanumeric,
            b'x' => u8::is_ascii_hexdigit,
            _ if byte.is_ascii_alphanumeric() => return Err(Unsupported::Syntax),
            _ => return Ok(one(byte)),
        };
        Ok(Bytes::of(|byte| class(&byte)))
    }

    /// What follows `[`. A `]` that comes first is one of the set.
    fn set(&mut self) -> Result<Bytes, Unsupported> {
        let is_inverted = self.skip(b'^');
        let mut set = Bytes::default();
        let first = self.at;
        loop {
            let byte = self.next().ok_or(Unsupported::Syntax)?;
            match byte {
                b']' if self.at - 1 > first => break,
                b'%' => set.add_all(self.escape()?),
                low => {
                    // A `-` before the end of the set is itself.
                    let high = match self.text[self.at..] {
                        [b'-', high, ..] if high != b']' => Some(high),
                        _ => None,
                    };
                    match high {
                        // Lua would read on behind it, and the set would end elsewhere.
                        Some(b'%') => return Err(Unsupported::Syntax),
                        Some(high) => {
                            self.at += 2;
                            let range = low.to_ascii_lowercase()..=high.to_ascii_lowercase();
                            set.add_all(Bytes::of(|byte| range.contains(&byte)));
                        }
                        None => set.add(low.to_ascii_lowercase()),
                    }
                }
            }
        }
        Ok(if is_inverted { set.inverted() } else { set })
    }
}

fn one(byte: u8) -> Bytes {
    let mut set = Bytes::default();
    set.add(byte.to_ascii_lowercase());
    set
}
