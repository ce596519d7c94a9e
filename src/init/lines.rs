//! Lines to write in the file of a server, and whether it has them already.

use crate::doctor::read::settings::Settings;
use crate::doctor::tree::{Seen, Tree};

/// Whether a file says what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    InForce,
    /// It says something else, or nothing.
    ToChange,
    /// The file is not there, cannot be read, or calculates the value.
    NotKnown,
}

/// Lines that belong together in one file.
#[derive(Clone, Debug)]
pub struct Lines {
    /// The file.
    pub file: &'static str,
    /// The block that the lines go into, such as `general` or `VirtualHost "a"`; empty for none.
    pub block: String,
    /// Each line with its state.
    pub lines: Vec<(String, State)>,
    /// Why; a sentence.
    pub why: &'static str,
}

impl Lines {
    /// Whether the file has all of them already.
    pub fn are_in_force(&self) -> bool {
        self.lines.iter().all(|(_, state)| *state == State::InForce)
    }
}

/// The state of a value in a file of blocks. `None` for the file: it was not read.
pub(super) fn of_tree(tree: Option<&Tree>, path: &[&str], wanted: &str) -> State {
    let Some(tree) = tree else {
        return State::NotKnown;
    };
    let member = match tree.get(path) {
        Seen::Is(member) => member,
        Seen::Absent => return State::ToChange,
        Seen::Unknown => return State::NotKnown,
    };
    let node = &member.node;
    let is_same = match wanted {
        "true" => node.is_true(),
        "false" => node.text().is_none() && node.number().is_none_or(|n| n == 0) && !node.is_true(),
        wanted => {
            node.text() == Some(wanted)
                || node.number().map(|n| n.to_string()).as_deref() == Some(wanted)
        }
    };
    match is_same {
        true => State::InForce,
        false => State::ToChange,
    }
}

/// The state of a setting in a file of lines. An empty value is an option without one.
pub(super) fn of_settings(settings: Option<&Settings>, name: &str, value: &str) -> State {
    let Some(settings) = settings else {
        return State::NotKnown;
    };
    let is_same = match value {
        "" => settings.is_on(name),
        value => settings.all(name).any(|setting| setting.value == value),
    };
    match is_same {
        true => State::InForce,
        false => State::ToChange,
    }
}
