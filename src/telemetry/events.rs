//! Formats events, with every value [escaped](super::escape).

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::escape::{Escaping, FIELD, SENTENCE};
use crate::clock;

/// The field with the message itself.
const MESSAGE: &str = "message";

/// Messages are longer than other fields: they contain what a CA or a command says about a failure.
fn longest(name: &str) -> usize {
    if matches!(name, MESSAGE | "error") {
        SENTENCE
    } else {
        FIELD
    }
}

/// A field's name without the `r#` of keywords; `None` for fields that the `log` crate adds.
fn name(field: &Field) -> Option<&str> {
    let name = field.name();
    (!name.starts_with("log.")).then(|| name.strip_prefix("r#").unwrap_or(name))
}

/// Fields of text lines: the message, then `name=value`.
#[derive(Debug)]
pub(super) struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut text = Text {
            writer,
            is_first: true,
            result: Ok(()),
        };
        fields.record(&mut text);
        text.result
    }
}

struct Text<'w> {
    writer: Writer<'w>,
    is_first: bool,
    result: fmt::Result,
}

impl Text<'_> {
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) -> fmt::Result {
        let Some(name) = name(field) else {
            return Ok(());
        };
        if !std::mem::replace(&mut self.is_first, false) {
            self.writer.write_char(' ')?;
        }
        match (name == MESSAGE, self.writer.has_ansi_escapes()) {
            (true, _) => {}
            // Italic, and faint.
            (false, true) => write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?,
            (false, false) => write!(self.writer, "{name}=")?,
        }
        Escaping::new(&mut self.writer, longest(name)).write_fmt(value)
    }
}

impl Visit for Text<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            MESSAGE => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.result.is_ok() {
            self.result = self.put(field, format_args!("{value:?}"));
        }
    }
}

/// The time of an event, as access lines have it: RFC 3339 with milliseconds.
#[derive(Debug)]
pub(super) struct Millis;

impl FormatTime for Millis {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(
            writer,
            "{}",
            humantime::format_rfc3339_millis(clock::wall())
        )
    }
}

/// JSON lines: one object each. As in access lines, `time`, `level` and `kind` come first.
#[derive(Debug)]
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str("{\"time\":\"")?;
        Millis.format_time(&mut writer)?;
        let level = event.metadata().level();
        write!(writer, "\",\"level\":\"{level}\",\"kind\":\"event\"")?;
        let mut json = Json {
            writer,
            result: Ok(()),
        };
        event.record(&mut json);
        json.result?;
        json.writer.write_str("}\n")
    }
}

struct Json<'w> {
    writer: Writer<'w>,
    result: fmt::Result,
}

impl Json<'_> {
    fn bare(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let Some(name) = name(field) else { return };
        if self.result.is_ok() {
            // Names of fields are identifiers.
            self.result = write!(self.writer, ",\"{name}\":{value}");
        }
    }

    fn quoted(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let Some(name) = name(field) else { return };
        if self.result.is_ok() {
            self.result = self.put_quoted(name, value);
        }
    }

    fn put_quoted(&mut self, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
        write!(self.writer, ",\"{name}\":\"")?;
        Escaping::quoted(&mut self.writer, longest(name)).write_fmt(value)?;
        self.writer.write_char('"')
    }
}

impl Visit for Json<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.bare(field, format_args!("{value}")),
            false => self.bare(field, format_args!("null")),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.quoted(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.quoted(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::super::escape::steers;
    use super::super::{LogFormat, lines};
    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const FOREIGN: &str = "x\x1b[2J\u{9b}\u{202e}\u{2028}\r\nINFO \"\\ \u{7f}\u{200b}";

    /// The lines of an event with foreign text wherever it could be.
    fn written(format: LogFormat, is_terminal: bool) -> String {
        let written = Lines::default();
        let to = written.clone();
        let layer = lines(format, move || to.clone(), is_terminal);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let error = io::Error::other(FOREIGN);
            let long = "y".repeat(5000);
            tracing::warn!(
                %error,
                debug = ?FOREIGN,
                text = FOREIGN,
                %long,
                times = 3u64,
                yes = true,
                "said: {FOREIGN}"
            );
            tracing::info!(
                r#type = "a",
                signed = -1,
                none = None::<u64>,
                "{}",
                "z".repeat(9000)
            );
        });
        let bytes = std::mem::take(&mut *written.0.lock());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn nothing_of_an_event_steers_a_terminal_or_ends_its_line() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = written(format, false);
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(!text.contains(|c: char| steers(c) && c != '\n'), "{text}");
            let longest = text.lines().map(str::len).collect::<Vec<_>>();
            assert!(longest[0] < 1500 && longest[1] < 4400, "{longest:?}");
        }
    }

    #[test]
    fn a_text_line_has_its_fields_behind_the_sentence() {
        let text = written(LogFormat::Text, false);
        let escaped = "x\\u{1b}[2J\\u{9b}\\u{202e}\\u{2028}\\r\\nINFO \"\\ \\u{7f}\\u{200b}";
        let (first, second) = text.split_once('\n').unwrap();
        assert!(
            first.contains(&format!(
                " WARN said: {escaped} error={escaped} debug=\"x\\u{{1b}}[2J"
            )),
            "{first}"
        );
        assert!(first.ends_with("\u{2026} times=3 yes=true"), "{first}");
        assert!(
            second.contains(" INFO zzz") && second.ends_with("\u{2026} type=\"a\" signed=-1\n"),
            "{second}"
        );
    }

    #[test]
    fn colours_are_ours_alone() {
        let text = written(LogFormat::Text, true);
        assert!(
            text.contains("\x1b[3merror\x1b[0m\x1b[2m=\x1b[0mx\\u{1b}[2J"),
            "{text}"
        );
        assert!(!text.contains("\x1b[2J"), "{text}");
    }

    #[test]
    fn a_json_line_is_one_object_with_values_of_their_types() {
        let text = written(LogFormat::Json, false);
        let values: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect();
        let escaped = "x\\u{1b}[2J\\u{9b}\\u{202e}\\u{2028}\\r\\nINFO \"\\ \\u{7f}\\u{200b}";
        assert_eq!(values[0]["error"], escaped);
        assert_eq!(values[0]["text"], escaped);
        assert_eq!(values[0]["message"], format!("said: {escaped}"));
        assert_eq!(
            (&values[0]["level"], &values[0]["times"], &values[0]["yes"]),
            (&"WARN".into(), &3.into(), &true.into())
        );
        assert!(values[0]["time"].as_str().unwrap().ends_with('Z'));
        assert_eq!(values[0]["kind"], "event");
        assert_eq!(
            (&values[1]["type"], &values[1]["signed"]),
            (&"a".into(), &(-1).into())
        );
    }
}
