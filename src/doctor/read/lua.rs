//! Prosody's `*.cfg.lua`: assignments of values, `VirtualHost`, `Component` and `Include`. Lua is a
//! language: what is calculated, or assigned inside a condition, a loop or a function, is unknown.

use std::sync::Arc;

use super::cursor::Cursor;
use crate::doctor::place::Place;
use crate::doctor::tree::{Member, Node, Tree, Value};

/// The name of the member that stands for an `Include`.
pub const INCLUDE: &str = "Include";

/// Reads a file. The top has the global settings. Each host is a member, named `VirtualHost` or
/// `Component`, whose first element is the host's name, under [`HOST_NAME`].
pub fn read(file: &Arc<str>, text: &str) -> Tree {
    let mut reader = Reader {
        cursor: Cursor::new(file, text),
        top: Vec::new(),
        host: None,
        is_whole: true,
    };
    reader.statements();
    reader.close_host();
    Tree {
        file: file.clone(),
        members: reader.top,
        is_whole: reader.is_whole,
        error: None,
        doubt: None,
    }
}

/// The name of the member with the name of a host.
pub const HOST_NAME: &str = "(name)";

const DEEPEST: usize = 60;

struct Reader<'a> {
    cursor: Cursor<'a>,
    top: Vec<Member>,
    /// The section that settings go to.
    host: Option<Member>,
    is_whole: bool,
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl Reader<'_> {
    fn statements(&mut self) {
        loop {
            self.skip();
            let place = self.cursor.place();
            let word = self.cursor.take_while(is_name);
            match word {
                "" if self.cursor.bump().is_none() => return,
                "" => {}
                "VirtualHost" | "Component" => self.begin_host(word, place),
                INCLUDE => self.include(place),
                // A chunk that ends here would hide the rest, which is not written in practice.
                "if" | "for" | "while" | "function" | "repeat" | "do" => self.skip_block(word),
                "local" => {
                    self.skip();
                    self.cursor.take_while(is_name);
                    self.assigned_nothing();
                }
                name => self.assignment(name, place),
            }
        }
    }

    /// A value that goes nowhere.
    fn assigned_nothing(&mut self) {
        self.skip();
        if self.cursor.is_at("=") && !self.cursor.is_at("==") {
            self.cursor.bump();
            self.value(0);
        }
    }

    fn assignment(&mut self, name: &str, place: Place) {
        self.skip();
        if self.cursor.is_at("=") && !self.cursor.is_at("==") {
            self.cursor.bump();
            let node = self.value(0);
            let name = name.to_owned();
            self.push(Member { name, place, node });
        } else if self.cursor.is_at(".") || self.cursor.is_at("[") || self.cursor.is_at(":") {
            // A part of it is changed: what it is as a whole is not known any more.
            let node = Node {
                place: place.clone(),
                value: Value::Unknown,
            };
            let name = name.to_owned();
            self.push(Member { name, place, node });
        }
    }

    fn push(&mut self, member: Member) {
        match self.host.as_mut().map(|host| &mut host.node.value) {
            Some(Value::Table(members)) => members.push(member),
            _ => self.top.push(member),
        }
    }

    fn begin_host(&mut self, kind: &str, place: Place) {
        self.close_host();
        self.skip();
        let is_call = self.cursor.eat("(");
        self.skip();
        let name = self.operand(0);
        self.skip();
        let mut members = vec![Member {
            name: HOST_NAME.to_owned(),
            place: name.place.clone(),
            node: name,
        }];
        // `Component "name" "module"`.
        if is_call {
            self.cursor.eat(")");
        } else if self.cursor.is_at("\"") || self.cursor.is_at("'") {
            let node = self.operand(0);
            members.push(Member {
                name: "(module)".to_owned(),
                place: node.place.clone(),
                node,
            });
        }
        self.host = Some(Member {
            name: kind.to_owned(),
            place: place.clone(),
            node: Node {
                place,
                value: Value::Table(members),
            },
        });
    }

    fn close_host(&mut self) {
        self.top.extend(self.host.take());
    }

    /// Settings of an included file go where the `Include` is; hosts in it go on below.
    fn include(&mut self, place: Place) {
        self.skip();
        let is_call = self.cursor.eat("(");
        self.skip();
        let node = self.operand(0);
        self.skip();
        if is_call {
            self.cursor.eat(")");
        }
        self.close_host();
        let name = INCLUDE.to_owned();
        self.top.push(Member { name, place, node });
    }

    /// Skips to the `end` of a block. What is assigned in it is unknown from here.
    fn skip_block(&mut self, word: &str) {
        // The block of a loop begins with its `do`.
        let mut depth = usize::from(word != "for" && word != "while");
        let mut has_begun = depth > 0;
        loop {
            self.skip();
            let place = self.cursor.place();
            if self.cursor.is_at("\"") || self.cursor.is_at("'") || self.is_at_long() {
                self.operand(0);
                continue;
            }
            let word = self.cursor.take_while(is_name);
            match word {
                "" if self.cursor.bump().is_none() => {
                    self.is_whole = false;
                    return;
                }
                "if" | "function" | "do" | "repeat" => depth += 1,
                "end" | "until" => depth = depth.saturating_sub(1),
                "VirtualHost" | "Component" | INCLUDE => self.is_whole = false,
                "" => {}
                name => self.assigned_inside(name, place),
            }
            has_begun |= depth > 0;
            if has_begun && depth == 0 {
                return;
            }
        }
    }

    fn assigned_inside(&mut self, name: &str, place: Place) {
        self.skip();
        if self.cursor.is_at("=") && !self.cursor.is_at("==") {
            let node = Node {
                place: place.clone(),
                value: Value::Unknown,
            };
            let name = name.to_owned();
            self.push(Member { name, place, node });
        }
    }

    /// A value, unknown if it is more than an operand.
    fn value(&mut self, depth: usize) -> Node {
        self.skip();
        let mut node = self.operand(depth);
        loop {
            self.skip();
            if !self.eat_operator() {
                return node;
            }
            node.value = Value::Unknown;
            self.skip();
            self.operand(depth + 1);
        }
    }

    fn operand(&mut self, depth: usize) -> Node {
        let place = self.cursor.place();
        let value = match self.cursor.peek() {
            _ if depth > DEEPEST => {
                self.cursor.bump();
                self.is_whole = false;
                Value::Unknown
            }
            Some('"' | '\'') => Value::Text(self.quoted()),
            Some('[') if self.is_at_long() => self.long().map_or(Value::Unknown, Value::Text),
            Some('{') => self.table(depth),
            Some('(') => {
                self.cursor.bump();
                self.value(depth + 1);
                self.skip();
                self.cursor.eat(")");
                self.calls(depth);
                Value::Unknown
            }
            Some('-' | '#' | '~') => {
                let is_minus = self.cursor.bump() == Some('-');
                let node = self.operand(depth + 1);
                match node.value {
                    Value::Number(number) if is_minus => Value::Number(-number),
                    _ => Value::Unknown,
                }
            }
            _ => self.word(depth),
        };
        Node { place, value }
    }

    fn word(&mut self, depth: usize) -> Value {
        let word = self.cursor.take_while(|c| is_name(c) || c == '.');
        match word {
            "true" | "false" => Value::Bool(word == "true"),
            "not" => {
                self.skip();
                self.operand(depth + 1);
                Value::Unknown
            }
            "function" => {
                self.skip_block(word);
                Value::Unknown
            }
            _ => {
                if let Ok(number) = word.parse() {
                    return Value::Number(number);
                }
                self.calls(depth);
                Value::Unknown
            }
        }
    }

    /// Calls and indexes behind an operand: their values do not matter.
    fn calls(&mut self, depth: usize) {
        loop {
            let before = self.cursor.clone();
            self.skip();
            let is_call = self.cursor.is_at("(") || self.cursor.is_at("[") && !self.is_at_long();
            if is_call && depth < DEEPEST {
                let end = if self.cursor.bump() == Some('(') {
                    ")"
                } else {
                    "]"
                };
                self.arguments(depth, end);
            } else if self.cursor.is_at(":") || self.cursor.is_at(".") && !self.cursor.is_at("..") {
                self.cursor.bump();
                self.cursor.take_while(is_name);
            } else {
                self.cursor = before;
                return;
            }
        }
    }

    fn arguments(&mut self, depth: usize, end: &str) {
        loop {
            self.skip();
            if self.cursor.eat(end) || self.cursor.peek().is_none() {
                return;
            }
            let before = self.cursor.rest().len();
            self.value(depth + 1);
            self.skip();
            if !self.cursor.eat(",") && self.cursor.rest().len() == before {
                self.cursor.bump();
            }
        }
    }

    fn table(&mut self, depth: usize) -> Value {
        self.cursor.bump();
        let mut members = Vec::new();
        loop {
            self.skip();
            if self.cursor.eat("}") {
                return Value::Table(members);
            }
            if self.cursor.peek().is_none() {
                self.is_whole = false;
                return Value::Unknown;
            }
            let before = self.cursor.rest().len();
            members.push(self.field(depth));
            self.skip();
            let is_separated = self.cursor.eat(",") || self.cursor.eat(";");
            if !is_separated && self.cursor.rest().len() == before {
                self.cursor.bump();
            }
        }
    }

    fn field(&mut self, depth: usize) -> Member {
        let place = self.cursor.place();
        let before = self.cursor.clone();
        let mut name = String::new();
        if self.cursor.is_at("[") && !self.is_at_long() {
            self.cursor.bump();
            let key = self.value(depth + 1);
            self.skip();
            self.cursor.eat("]");
            name = key.text().unwrap_or("(unknown)").to_owned();
        } else {
            name.push_str(self.cursor.take_while(is_name));
        }
        self.skip();
        if !name.is_empty() && self.cursor.is_at("=") && !self.cursor.is_at("==") {
            self.cursor.bump();
        } else {
            name.clear();
            self.cursor = before;
        }
        let node = self.value(depth + 1);
        Member { name, place, node }
    }

    fn eat_operator(&mut self) -> bool {
        for operator in [
            "..", "==", "~=", "<=", ">=", "+", "*", "/", "%", "^", "<", ">",
        ] {
            if self.cursor.eat(operator) {
                return true;
            }
        }
        if self.cursor.is_at("-") {
            return self.cursor.bump().is_some();
        }
        for word in ["and", "or"] {
            let follows = self.cursor.rest().strip_prefix(word);
            if follows.is_some_and(|rest| !rest.starts_with(is_name)) {
                return self.cursor.eat(word);
            }
        }
        false
    }

    fn quoted(&mut self) -> String {
        let quote = self.cursor.bump();
        let mut text = String::new();
        while let Some(c) = self.cursor.peek() {
            // Lua's strings end on their line.
            if c == '\n' {
                self.is_whole = false;
                break;
            }
            self.cursor.bump();
            match c {
                c if Some(c) == quote => break,
                '\\' => text.extend(self.cursor.bump()),
                c => text.push(c),
            }
        }
        text
    }

    fn is_at_long(&self) -> bool {
        let rest = self.cursor.rest().strip_prefix('[');
        rest.is_some_and(|rest| rest.trim_start_matches('=').starts_with('['))
    }

    /// `[[text]]`, `[==[text]==]`.
    fn long(&mut self) -> Option<String> {
        self.cursor.bump();
        let level = self.cursor.take_while(|c| c == '=').len();
        self.cursor.bump();
        let end = format!("]{}]", "=".repeat(level));
        let rest = self.cursor.rest();
        let is_closed = self.cursor.skip_past(&end);
        self.is_whole &= is_closed;
        let text = rest.split(end.as_str()).next()?;
        Some(text.strip_prefix('\n').unwrap_or(text).to_owned())
    }

    /// Skips white space, semicolons between statements excepted, and comments.
    fn skip(&mut self) {
        loop {
            self.cursor.skip_space();
            if !self.cursor.is_at("--") {
                return;
            }
            self.cursor.eat("--");
            match self.is_at_long() {
                true => _ = self.long(),
                false => _ = self.cursor.take_line(),
            }
        }
    }
}
