//! Strings: kept as they were written, unescaped only to be compared.

use std::borrow::Cow;
use std::cmp::Ordering;

/// A checked string, without its quotes and with its escapes.
#[derive(Clone, Copy, Debug)]
pub struct Text<'m>(&'m str);

impl<'m> Text<'m> {
    /// From what is between the quotes of a string that the reader has checked.
    pub(super) fn new(raw: &'m str) -> Self {
        Self(raw)
    }

    /// A word of the gateway's own. It needs no escapes.
    pub(in crate::signalling) fn word(word: &'static str) -> Self {
        Self(word)
    }

    /// As it was written, without the quotes.
    pub fn raw(self) -> &'m str {
        self.0
    }

    /// What it means.
    pub fn unescaped(self) -> Cow<'m, str> {
        if self.is_plain() {
            Cow::Borrowed(self.0)
        } else {
            Cow::Owned(self.chars().collect())
        }
    }

    /// Whether it means this text.
    #[inline]
    pub fn is(self, text: &str) -> bool {
        self.may_be(text) && self.means(text)
    }

    /// Whether it means this text in any case, as C's `strcasecmp` compares: only ASCII letters
    /// have two cases.
    #[inline]
    pub fn is_ignoring_case(self, text: &str) -> bool {
        self.may_be(text) && self.means_ignoring_case(text)
    }

    fn means(self, text: &str) -> bool {
        if self.0.len() == text.len() {
            self.0 == text && self.is_plain()
        } else {
            self.chars().eq(text.chars())
        }
    }

    fn means_ignoring_case(self, text: &str) -> bool {
        let lower = |c: char| c.to_ascii_lowercase();
        if self.0.len() == text.len() {
            self.0.eq_ignore_ascii_case(text) && self.is_plain()
        } else {
            self.chars().map(lower).eq(text.chars().map(lower))
        }
    }

    /// `false` if its length or its first character shows that it is another text: names are
    /// compared with many, and most differ there. An escape is longer than its meaning, so only a
    /// longer text has to be unescaped.
    #[inline]
    fn may_be(self, text: &str) -> bool {
        self.0.len() >= text.len() && self.may_begin_as(text)
    }

    /// Whether it and another mean the same.
    pub(super) fn is_same(self, other: Self) -> bool {
        let are_plain = || self.is_plain() && other.is_plain();
        self.0 == other.0
            || self.may_begin_as(other.0) && !are_plain() && self.chars().eq(other.chars())
    }

    /// `false` if the first character shows that it is another text.
    #[inline]
    fn may_begin_as(self, other: &str) -> bool {
        match (self.0.as_bytes(), other.as_bytes()) {
            ([b'\\', ..], _) | (_, [b'\\', ..]) | ([], []) => true,
            ([one, ..], [other, ..]) => one.eq_ignore_ascii_case(other),
            _ => false,
        }
    }

    /// Whether nothing in it is escaped.
    fn is_plain(self) -> bool {
        !self.0.as_bytes().contains(&b'\\')
    }

    /// The order of the meanings.
    pub(super) fn compare(self, other: Self) -> Ordering {
        if self.is_plain() && other.is_plain() {
            self.0.cmp(other.0)
        } else {
            self.chars().cmp(other.chars())
        }
    }

    /// The characters that it means.
    pub fn chars(self) -> Unescaped<'m> {
        Unescaped(self.0.chars())
    }
}

/// The characters that a string means.
#[derive(Clone, Debug)]
pub struct Unescaped<'m>(std::str::Chars<'m>);

impl Iterator for Unescaped<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let first = self.0.next()?;
        if first != '\\' {
            return Some(first);
        }
        Some(match self.0.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.code(),
            other => other,
        })
    }
}

impl Unescaped<'_> {
    /// What follows `\u`, with the second half of a pair.
    fn code(&mut self) -> char {
        let mut code = self.unit();
        if is_high_surrogate(code) {
            self.0.next();
            self.0.next();
            code = 0x1_0000 + ((code - 0xd800) << 10) + (self.unit().wrapping_sub(0xdc00) & 0x3ff);
        }
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn unit(&mut self) -> u32 {
        let digits = self.0.by_ref().take(4);
        digits.fold(0, |unit, digit| {
            unit * 16 + digit.to_digit(16).unwrap_or_default()
        })
    }
}

/// Whether it is the first half of a character that has two (RFC 8259, section 7).
pub(super) fn is_high_surrogate(unit: u32) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

/// Whether it is the second half.
pub(super) fn is_low_surrogate(unit: u32) -> bool {
    (0xdc00..0xe000).contains(&unit)
}
