//! Errors of the TOML parser, in the words of people who write configuration files.

use toml::Spanned as Node;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, quoted};

/// Where the error is and what to do about it.
pub(super) fn explain(
    text: &str,
    document: &DeTable<'_>,
    error: &toml::de::Error,
) -> (Place, String) {
    let at = error.span().map_or(0, |span| span.start);
    let rest = text.get(at..).unwrap_or_default();
    let message = error.message();
    if message.contains("leading zero") {
        let key = key_at(document, &Place::root(), at).map_or_else(String::new, |place| place.key);
        let what = leading_zero(&key, rest);
        return (Place { at, key }, what);
    }
    let key = String::new();
    let is_value = [
        "string values",
        "invalid boolean",
        "invalid integer",
        "invalid float",
    ]
    .iter()
    .chain(&[
        "invalid mantissa",
        "invalid fraction",
        "unexpected key or value",
    ])
    .any(|beginning| message.starts_with(beginning));
    let what = match message {
        "duplicate key" => duplicate(document, rest),
        _ if is_value => match unquoted(text, at) {
            Some(what) => what,
            None => words(message, rest),
        },
        _ => words(message, rest),
    };
    (Place { at, key }, what)
}

/// What the message means. `rest` is the file from the error on.
fn words(message: &str, rest: &str) -> String {
    let starts = |beginning: &str| message.starts_with(beginning);
    let ends_like_nginx = rest.starts_with(';') || line(rest).trim_end().ends_with(';');
    let fixed = if ends_like_nginx && starts("unexpected") {
        "a line ends without \";\"; take it out"
    } else if starts("key with no value") {
        "a key without a value; write key = value"
    } else if starts("missing escaped value") || message.contains("escape") {
        "\"\\\" begins an escape; write \"\\\\\", or the text in '…'"
    } else if message.contains("string, expected `\"`") {
        "the text is not closed on its line; write \" at its end"
    } else if message.contains("string, expected `'`") {
        "the text is not closed on its line; write ' at its end"
    } else if starts("missing comma between array") {
        "a comma or \"]\" is missing"
    } else if starts("missing comma between key") || starts("invalid inline table element") {
        "a comma or \"}\" is missing"
    } else if starts("extra comma") {
        "one comma too many; take it out"
    } else if starts("unclosed array table") || starts("unclosed table") {
        "the name of the table is not closed; write \"]\" at its end, or \"]]\" after \"[[\""
    } else if starts("unclosed array") {
        "the list is not closed; write \"]\""
    } else if starts("unclosed inline table") {
        "the table is not closed; write \"}\""
    } else if starts("unexpected key or value") {
        "something stands behind the value; begin a new line, or a comment with #"
    } else if starts("invalid key-value pair") || starts("unquoted keys cannot be empty") {
        "a line is key = value, [table] or a comment with #"
    } else if starts("invalid unquoted key") {
        "a key has letters, digits, \"-\" and \"_\"; write others in quotes"
    } else if starts("missing value") {
        "the value is missing; write key = value"
    } else {
        return message.to_owned();
    };
    fixed.to_owned()
}

fn line(rest: &str) -> &str {
    rest.lines().next().unwrap_or_default()
}

/// What to write for a text without quotes that has an error at this position.
fn unquoted(text: &str, at: usize) -> Option<String> {
    let before = text.get(..at)?;
    let begin = before
        .rfind(['=', '[', ',', '{', '\n', '"', '\''])
        .map_or(0, |at| at + 1);
    let mut value = text.get(begin..)?;
    if value.starts_with("::]") && before.ends_with('[') {
        value = text.get(begin - 1..)?;
    }
    let from = match value.starts_with("[::]") {
        true => "[::]".len(),
        // A list is no text.
        false if value.trim_start().starts_with('[') => return None,
        false => 0,
    };
    let end = value[from..].find([',', ']', '}', '#', '\n', '\r', ';']);
    let word = value[..end.map_or(value.len(), |end| from + end)].trim();
    let is_alone = !word.is_empty() && !word.contains(['"', '\'']);
    is_alone.then(|| match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "is written true".to_owned(),
        "false" | "no" | "off" => "is written false".to_owned(),
        _ => format!("a text is written in quotes, {}", quoted(word)),
    })
}

/// A key or a table that is in the file twice.
fn duplicate(document: &DeTable<'_>, rest: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let name = &rest[..end];
    let is_list_of_tables = document
        .get(name)
        .and_then(|value| value.get_ref().as_array()?.first()?.get_ref().as_table())
        .is_some();
    if is_list_of_tables && rest[end..].starts_with(']') {
        return format!("write [[{name}]] in double brackets, as above");
    }
    match name {
        "" => "this key is here already; take one out".to_owned(),
        name => format!("\"{name}\" is here already; take one out, or join the two"),
    }
}

/// The message for a number with a leading zero, which is usually a file mode.
fn leading_zero(key: &str, rest: &str) -> String {
    let digits = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
    match key.ends_with("mode") {
        true => format!("no number begins with 0; write the mode in quotes, \"{digits}\""),
        false => "no number begins with 0; take that off, or write a text in quotes".to_owned(),
    }
}

/// The key whose value begins at this position.
fn key_at(table: &DeTable<'_>, place: &Place, at: usize) -> Option<Place> {
    table
        .iter()
        .find_map(|(key, value)| value_at(value, place.key(key.get_ref(), value.span().start), at))
}

fn value_at(value: &Node<DeValue<'_>>, place: Place, at: usize) -> Option<Place> {
    match value.get_ref() {
        DeValue::Table(table) => key_at(table, &place, at),
        DeValue::Array(list) => {
            let mut elements = list.iter().enumerate();
            elements.find_map(|(index, value)| {
                value_at(value, place.index(index, value.span().start), at)
            })
        }
        _ => (place.at == at).then_some(place),
    }
}
