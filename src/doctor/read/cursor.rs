//! Goes through a text by characters and knows the place: every reader is built on it.

use std::sync::Arc;

use crate::doctor::place::Place;

/// A position in a text.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    file: &'a Arc<str>,
    rest: &'a str,
    line: u32,
    column: u32,
}

impl<'a> Cursor<'a> {
    /// At the beginning of a file.
    pub(super) fn new(file: &'a Arc<str>, text: &'a str) -> Self {
        Self {
            file,
            rest: text.strip_prefix('\u{feff}').unwrap_or(text),
            line: 1,
            column: 1,
        }
    }

    /// The place of the next character.
    pub(super) fn place(&self) -> Place {
        Place {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
        }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Reads one character.
    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        match next {
            '\n' => (self.line, self.column) = (self.line + 1, 1),
            _ => self.column += 1,
        }
        Some(next)
    }

    /// Whether the rest begins with a text.
    pub(super) fn is_at(&self, text: &str) -> bool {
        self.rest.starts_with(text)
    }

    /// Reads a text, if the rest begins with it.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let is_here = self.is_at(text);
        if is_here {
            text.chars().for_each(|_| _ = self.bump());
        }
        is_here
    }

    /// Reads characters as long as they are of a kind.
    pub(super) fn take_while(&mut self, is_of: impl Fn(char) -> bool) -> &'a str {
        let before = self.rest;
        while self.peek().is_some_and(&is_of) {
            self.bump();
        }
        &before[..before.len() - self.rest.len()]
    }

    /// Reads up to a text and the text itself, or everything. The answer says whether it was there.
    pub(super) fn skip_past(&mut self, end: &str) -> bool {
        while !self.rest.is_empty() {
            if self.eat(end) {
                return true;
            }
            self.bump();
        }
        false
    }

    /// Reads to the end of the line, without it.
    pub(super) fn take_line(&mut self) -> &'a str {
        self.take_while(|c| c != '\n')
    }

    /// Skips white space.
    pub(super) fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }
}
