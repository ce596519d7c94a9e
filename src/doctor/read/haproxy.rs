//! `haproxy.cfg`: sections of lines of words.

use std::sync::Arc;

use super::cursor::Cursor;
use crate::doctor::place::Place;

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its words, without quotes.
    pub words: Vec<String>,
    /// Of the first word.
    pub place: Place,
}

/// A section: `frontend www` and what follows it.
#[derive(Clone, Debug)]
pub struct Section {
    /// The line that begins it.
    pub head: Line,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// The words that begin a section.
const SECTIONS: [&str; 14] = [
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "peers",
    "resolvers",
    "mailers",
    "userlist",
    "program",
    "cache",
    "ring",
    "http-errors",
    "fcgi-app",
];

impl Line {
    /// A word by its number, empty if there is none.
    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// The word after another.
    pub fn after(&self, word: &str) -> Option<&str> {
        let at = self.words.iter().position(|it| it == word)?;
        self.words.get(at + 1).map(String::as_str)
    }

    /// Whether a word is among them.
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|it| it == word)
    }
}

/// Reads a file.
pub fn read(file: &Arc<str>, text: &str) -> Vec<Section> {
    let mut cursor = Cursor::new(file, text);
    let mut sections: Vec<Section> = Vec::new();
    while let Some(line) = line(&mut cursor) {
        let begins = SECTIONS.contains(&line.word(0));
        match sections.last_mut() {
            _ if begins => sections.push(Section {
                head: line,
                lines: Vec::new(),
            }),
            Some(section) => section.lines.push(line),
            None => {}
        }
    }
    sections
}

fn line(cursor: &mut Cursor<'_>) -> Option<Line> {
    loop {
        cursor.skip_space();
        let place = cursor.place();
        let words = words(cursor);
        if !words.is_empty() {
            return Some(Line { words, place });
        }
        cursor.peek()?;
    }
}

/// The words up to the end of the line. A backslash takes what follows as it is, also the end of
/// the line.
fn words(cursor: &mut Cursor<'_>) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    while let Some(c) = cursor.peek().filter(|c| *c != '\n') {
        match c {
            '#' => {
                cursor.take_line();
                break;
            }
            '"' | '\'' => word.get_or_insert_default().push_str(&quoted(cursor)),
            '\\' => {
                cursor.bump();
                match cursor.bump() {
                    Some('\n') | None => {}
                    Some(c) => word.get_or_insert_default().push(c),
                }
            }
            c if c.is_whitespace() => {
                cursor.bump();
                words.extend(word.take());
            }
            c => {
                cursor.bump();
                word.get_or_insert_default().push(c);
            }
        }
    }
    words.extend(word);
    words
}

fn quoted(cursor: &mut Cursor<'_>) -> String {
    let quote = cursor.bump();
    let mut text = String::new();
    while let Some(c) = cursor.peek().filter(|c| *c != '\n') {
        cursor.bump();
        match c {
            c if Some(c) == quote => break,
            '\\' if quote == Some('"') => text.extend(cursor.bump()),
            c => text.push(c),
        }
    }
    text
}
