//! JSON with comments (`kurento.conf.json`) and the objects of Jitsi's `config.js`. JavaScript is a
//! language: what is calculated is unknown.

use std::sync::Arc;

use super::cursor::Cursor;
use crate::doctor::place::Place;
use crate::doctor::tree::{Member, Node, Tree, Value};

const DEEPEST: usize = 60;

/// Reads a JSON file: an object, with comments. What follows it is ignored.
pub fn json(file: &Arc<str>, text: &str) -> Tree {
    let mut reader = Reader::new(file, text);
    reader.skip();
    let (mut members, mut error) = (Vec::new(), None);
    match reader.cursor.is_at("{") {
        true => {
            if let Value::Table(found) = reader.value(0).value {
                members = found;
            }
        }
        false => error = Some((reader.cursor.place(), "the file is no object".to_owned())),
    }
    Tree {
        file: file.clone(),
        members,
        is_whole: reader.is_whole && error.is_none(),
        error,
        doubt: None,
    }
}

/// Reads the assignments of a script: `var config = {…}`, `config.name = …`.
pub fn javascript(file: &Arc<str>, text: &str) -> Tree {
    let mut reader = Reader::new(file, text);
    let mut members = Vec::new();
    loop {
        reader.skip();
        let place = reader.cursor.place();
        let word = reader.cursor.take_while(|c| is_name(c) || c == '.');
        if word.is_empty() {
            match reader.cursor.peek() {
                None => break,
                Some('"' | '\'' | '`') => _ = reader.quoted(),
                Some('{' | '(' | '[') => _ = reader.value(0),
                Some(_) => _ = reader.cursor.bump(),
            }
            continue;
        }
        if ["if", "for", "while", "function", "switch"].contains(&word) {
            // What is assigned inside is not followed.
            reader.is_whole = false;
        }
        reader.skip();
        if reader.cursor.is_at("=") && !reader.cursor.is_at("==") {
            reader.cursor.bump();
            let node = reader.value(0);
            assign(&mut members, word, place, node);
        }
    }
    Tree {
        file: file.clone(),
        members,
        is_whole: reader.is_whole,
        error: None,
        doubt: None,
    }
}

/// Puts a value where its dotted name leads.
fn assign(members: &mut Vec<Member>, path: &str, place: Place, node: Node) {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    if rest.is_empty() {
        let name = name.to_owned();
        return members.push(Member { name, place, node });
    }
    let mut known = members.iter_mut().rev();
    let known = known.find(|member| member.name == name);
    if let Some(Value::Table(inner)) = known.map(|member| &mut member.node.value) {
        // So deep as the reader goes for values.
        if rest.matches('.').count() < DEEPEST {
            assign(inner, rest, place, node);
        }
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    is_whole: bool,
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

impl<'a> Reader<'a> {
    fn new(file: &'a Arc<str>, text: &'a str) -> Self {
        Self {
            cursor: Cursor::new(file, text),
            is_whole: true,
        }
    }

    /// A value, unknown if more than a literal stands there.
    fn value(&mut self, depth: usize) -> Node {
        self.skip();
        let place = self.cursor.place();
        let mut value = match self.cursor.peek() {
            Some('{' | '[') if depth > DEEPEST => {
                self.is_whole = false;
                Value::Unknown
            }
            Some('{') => self.members(depth, "}"),
            Some('[') => match self.members(depth, "]") {
                Value::Table(members) => Value::List(members),
                other => other,
            },
            Some('"' | '\'' | '`') => self.quoted(),
            _ => self.word(),
        };
        if self.skip_expression() {
            value = Value::Unknown;
        }
        Node { place, value }
    }

    fn word(&mut self) -> Value {
        let word = self
            .cursor
            .take_while(|c| is_name(c) || matches!(c, '.' | '-' | '+'));
        match word {
            "true" | "false" => Value::Bool(word == "true"),
            word => word.parse().map_or(Value::Unknown, Value::Number),
        }
    }

    fn members(&mut self, depth: usize, end: &str) -> Value {
        self.cursor.bump();
        let mut members = Vec::new();
        loop {
            self.skip();
            if self.cursor.eat(end) {
                return Value::Table(members);
            }
            if self.cursor.peek().is_none() {
                self.is_whole = false;
                return Value::Unknown;
            }
            if self.cursor.eat(",") {
                continue;
            }
            let before = self.cursor.rest().len();
            let place = self.cursor.place();
            let name = if end == "}" {
                self.name()
            } else {
                String::new()
            };
            let node = self.value(depth + 1);
            members.push(Member { name, place, node });
            if self.cursor.rest().len() == before {
                self.is_whole = false;
                self.cursor.bump();
            }
        }
    }

    fn name(&mut self) -> String {
        let name = match self.cursor.peek() {
            Some('"' | '\'') => match self.quoted() {
                Value::Text(text) => text,
                _ => String::new(),
            },
            _ => self.cursor.take_while(is_name).to_owned(),
        };
        self.skip();
        // Without a colon it is a method, or a name alone.
        self.is_whole &= self.cursor.eat(":");
        name
    }

    /// Skips what is more than a literal, up to the comma or the end that closes it.
    fn skip_expression(&mut self) -> bool {
        let mut depth = 0_usize;
        let mut skipped = false;
        loop {
            let line_ends = self.skip();
            match self.cursor.peek() {
                None => return skipped,
                Some(',' | ';') if depth == 0 => return skipped,
                Some(')' | ']' | '}') if depth == 0 => return skipped,
                // A statement may end with its line; an operator goes on.
                Some(c) if depth == 0 && line_ends && (is_name(c) || c == '"') => return skipped,
                Some('(' | '[' | '{') => depth += 1,
                Some(')' | ']' | '}') => depth -= 1,
                Some('"' | '\'' | '`') => {
                    skipped = true;
                    self.quoted();
                    continue;
                }
                Some(_) => {}
            }
            skipped = true;
            self.cursor.bump();
        }
    }

    fn quoted(&mut self) -> Value {
        let quote = self.cursor.bump();
        let mut text = String::new();
        let mut is_known = true;
        while let Some(c) = self.cursor.bump() {
            match c {
                c if Some(c) == quote => return known(text, is_known),
                '\\' => text.extend(self.cursor.bump()),
                '$' if quote == Some('`') => is_known = false,
                c => text.push(c),
            }
        }
        self.is_whole = false;
        Value::Unknown
    }

    /// Skips white space and comments. The answer says whether a line ended.
    fn skip(&mut self) -> bool {
        let before = self.cursor.place().line;
        loop {
            self.cursor.skip_space();
            if self.cursor.is_at("//") {
                self.cursor.take_line();
            } else if self.cursor.is_at("/*") {
                self.cursor.skip_past("*/");
            } else if self.cursor.is_at("<!--") {
                // What a server puts in.
                self.cursor.skip_past("-->");
            } else {
                return self.cursor.place().line > before;
            }
        }
    }
}

fn known(text: String, is_known: bool) -> Value {
    match is_known {
        true => Value::Text(text),
        false => Value::Unknown,
    }
}
