//! Checks a message, without recursion.

use super::problem::{Problem, SyntaxError};
use super::scan::plain_length;
use super::text::{Text, is_high_surrogate, is_low_surrogate};
use super::value::{Value, value_end};

/// How deep objects and arrays may be nested.
const DEEPEST: usize = 64;

/// How many documents a message may have.
const MOST_DOCUMENTS: usize = 64;

/// Objects with more names than this have them sorted, instead of comparing each with each.
const FEW_NAMES: usize = 8;

/// Checks a message.
///
/// # Errors
/// The first problem. Then nothing of the message is to be used, as Janus does it.
pub fn split(message: &str) -> Result<Documents<'_>, SyntaxError> {
    let mut reader = Reader::new(message);
    reader.skip_space();
    let first = reader.at;
    reader.document()?;
    let first = &message[first..reader.at];
    let rest = &message[reader.at..];
    reader.skip_space();
    let mut documents = 1;
    while reader.at < message.len() {
        documents += 1;
        if documents > MOST_DOCUMENTS {
            return Err(reader.error(Problem::TooMany));
        }
        reader.document()?;
        reader.skip_space();
    }
    let first = Some(Value::new(first));
    Ok(Documents { first, rest })
}

/// The documents of a checked message, in order.
#[derive(Clone, Debug)]
pub struct Documents<'m> {
    /// Most messages have no other.
    first: Option<Value<'m>>,
    rest: &'m str,
}

impl<'m> Documents<'m> {
    /// The document, if there is no other.
    pub fn only(&self) -> Option<Value<'m>> {
        let is_only = self.rest.trim_ascii_start().is_empty();
        self.first.filter(|_| is_only)
    }
}

impl<'m> Iterator for Documents<'m> {
    type Item = Value<'m>;

    fn next(&mut self) -> Option<Value<'m>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let text = self.rest.trim_ascii_start();
        if text.is_empty() {
            return None;
        }
        let (document, rest) = text.split_at(value_end(text));
        self.rest = rest;
        Some(Value::new(document))
    }
}

struct Reader<'m> {
    text: &'m str,
    at: usize,
    /// The names of all objects that are open.
    names: Vec<Text<'m>>,
    /// For each open object or array, the index of its first name, or [`ARRAY`].
    open: [usize; DEEPEST],
    depth: usize,
}

const ARRAY: usize = usize::MAX;

type Checked = Result<(), SyntaxError>;

impl<'m> Reader<'m> {
    fn new(text: &'m str) -> Self {
        Self {
            text,
            at: 0,
            names: Vec::with_capacity(16),
            open: [ARRAY; DEEPEST],
            depth: 0,
        }
    }

    fn document(&mut self) -> Checked {
        loop {
            self.skip_space();
            let is_opened = match self.peek() {
                Some(b'{') => self.enter(self.names.len(), b'}')?,
                Some(b'[') => self.enter(ARRAY, b']')?,
                _ => {
                    self.scalar()?;
                    false
                }
            };
            if !is_opened && !self.is_followed_by_value()? {
                return Ok(());
            }
        }
    }

