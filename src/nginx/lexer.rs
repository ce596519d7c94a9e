//! Words, `;`, `{` and `}` of one file, each with its place.

use std::path::Path;
use std::sync::Arc;

use super::{ParseError, Place};

/// What one file consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    End,
    Open,
    Close,
}

/// Reads the tokens of a text one after the other.
pub(super) struct Lexer<'t> {
    rest: std::str::Chars<'t>,
    file: Arc<Path>,
    line: u32,
    column: u32,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(file: Arc<Path>, text: &'t str) -> Self {
        Self {
            rest: text.trim_start_matches('\u{feff}').chars(),
            file,
            line: 1,
            column: 1,
        }
    }

    pub(super) fn place(&self) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: self.line,
            column: self.column,
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        match c {
            '\n' => (self.line, self.column) = (self.line.saturating_add(1), 1),
            _ => self.column = self.column.saturating_add(1),
        }
        Some(c)
    }

    /// The next token and where it begins; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<(Token, Place)>, ParseError> {
        self.skip_space();
        let place = self.place();
        let token = match self.peek() {
            None => return Ok(None),
            Some(';') => self.single(Token::End),
            Some('{') => self.single(Token::Open),
            Some('}') => self.single(Token::Close),
            Some(quote @ ('"' | '\'')) => self.quoted(quote, &place)?,
            Some(_) => self.word(),
        };
        Ok(Some((token, place)))
    }

    fn single(&mut self, token: Token) -> Token {
        self.bump();
        token
    }

    fn skip_space(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' => _ = self.bump(),
                '#' => while self.bump().is_some_and(|c| c != '\n') {},
                _ => return,
            }
        }
    }

    fn quoted(&mut self, quote: char, place: &Place) -> Result<Token, ParseError> {
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                None => {
                    let why = format!("the text that begins with {quote} has no end; close it");
                    return Err(ParseError::new(place, why));
                }
                Some('\\') => self.escaped(&mut text),
                Some(c) if c == quote => break,
                Some(c) => text.push(c),
            }
        }
        match self.peek() {
            Some(' ' | '\t' | '\r' | '\n' | ';' | '{' | ')') => {}
            None => {}
            Some(c) => {
                let why = format!(
                    "there is a {c:?} right behind the closing {quote}; put a space \
                                   or a \";\" between"
                );
                return Err(ParseError::new(self.place(), why));
            }
        }
        Ok(Token::Word(text))
    }

    /// What NGINX makes of a backslash: quotes, backslashes and three control characters.
    fn escaped(&mut self, text: &mut String) {
        match self.bump() {
            Some(c @ ('"' | '\'' | '\\')) => text.push(c),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('n') => text.push('\n'),
            Some(c) => text.extend(['\\', c]),
            None => text.push('\\'),
        }
    }

    fn word(&mut self) -> Token {
        let mut text = String::new();
        let mut in_variable = false;
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' => break,
                // `${name}`
                '{' if text.ends_with('$') => in_variable = true,
                '{' if !in_variable => break,
                '}' => in_variable = false,
                _ => {}
            }
            self.bump();
            match c {
                '\\' => self.escaped(&mut text),
                c => text.push(c),
            }
        }
        Token::Word(text)
    }

    /// The code of a `…_by_lua_block`, whose braces are balanced, up to the closing one.
    pub(super) fn raw_block(&mut self, place: &Place) -> Result<String, ParseError> {
        let (mut depth, mut text) = (0_usize, String::new());
        while let Some(c) = self.bump() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => return Ok(text),
                '}' => depth -= 1,
                _ => {}
            }
            text.push(c);
        }
        Err(ParseError::new(
            place,
            "the block has no end; close it with }",
        ))
    }
}
