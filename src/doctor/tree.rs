//! What nested files say, whatever their syntax: names, values, and the place of each.

use std::sync::Arc;

use super::place::Place;

/// A value, where it is written.
#[derive(Clone, Debug)]
pub struct Node {
    /// Of its first character.
    pub place: Place,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string.
    Text(String),
    /// An integer.
    Number(i64),
    /// True or false.
    Bool(bool),
    /// A group, table or object. Tables of Lua are lists as well.
    Table(Vec<Member>),
    /// An array or list.
    List(Vec<Member>),
    /// An expression, or something else that cannot be known from the file.
    Unknown,
}

/// An element of a table.
#[derive(Clone, Debug)]
pub struct Member {
    /// Empty in arrays and lists.
    pub name: String,
    /// Of the name; of the value in arrays and lists.
    pub place: Place,
    /// The value.
    pub node: Node,
}

/// What a lookup found.
#[derive(Debug)]
pub enum Seen<'a> {
    /// A value that is known.
    Is(&'a Member),
    /// Nothing, and the file was read whole.
    Absent,
    /// Something that cannot be known: an expression, or a part that was not read.
    Unknown,
}

/// A file.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The file.
    pub file: Arc<str>,
    /// What is at its top.
    pub members: Vec<Member>,
    /// Whether nothing was left out: without it, what is not found may be there nevertheless.
    pub is_whole: bool,
    /// Why the server cannot read it.
    pub error: Option<(Place, String)>,
    /// What some versions of the server cannot read.
    pub doubt: Option<(Place, String)>,
}

impl Node {
    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, also one that is written as a string.
    pub fn number(&self) -> Option<i64> {
        match &self.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The elements of a table.
    pub fn members(&self) -> &[Member] {
        match &self.value {
            Value::Table(members) | Value::List(members) => members,
            _ => &[],
        }
    }

    /// Whether the value is true: the words that servers take for it are too.
    pub fn is_true(&self) -> bool {
        match &self.value {
            Value::Bool(is_true) => *is_true,
            Value::Number(number) => *number == 1,
            Value::Text(text) => ["yes", "true", "1"]
                .iter()
                .any(|word| text.eq_ignore_ascii_case(word)),
            _ => false,
        }
    }

    /// The strings of a list; a string is a list of one. `None` if an element is not known.
    pub fn texts(&self) -> Option<Vec<&str>> {
        match &self.value {
            Value::Text(text) => Some(vec![text]),
            Value::Table(members) | Value::List(members) => {
                members.iter().map(|member| member.node.text()).collect()
            }
            _ => None,
        }
    }
}

/// The last of a name: assignments replace what was before. Servers compare in several ways; a
/// name in other letters is never a second setting in practice.
pub(super) fn last<'a>(members: &'a [Member], name: &str) -> Option<&'a Member> {
    let mut found = members.iter().rev();
    found.find(|member| member.name.eq_ignore_ascii_case(name))
}

impl Tree {
    /// Looks up a path of names.
    pub fn get(&self, path: &[&str]) -> Seen<'_> {
        let (mut members, mut found) = (&self.members[..], None::<&Member>);
        for name in path {
            if let Some(Member { node, .. }) = found
                && matches!(node.value, Value::Unknown)
            {
                return Seen::Unknown;
            }
            match last(members, name) {
                Some(member) => (members, found) = (member.node.members(), Some(member)),
                None if self.is_whole => return Seen::Absent,
                None => return Seen::Unknown,
            }
        }
        match found {
            Some(member) if !matches!(member.node.value, Value::Unknown) => Seen::Is(member),
            _ => Seen::Unknown,
        }
    }

    /// The known value at a path.
    pub fn find(&self, path: &[&str]) -> Option<&Member> {
        match self.get(path) {
            Seen::Is(member) => Some(member),
            _ => None,
        }
    }

    /// Whether the file certainly does not say it.
    pub fn lacks(&self, path: &[&str]) -> bool {
        matches!(self.get(path), Seen::Absent)
    }

    /// Whether a value is known and true.
    pub fn is_true(&self, path: &[&str]) -> bool {
        self.find(path).is_some_and(|member| member.node.is_true())
    }

    /// The place of a block, or of the beginning of the file.
    pub fn place_of(&self, path: &[&str]) -> Place {
        let found = self.find(path).map(|member| member.place.clone());
        found.unwrap_or_else(|| Place::start_of(&self.file))
    }
}
