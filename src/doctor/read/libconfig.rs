//! `janus*.jcfg`: the syntax of libconfig, as strict as libconfig itself, because Janus does not
//! start with a file that has an error.

use std::sync::Arc;

use super::cursor::Cursor;
use crate::doctor::files::Unread;
use crate::doctor::place::Place;
use crate::doctor::tree::{Member, Node, Tree, Value};

/// Reads a file that `@include` names: its name, and its text.
pub type Include<'a> = &'a dyn Fn(&str) -> Result<(Arc<str>, String), Unread>;

/// No configuration is nested deeper; libconfig allows more.
const DEEPEST: usize = 60;
/// libconfig's own limit.
const MOST_INCLUDES: usize = 10;

/// Reads a file.
pub fn read(file: &Arc<str>, text: &str, include: Include<'_>) -> Tree {
    let mut reader = Reader {
        include,
        is_whole: true,
        includes: 0,
        doubt: None,
    };
    let mut cursor = Cursor::new(file, text);
    let (members, error) = match reader.settings(&mut cursor, 0) {
        Ok(members) if cursor.peek().is_none() => (members, None),
        Ok(members) => (
            members,
            Some((cursor.place(), "a setting begins with a name".into())),
        ),
        Err(error) => (Vec::new(), Some(error)),
    };
    // What is nested too deeply for this reader is no error for libconfig.
    let error = error.filter(|(_, text)| !text.is_empty());
    Tree {
        file: file.clone(),
        is_whole: reader.is_whole && error.is_none(),
        members,
        error,
        doubt: reader.doubt,
    }
}

struct Reader<'a> {
    include: Include<'a>,
    is_whole: bool,
    includes: usize,
    /// What some versions of libconfig reject.
    doubt: Option<(Place, String)>,
}

type Error = (Place, String);

fn wrong<T>(cursor: &Cursor<'_>, text: &str) -> Result<T, Error> {
    Err((cursor.place(), text.to_owned()))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*')
}

