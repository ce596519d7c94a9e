//! Escapes text for terminals and logs, because much of it comes from outside: paths, names,
//! claims, messages of other servers.
//!
//! Characters that control a terminal, end a line, or make text look like another text are written
//! as `\u{202e}`, and long fields of log lines are cut. All output is escaped here: fields of
//! access lines (`quoted`, `json_string`, `bare`), events when they are formatted
//! (`telemetry::events`), and the output of commands ([`lines`]).

use std::borrow::Cow;
use std::fmt::{self, Write};

/// The longest field of a log line in bytes, after escaping. With HTTP/2, a client can have a long
/// header value logged again and again for a few bytes each time.
pub const FIELD: usize = 512;

/// The longest message in bytes: it may contain a CA's message for each of a hundred hosts.
pub const SENTENCE: usize = 4096;

/// Replaces the rest of a text that was cut.
const CUT: char = '\u{2026}';

/// Whether a character has to be escaped: controls (C0, DEL and C1), line separators, direction
/// marks, and characters without width.
pub fn steers(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether nothing in a text has to be escaped, as is usual.
fn is_plain(text: &str) -> bool {
    // Not `all`: without an early exit, many bytes are compared at once.
    text.bytes().fold(true, |is_plain, byte| {
        is_plain & matches!(byte, b' '..=b'~')
    })
}

/// Whether nothing in a text has to be escaped inside a JSON string.
fn is_plain_json(text: &[u8]) -> bool {
    let is_plain = |byte| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
    text.iter().fold(true, |all, byte| all & is_plain(*byte))
}

/// A writer that escapes.
#[derive(Debug)]
pub(super) struct Escaping<W> {
    out: W,
    /// The number of bytes that may still be written; `None` after the text was cut.
    left: Option<usize>,
    /// Whether the text is inside a JSON string.
    is_quoted: bool,
}

impl<W: Write> Escaping<W> {
    /// Writes at most this many bytes, and an ellipsis if that is not all.
    pub(super) fn new(out: W, most: usize) -> Self {
        Self {
            out,
            left: Some(most),
            is_quoted: false,
        }
    }

    /// Writes inside a JSON string, with JSON's escapes.
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
        // An escaped backslash of the text itself.
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

/// A value from outside, displayed as part of one line.
#[derive(Clone, Copy, Debug)]
pub struct Visible<T>(pub T);

impl<T: fmt::Display> fmt::Display for Visible<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping::new(f, SENTENCE), "{}", self.0)
    }
}

/// Escapes and cuts a field of a log line.
pub fn field(text: &str) -> String {
    if text.len() <= FIELD && is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().min(FIELD) + CUT.len_utf8());
    // Writing to memory does not fail.
    let _ = Escaping::new(&mut out, FIELD).write_str(text);
    out
}

/// Appends a [field](field) of a log line as a JSON string. Its text is what `write` appends.
pub(super) fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    let start = out.len();
    write(out);
    let text = &out[start..];
    if text.len() <= FIELD && is_plain_json(text) {
        out.push(b'"');
        return;
    }
    let text = field(&String::from_utf8_lossy(text));
    out.truncate(start - 1);
    json_string(out, &text);
}

/// Appends a text of any length as a JSON string.
pub(super) fn json_string(out: &mut Vec<u8>, text: &str) {
    if is_plain_json(text.as_bytes()) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        bare(out, &serde_json::Value::from(text).to_string());
    }
}

/// Appends a text of any length without quotation marks.
pub(super) fn bare(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(json(text).as_bytes());
}

/// Escapes text for a terminal, except line feeds.
pub fn lines(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| steers(c) && !matches!(c, '\n' | '\t');
    replaced(text, is_harmful, |c| c.escape_unicode().collect())
}

/// Escapes JSON, or a line in which text from outside is in JSON strings, without changing its
/// value.
pub fn json(text: &str) -> Cow<'_, str> {
    // Outside of strings, JSON is ASCII.
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
