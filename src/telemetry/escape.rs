//! Text on its way to a terminal or a log. Strangers choose much of it: paths, names, claims, words
//! of other servers.
//!
//! What would steer a terminal, end a line, or make text look like another text is written as
//! `\u{202e}`; and a field of a log line is cut where it gets long. Every exit goes through here:
//! fields of access lines where they are taken ([`field`]), whole access lines once more
//! ([`json`]), events where they are formatted (`telemetry::events`), and what commands print
//! ([`lines`]).

use std::borrow::Cow;
use std::fmt::{self, Write};

/// The longest field of a log line in bytes, as it is written. A client can have one long header
/// value logged many times for a few bytes each.
pub const FIELD: usize = 512;

/// The longest sentence: one may name files, and tell what a CA says of each of a hundred hosts.
pub const SENTENCE: usize = 4096;

/// What stands where the rest was cut off.
const CUT: char = '\u{2026}';

/// Whether a character does something else than to show itself: controls (C0, DEL and C1), ends of
/// lines, marks of direction, and what has no width.
pub fn steers(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
        | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether all of it can be copied as it is: nearly everything can.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Something to write to, for text that may steer.
#[derive(Debug)]
pub(super) struct Escaping<W> {
    out: W,
    /// Bytes that may still be written; `None` once the rest was cut off.
    left: Option<usize>,
    /// Inside a JSON string.
    is_quoted: bool,
}

impl<W: Write> Escaping<W> {
    /// Writes no more than so many bytes, and a mark if that is not all.
    pub(super) fn new(out: W, most: usize) -> Self {
        Self {
            out,
            left: Some(most),
            is_quoted: false,
        }
    }

    /// For the inside of a JSON string, which has the same text in it.
    pub(super) fn quoted(out: W, most: usize) -> Self {
        Self {
            is_quoted: true,
            ..Self::new(out, most)
        }
    }

    fn put(&mut self, text: &str) -> fmt::Result {
        let Some(left) = self.left else { return Ok(()) };
        self.left = left.checked_sub(text.len());
        match self.left {
            Some(_) => self.out.write_str(text),
            None => self.out.write_char(CUT),
        }
    }

    fn put_escape(&mut self, c: char) -> fmt::Result {
        let escape: String = match c {
            '\n' | '\r' | '\t' => c.escape_default().collect(),
            _ => c.escape_unicode().collect(),
        };
        // The backslash is one of the text.
        if self.is_quoted {
            self.put(&format!("\\{escape}"))
        } else {
            self.put(&escape)
        }
    }
}

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_short = self.left.is_some_and(|left| text.len() <= left);
        if is_short && is_plain(text) && !(self.is_quoted && text.contains(['"', '\\'])) {
            return self.put(text);
        }
        for c in text.chars() {
            if self.left.is_none() {
                break;
            }
            match c {
                c if steers(c) => self.put_escape(c)?,
                '"' | '\\' if self.is_quoted => self.put(&format!("\\{c}"))?,
                c => self.put(c.encode_utf8(&mut [0; 4]))?,
            }
        }
        Ok(())
    }
}

/// Something of which the text may come from elsewhere, as a part of one line.
#[derive(Clone, Copy, Debug)]
pub struct Visible<T>(pub T);

impl<T: fmt::Display> fmt::Display for Visible<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping::new(f, SENTENCE), "{}", self.0)
    }
}

/// Whether a text can be a field of a log line as it is.
pub(super) fn is_field(text: &str) -> bool {
    text.len() <= FIELD && is_plain(text)
}

/// A field of a log line.
pub fn field(text: &str) -> String {
    if is_field(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().min(FIELD) + CUT.len_utf8());
    // Writing to memory does not fail.
    let _ = Escaping::new(&mut out, FIELD).write_str(text);
    out
}

/// Text for a terminal, whose lines and columns are ours.
pub fn lines(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| steers(c) && !matches!(c, '\n' | '\t');
    replaced(text, is_harmful, |c| c.escape_unicode().collect())
}

/// JSON, or a line whose foreign parts are JSON strings: the same value, written so that nothing of
/// it steers.
pub fn json(text: &str) -> Cow<'_, str> {
    // All else of JSON is ASCII, and spaces and ends of lines between values are ours.
    let is_harmful = |c: char| steers(c) && !matches!(c, '\n' | '\t' | '\r');
    replaced(text, is_harmful, |c| {
        c.encode_utf16(&mut [0; 2])
            .iter()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect()
    })
}