impl Reader<'_> {
    /// Settings up to `}` or the end.
    fn settings(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<Member>, Error> {
        let mut members: Vec<Member> = Vec::new();
        loop {
            self.skip(cursor)?;
            if cursor.is_at("@include") {
                members.extend(self.included(cursor, depth)?);
                continue;
            }
            let Some(first) = cursor
                .peek()
                .filter(|c| c.is_ascii_alphabetic() || *c == '*')
            else {
                return Ok(members);
            };
            debug_assert!(is_name(first));
            let place = cursor.place();
            let name = cursor.take_while(is_name).to_owned();
            if members.iter().any(|member| member.name == name) {
                return Err((place, format!("{name} is set twice in this block")));
            }
            self.skip(cursor)?;
            if !cursor.eat("=") && !cursor.eat(":") {
                return wrong(cursor, "after the name of a setting comes = or :");
            }
            let node = self.value(cursor, depth)?;
            members.push(Member { name, place, node });
            self.skip(cursor)?;
            _ = cursor.eat(";") || cursor.eat(",");
        }
    }

    fn included(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<Member>, Error> {
        let place = cursor.place();
        let line = cursor.take_line();
        let name = line.split('"').nth(1).unwrap_or_default();
        self.includes += 1;
        if self.includes > MOST_INCLUDES {
            return Err((place, "files include more than 10 others".to_owned()));
        }
        let (file, text) = match (self.include)(name) {
            Ok(found) => found,
            Err(Unread::Missing) => {
                return Err((
                    place,
                    format!("the file that it includes is not there: {name}"),
                ));
            }
            // It may only be out of reach for us.
            Err(_) => {
                self.is_whole = false;
                return Ok(Vec::new());
            }
        };
        let mut inner = Cursor::new(&file, &text);
        let members = self.settings(&mut inner, depth)?;
        match inner.peek() {
            None => Ok(members),
            Some(_) => wrong(&inner, "a setting begins with a name"),
        }
    }

    fn value(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<Node, Error> {
        self.skip(cursor)?;
        if depth > DEEPEST {
            self.is_whole = false;
            return Err((cursor.place(), String::new()));
        }
        let place = cursor.place();
        let value = match cursor.peek() {
            Some('{') => {
                cursor.bump();
                let members = self.settings(cursor, depth + 1)?;
                if !cursor.eat("}") {
                    return wrong(cursor, "the block is not closed with } before this");
                }
                Value::Table(members)
            }
            Some('(') => self.elements(cursor, depth, ")")?,
            Some('[') => self.elements(cursor, depth, "]")?,
            Some('"') => self.text(cursor)?,
            _ => scalar(cursor)?,
        };
        Ok(Node { place, value })
    }

    fn elements(
        &mut self,
        cursor: &mut Cursor<'_>,
        depth: usize,
        end: &str,
    ) -> Result<Value, Error> {
        cursor.bump();
        let mut members: Vec<Member> = Vec::new();
        loop {
            self.skip(cursor)?;
            if cursor.eat(end) {
                return Ok(Value::List(members));
            }
            if !members.is_empty() {
                if !cursor.eat(",") {
                    return wrong(cursor, "between elements comes a comma");
                }
                let after = cursor.place();
                self.skip(cursor)?;
                if cursor.eat(end) {
                    let text = "libconfig 1.5 rejects a comma after the last element, later ones \
                                do not";
                    self.doubt = Some((after, text.to_owned()));
                    return Ok(Value::List(members));
                }
            }
            let node = self.value(cursor, depth + 1)?;
            let is_scalar = !matches!(node.value, Value::Table(_) | Value::List(_));
            let is_first = members.first();
            let is_alike = is_first.is_none_or(|it| alike(&it.node.value, &node.value));
            if end == "]" && !(is_scalar && is_alike) {
                return Err((node.place, "an array has values of one kind".to_owned()));
            }
            let place = node.place.clone();
            let name = String::new();
            members.push(Member { name, place, node });
        }
    }

    /// Strings that follow each other are one.
    fn text(&mut self, cursor: &mut Cursor<'_>) -> Result<Value, Error> {
        let mut text = String::new();
        while cursor.is_at("\"") {
            let place = cursor.place();
            cursor.bump();
            loop {
                match cursor.bump() {
                    Some('"') => break,
                    Some('\\') => text.extend(escaped(cursor)),
                    Some(c) => text.push(c),
                    None => return Err((place, "the string is not closed".to_owned())),
                }
            }
            self.skip(cursor)?;
        }
        Ok(Value::Text(text))
    }

    /// Skips white space and comments.
    fn skip(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Error> {
        loop {
            cursor.skip_space();
            if cursor.is_at("#") || cursor.is_at("//") {
                cursor.take_line();
            } else if cursor.is_at("/*") {
                let place = cursor.place();
                if !cursor.skip_past("*/") {
                    return Err((place, "the comment is not closed".to_owned()));
                }
            } else {
                return Ok(());
            }
        }
    }
}

fn alike(a: &Value, b: &Value) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

fn escaped(cursor: &mut Cursor<'_>) -> Option<char> {
    let c = cursor.bump()?;
    Some(match c {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'f' => '\u{c}',
        'v' => '\u{b}',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'x' => {
            let digits = cursor.take_while(|c| c.is_ascii_hexdigit());
            let code = u8::from_str_radix(digits.get(..2).unwrap_or(digits), 16);
            char::from(code.unwrap_or(b'?'))
        }
        other => other,
    })
}

/// A number, or true or false.
fn scalar(cursor: &mut Cursor<'_>) -> Result<Value, Error> {
    let place = cursor.place();
    let word = cursor.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'));
    if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") {
        return Ok(Value::Bool(word.eq_ignore_ascii_case("true")));
    }
    let digits = word.trim_end_matches('L');
    let unsigned = digits.trim_start_matches(['-', '+']);
    let hex = unsigned.strip_prefix("0x").or(unsigned.strip_prefix("0X"));
    let number = match hex {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    };
    if let Some(number) = number {
        return Ok(Value::Number(number));
    }
    match unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.parse::<f64>().is_ok()
    {
        // Nothing that is looked at is a fraction.
        true => Ok(Value::Unknown),
        false if word.is_empty() => Err((place, "after = or : comes a value".to_owned())),
        false => Err((
            place,
            format!("{word} is no value; a text stands between quotes"),
        )),
    }
}