    /// After a value: closes what ends here. `false` at the end of the document.
    fn is_followed_by_value(&mut self) -> Result<bool, SyntaxError> {
        while self.depth > 0 {
            self.skip_space();
            let is_object = self.open[self.depth - 1] != ARRAY;
            match (self.peek(), is_object) {
                (Some(b','), true) => {
                    self.at += 1;
                    self.name()?;
                    return Ok(true);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.leave()?,
                _ => return Err(self.unexpected()),
            }
        }
        Ok(false)
    }

    /// Opens an object or array; `false` if it is empty and closed again.
    fn enter(&mut self, first_name: usize, end: u8) -> Result<bool, SyntaxError> {
        if self.depth == DEEPEST {
            return Err(self.error(Problem::Depth));
        }
        self.open[self.depth] = first_name;
        self.depth += 1;
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(end) {
            self.leave()?;
            return Ok(false);
        }
        if first_name != ARRAY {
            self.name()?;
        }
        Ok(true)
    }

    fn leave(&mut self) -> Checked {
        self.depth -= 1;
        let first = self.open[self.depth];
        if first != ARRAY {
            if has_duplicate(&mut self.names[first..]) {
                return Err(self.error(Problem::Duplicate));
            }
            self.names.truncate(first);
        }
        self.at += 1;
        Ok(())
    }

    fn name(&mut self) -> Checked {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        let first = self.at + 1;
        self.string()?;
        self.names.push(Text::new(&self.text[first..self.at - 1]));
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    fn scalar(&mut self) -> Checked {
        match self.peek() {
            Some(b'"') => return self.string(),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            _ => return Err(self.unexpected()),
        }
        // `1.2.3` and `truefalse` are no two values.
        match self.peek() {
            None | Some(b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r') => Ok(()),
            Some(_) => Err(self.error(Problem::Unexpected)),
        }
    }

    fn word(&mut self, word: &str) -> Checked {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error(Problem::Unexpected));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Checked {
        let first = self.at;
        let number = |problem| SyntaxError { at: first, problem };
        self.skip_if(|byte| byte == b'-');
        let has_leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (has_leading_zero && whole > 1) {
            return Err(number(Problem::Number));
        }
        let mut is_integer = true;
        if self.skip_if(|byte| byte == b'.') {
            is_integer = false;
            if self.digits() == 0 {
                return Err(number(Problem::Number));
            }
        }
        if self.skip_if(|byte| matches!(byte, b'e' | b'E')) {
            is_integer = false;
            self.skip_if(|byte| matches!(byte, b'+' | b'-'));
            if self.digits() == 0 {
                return Err(number(Problem::Number));
            }
        }
        let text = &self.text[first..self.at];
        if is_integer && text.parse::<i64>().is_err() {
            return Err(number(Problem::Integer));
        }
        if !is_integer && !text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(number(Problem::Infinite));
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let first = self.at;
        while self.skip_if(|byte| byte.is_ascii_digit()) {}
        self.at - first
    }

    fn string(&mut self) -> Checked {
        self.at += 1;
        loop {
            self.at += plain_length(&self.text.as_bytes()[self.at..]);
            match self.peek() {
                None => return Err(self.error(Problem::End)),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.error(Problem::Control)),
            }
        }
    }

    fn escape(&mut self) -> Checked {
        let rest = &self.text.as_bytes()[self.at + 1..];
        match rest.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => {
                let first = unit(&rest[1..]).ok_or_else(|| self.error(Problem::Escape))?;
                let length = match first {
                    0 => return Err(self.error(Problem::Nul)),
                    high if is_high_surrogate(high) => {
                        let second = rest[5..].strip_prefix(b"\\u").and_then(unit);
                        if !second.is_some_and(is_low_surrogate) {
                            return Err(self.error(Problem::Surrogate));
                        }
                        12
                    }
                    low if is_low_surrogate(low) => return Err(self.error(Problem::Surrogate)),
                    _ => 6,
                };
                self.at += length;
                Ok(())
            }
            _ => Err(self.error(Problem::Escape)),
        }
    }

    fn skip_if(&mut self, is_wanted: impl Fn(u8) -> bool) -> bool {
        let is_here = self.peek().is_some_and(is_wanted);
        self.at += usize::from(is_here);
        is_here
    }

    fn skip_space(&mut self) {
        while self.skip_if(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {}
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn unexpected(&self) -> SyntaxError {
        self.error(match self.peek() {
            Some(_) => Problem::Unexpected,
            None => Problem::End,
        })
    }

    fn error(&self, problem: Problem) -> SyntaxError {
        SyntaxError {
            at: self.at,
            problem,
        }
    }
}

/// The four hexadecimal digits of an escape.
fn unit(digits: &[u8]) -> Option<u32> {
    digits.get(..4)?.iter().try_fold(0, |unit, digit| {
        Some(unit * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// Whether two names mean the same. It may sort them.
fn has_duplicate(names: &mut [Text<'_>]) -> bool {
    if names.len() <= FEW_NAMES {
        let mut left = &*names;
        while let Some((first, others)) = left.split_first() {
            if others.iter().any(|other| first.is_same(*other)) {
                return true;
            }
            left = others;
        }
        return false;
    }
    names.sort_unstable_by(|one, other| one.compare(*other));
    names.windows(2).any(|pair| pair[0].is_same(pair[1]))
}