fn replaced(
    text: &str,
    is_harmful: impl Fn(char) -> bool,
    escape: impl Fn(char) -> String,
) -> Cow<'_, str> {
    if is_plain(text) || !text.contains(&is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            out.push_str(&escape(c))
        } else {
            out.push(c)
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_written_out() {
        for (text, want) in [
            ("/janus?a=1 \"b\" \\", "/janus?a=1 \"b\" \\"),
            ("Zoë 東京 🙂", "Zoë 東京 🙂"),
            ("\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            ("a\r\nb\tc\0", "a\\r\\nb\\tc\\u{0}"),
            ("\x7f", "\\u{7f}"),
            ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            (
                "\u{202a}\u{202e}\u{2066}\u{2069}",
                "\\u{202a}\\u{202e}\\u{2066}\\u{2069}",
            ),
            ("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
            (
                "ad\u{200b}m\u{200d}in\u{feff}\u{ad}",
                "ad\\u{200b}m\\u{200d}in\\u{feff}\\u{ad}",
            ),
            ("\u{e0041}\u{fff9}\u{2060}", "\\u{e0041}\\u{fff9}\\u{2060}"),
        ] {
            assert_eq!(field(text), want);
            assert_eq!(Visible(text).to_string(), want);
            assert!(!want.contains(steers));
        }
    }

    #[test]
    fn every_control_and_format_character_is_known() {
        // As `char::escape_debug` has it, which escapes what cannot be printed; unassigned ones and
        // separators apart.
        let ours = (0..=u32::from(char::MAX))
            .filter_map(char::from_u32)
            .filter(|c| steers(*c));
        assert_eq!(
            ours.clone()
                .filter(|c| c.is_alphanumeric() && c.is_ascii())
                .count(),
            0
        );
        assert!(
            (0..0x20)
                .chain(0x7f..0xa0)
                .filter_map(char::from_u32)
                .all(steers)
        );
        assert!(ours.count() > 65 + 20);
    }

    #[test]
    fn a_field_is_cut_where_it_gets_long() {
        let exactly = "x".repeat(FIELD);
        assert_eq!(field(&exactly), exactly);
        let longer = field(&"x".repeat(FIELD + 1));
        assert_eq!(
            (longer.len(), longer.chars().last()),
            (FIELD + CUT.len_utf8(), Some(CUT))
        );
        // Before an escape, never inside it.
        let escapes = field(&"\u{202e}".repeat(1000));
        assert_eq!(escapes, format!("{}{CUT}", "\\u{202e}".repeat(FIELD / 8)));
        let wide = field(&format!("x{}", "東".repeat(1000)));
        assert_eq!(wide.len(), 1 + (FIELD - 1) / 3 * 3 + CUT.len_utf8());
        assert_eq!(
            field(&format!("{exactly}{exactly}")).len(),
            FIELD + CUT.len_utf8()
        );
        // Also where it comes in pieces.
        let pieces = Visible(format_args!("{:?}", (0..10_000).collect::<Vec<u32>>())).to_string();
        assert!(
            pieces.len() <= SENTENCE + CUT.len_utf8() && pieces.ends_with(CUT),
            "{pieces}"
        );
    }

    #[test]
    fn a_quoted_field_is_a_json_string_of_the_same_text() {
        for text in [
            "plain",
            "a\"b\\c",
            "\x1b\u{202e}\n",
            "Zoë",
            &"\\".repeat(2000),
        ] {
            let mut out = String::from("\"");
            write!(Escaping::quoted(&mut out, 4 * FIELD), "{text}").unwrap();
            out.push('"');
            let value: String =
                serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
            assert!(value == field(text) || text.len() > FIELD, "{out}");
        }
    }

    #[test]
    fn lines_of_a_terminal_stay_lines() {
        assert_eq!(lines("a\tb\nc\n"), "a\tb\nc\n");
        assert_eq!(
            lines("\x1b[2Ja\rb\u{202e}\nc\u{9b}"),
            "\\u{1b}[2Ja\\u{d}b\\u{202e}\nc\\u{9b}"
        );
    }

    #[test]
    fn json_keeps_its_value() {
        let value =
            serde_json::json!({ "a\u{202e}": ["\u{9b}\x7f\u{e0041}\x1b", "é\"\\"], "b": 1 });
        let text = format!("{value:#}");
        let safe = json(&text);
        assert!(!safe.contains(|c: char| steers(c) && c != '\n'), "{safe}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).unwrap(),
            value
        );
        assert_eq!(json("{\"a\":1}"), "{\"a\":1}");
    }
}
