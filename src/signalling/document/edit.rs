//! The same document with other members.

use std::fmt::Write as _;

use super::scan::plain_length;
use super::value::{Object, Value};

/// What becomes of a member of the outermost object. An object without it gets it as its last one.
#[derive(Clone, Copy, Debug)]
pub enum Change<'e> {
    /// It is taken out.
    Remove(&'e str),
    /// It is set to this text.
    SetText(&'e str, &'e str),
    /// It is set to this value.
    Set(&'e str, Value<'e>),
    /// It is set to this number.
    SetNumber(&'e str, i64),
}

impl<'e> Change<'e> {
    fn name(&self) -> &'e str {
        match self {
            Self::Remove(name)
            | Self::SetText(name, _)
            | Self::Set(name, _)
            | Self::SetNumber(name, _) => name,
        }
    }

    /// Appends the member, if one is left.
    fn write(&self, out: &mut String) {
        match self {
            Self::Remove(_) => {}
            Self::SetText(name, text) => {
                start_member(out);
                push_quoted(out, name);
                out.push(':');
                push_quoted(out, text);
            }
            Self::Set(name, value) => {
                start_member(out);
                push_quoted(out, name);
                out.push(':');
                out.push_str(value.raw());
            }
            Self::SetNumber(name, number) => {
                start_member(out);
                push_quoted(out, name);
                // Writing to a string cannot fail.
                let _ = write!(out, ":{number}");
            }
        }
    }
}

impl Object<'_> {
    /// The object with these changes, each of another member. Everything else is the same byte for
    /// byte and in the same order, but for white space between its members.
    pub fn edited(self, changes: &[Change<'_>]) -> String {
        let mut out = String::with_capacity(self.raw().len() + 128);
        out.push('{');
        let mut done = 0_u32;
        for member in self.members() {
            let is_meant = |change: &Change<'_>| member.name.is(change.name());
            if let Some(at) = changes.iter().position(is_meant) {
                changes[at].write(&mut out);
                done |= 1 << at;
                continue;
            }
            start_member(&mut out);
            out.push('"');
            out.push_str(member.name.raw());
            out.push_str("\":");
            out.push_str(member.value.raw());
        }
        for (at, change) in changes.iter().enumerate() {
            if done & (1 << at) == 0 {
                change.write(&mut out);
            }
        }
        out.push('}');
        out
    }
}

fn start_member(out: &mut String) {
    if out.len() > 1 {
        out.push(',');
    }
}

/// Appends a text as a JSON string.
pub fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_length(rest.as_bytes()));
        out.push_str(plain);
        let mut special = special.chars();
        match special.next() {
            None => break,
            Some(c @ ('"' | '\\')) => {
                out.push('\\');
                out.push(c);
            }
            Some(c) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
        rest = special.as_str();
    }
    out.push('"');
}
