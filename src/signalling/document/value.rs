//! Values of a checked message. They are read where they are.

use super::scan::plain_length;
use super::text::Text;

/// A value, as it was written.
#[derive(Clone, Copy, Debug)]
pub struct Value<'m>(&'m str);

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object.
    Object,
    /// An array.
    Array,
    /// A string.
    Text,
    /// A number.
    Number,
    /// A boolean.
    Bool,
    /// `null`.
    Null,
}

impl<'m> Value<'m> {
    /// From the text of exactly one checked value.
    pub(super) fn new(text: &'m str) -> Self {
        Self(text)
    }

    /// As it was written.
    pub fn raw(self) -> &'m str {
        self.0
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// If it is an object.
    pub fn object(self) -> Option<Object<'m>> {
        (self.kind() == Kind::Object).then_some(Object(self.0))
    }

    /// If it is an array.
    pub fn array(self) -> Option<Array<'m>> {
        (self.kind() == Kind::Array).then_some(Array(self.0))
    }

    /// If it is a string.
    pub fn text(self) -> Option<Text<'m>> {
        let raw = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(Text::new(raw))
    }

    /// The members of everything in it, in the order in which they were written.
    pub fn members_at_any_depth(self) -> impl Iterator<Item = Nested<'m>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            loop {
                rest = &rest[rest.bytes().position(|byte| byte == b'"')?..];
                if let Some((name, after)) = name(rest) {
                    rest = after;
                    return Some(Nested { name, after });
                }
                rest = &rest[string_end(rest.as_bytes())..];
            }
        })
    }

    /// The strings in it that are values, not names, in the order in which they were written.
    pub fn texts_at_any_depth(self) -> impl Iterator<Item = Text<'m>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            loop {
                rest = &rest[rest.find('"')?..];
                if let Some((_, after)) = name(rest) {
                    rest = after;
                    continue;
                }
                let (text, after) = rest.split_at(string_end(rest.as_bytes()));
                rest = after;
                return Some(Text::new(&text[1..text.len() - 1]));
            }
        })
    }

    /// If it is an integer: a number without fraction and exponent.
    pub fn integer(self) -> Option<i64> {
        self.0.parse().ok()
    }
}

/// An object.
#[derive(Clone, Copy, Debug)]
pub struct Object<'m>(&'m str);

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'m> {
    /// Its name.
    pub name: Text<'m>,
    /// Its value.
    pub value: Value<'m>,
}

/// A member of an object, or of something in it.
#[derive(Clone, Copy, Debug)]
pub struct Nested<'m> {
    /// Its name.
    pub name: Text<'m>,
    after: &'m str,
}

impl<'m> Nested<'m> {
    /// Its value. It is looked for now, because finding the ends of all values takes time by depth.
    pub fn value(self) -> Value<'m> {
        Value(&self.after[..value_end(self.after)])
    }
}

impl<'m> Object<'m> {
    /// As it was written.
    pub fn raw(self) -> &'m str {
        self.0
    }

    /// Its members in order.
    pub fn members(self) -> impl Iterator<Item = Member<'m>> {
        let mut rest = &self.0[1..];
        std::iter::from_fn(move || {
            rest = skip_separators(rest);
            let (name, after) = name(rest)?;
            let (value, left) = after.split_at(value_end(after));
            rest = left;
            Some(Member {
                name,
                value: Value(value),
            })
        })
    }

    /// A member by its name.
    pub fn get(self, name: &str) -> Option<Value<'m>> {
        let mut members = self.members();
        members
            .find(|member| member.name.is(name))
            .map(|member| member.value)
    }

    /// The members of this object and of everything in it, in the order in which they were
    /// written.
    pub fn members_at_any_depth(self) -> impl Iterator<Item = Nested<'m>> {
        Value(self.0).members_at_any_depth()
    }

    /// The strings in it that are values, at any depth.
    pub fn texts_at_any_depth(self) -> impl Iterator<Item = Text<'m>> {
        Value(self.0).texts_at_any_depth()
    }
}

/// An array.
#[derive(Clone, Copy, Debug)]
pub struct Array<'m>(&'m str);

impl<'m> Array<'m> {
    /// Its items in order.
    pub fn items(self) -> impl Iterator<Item = Value<'m>> {
        let mut rest = &self.0[1..];
        std::iter::from_fn(move || {
            rest = skip_separators(rest);
            if rest.starts_with(']') {
                return None;
            }
            let (item, left) = rest.split_at(value_end(rest));
            rest = left;
            Some(Value(item))
        })
    }
}

/// The name that begins here, and what follows it from the value on. `None` if what begins here is
/// no name: a string that is a value, or the end of the object.
fn name(text: &str) -> Option<(Text<'_>, &str)> {
    if !text.starts_with('"') {
        return None;
    }
    let (name, rest) = text.split_at(string_end(text.as_bytes()));
    let value = skip(rest, is_space).strip_prefix(':')?;
    Some((Text::new(&name[1..name.len() - 1]), skip(value, is_space)))
}

fn skip_separators(text: &str) -> &str {
    skip(text, |byte| byte == b',' || is_space(byte))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The text from the first byte on that is another one. It is mostly the first or second.
fn skip(text: &str, is_skipped: impl Fn(u8) -> bool) -> &str {
    let at = text.bytes().position(|byte| !is_skipped(byte));
    &text[at.unwrap_or(text.len())..]
}

/// Where the value ends that begins here. The text has been checked.
pub(super) fn value_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes.first() {
        Some(b'"') => string_end(bytes),
        Some(b'{' | b'[') => container_end(bytes),
        _ => {
            let is_end = |byte: &u8| matches!(byte, b',' | b']' | b'}') || is_space(*byte);
            bytes.iter().position(is_end).unwrap_or(bytes.len())
        }
    }
}

/// Where the object or array ends that begins here.
fn container_end(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += string_end(&bytes[at..]);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return at + 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Where the string ends that begins here, after its quote.
fn string_end(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        at += plain_length(&bytes[at..]);
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            _ => return bytes.len().min(at + 1),
        }
    }
    bytes.len()
}
