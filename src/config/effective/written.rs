//! Values as TOML and as JSON.

use std::path::Path;

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::super::schema::{Form, Kind};
use super::super::sources::Sources;
use super::Shown;

/// Writes values of a configuration.
pub(super) struct Writer<'w> {
    pub(super) sources: &'w Sources,
    /// The position of each value with variables in it, in their order, and the names.
    pub(super) variables: &'w [(usize, Vec<String>)],
}

/// Parts of the names of headers whose values are secrets.
const SECRET_HEADERS: [&str; 7] = [
    "auth", "cookie", "token", "secret", "password", "api-key", "apikey",
];

impl Writer<'_> {
    /// The value of a key with this form. `names` gets the variables in it.
    pub(super) fn value(
        &self,
        node: &toml::Spanned<DeValue<'_>>,
        form: Form,
        names: &mut Vec<String>,
    ) -> Shown {
        if kind_of(form).is_some_and(|kind| kind.name == "secret") {
            self.note_variables(node, names);
            return Shown::Secret;
        }
        let mut left_out = Vec::new();
        let json = self.json(node, form, names, &mut left_out);
        match left_out.is_empty() || json.as_object().is_none_or(|left| !left.is_empty()) {
            true => Shown::Value {
                toml: toml(&json),
                json,
                left_out,
            },
            false => Shown::Secret,
        }
    }

    fn json(
        &self,
        node: &toml::Spanned<DeValue<'_>>,
        form: Form,
        names: &mut Vec<String>,
        left_out: &mut Vec<String>,
    ) -> Json {
        match node.get_ref() {
            DeValue::String(text) => {
                self.note_variables(node, names);
                Json::String(self.text(text, node.span().start, form))
            }
            DeValue::Array(list) => {
                let elements = list.iter();
                let element = |value| self.json(value, form, names, left_out);
                Json::Array(elements.map(element).collect())
            }
            DeValue::Table(table) => {
                let mut members = serde_json::Map::new();
                for (key, value) in in_order(table) {
                    match is_secret(form, key) {
                        true => left_out.push(key.to_owned()),
                        false => {
                            let value = self.json(value, form, names, left_out);
                            members.insert(key.to_owned(), value);
                        }
                    }
                }
                Json::Object(members)
            }
            value => plain(value),
        }
    }

    /// Adds the variables in a text.
    fn note_variables(&self, node: &toml::Spanned<DeValue<'_>>, names: &mut Vec<String>) {
        let at = node.span().start;
        let Ok(found) = self.variables.binary_search_by_key(&at, |(at, _)| *at) else {
            return;
        };
        for name in &self.variables[found].1 {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }

    /// Paths are as seen from the folder of `gateway.toml`.
    fn text(&self, text: &str, at: usize, form: Form) -> String {
        let is_path = kind_of(form).is_some_and(|kind| match kind.name {
            "file" | "file, or two" | "socket" => true,
            "audit log" => text != "stdout",
            _ => false,
        });
        let folder = &self.sources.at(at).folder;
        match is_path && folder != Path::new("") {
            true => folder.join(text).display().to_string(),
            false => text.to_owned(),
        }
    }
}

/// The members of a table in the order of the file.
pub(super) fn in_order<'t>(
    table: &'t DeTable<'t>,
) -> Vec<(&'t str, &'t toml::Spanned<DeValue<'t>>)> {
    let mut all: Vec<_> = table.iter().collect();
    all.sort_by_key(|(key, _)| key.span().start);
    let of = |(key, value): (&'t toml::Spanned<_>, _)| {
        let key: &toml::de::DeString<'t> = key.get_ref();
        (&**key, value)
    };
    all.into_iter().map(of).collect()
}

fn kind_of(form: Form) -> Option<&'static Kind> {
    match form {
        Form::One(kind) | Form::List(kind) | Form::Values(kind) => Some(kind),
        _ => None,
    }
}

/// Whether a member is a header with a secret.
fn is_secret(form: Form, name: &str) -> bool {
    let Form::Values(Kind {
        name: "header value",
        ..
    }) = form
    else {
        return false;
    };
    let name = name.to_ascii_lowercase();
    SECRET_HEADERS.iter().any(|part| name.contains(part))
}

/// A number, a truth or a date.
fn plain(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            read.map_or(Json::Null, Json::from)
        }
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .map_or(Json::Null, Json::from),
        DeValue::Boolean(truth) => Json::Bool(*truth),
        DeValue::Datetime(date) => Json::String(date.to_string()),
        _ => Json::Null,
    }
}

/// A default, which is written as TOML.
pub(super) fn default(toml: String) -> Shown {
    let parsed = DeValue::parse(&toml);
    let json = parsed.map_or(Json::Null, |value| whole(value.get_ref()));
    Shown::Value {
        json,
        toml,
        left_out: Vec::new(),
    }
}

fn whole(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Array(list) => list.iter().map(|one| whole(one.get_ref())).collect(),
        DeValue::Table(table) => in_order(table)
            .into_iter()
            .map(|(key, value)| (key.to_owned(), whole(value.get_ref())))
            .collect(),
        value => plain(value),
    }
}

/// The value as TOML, on one line.
pub(super) fn toml(value: &Json) -> String {
    match value {
        Json::String(text) => quoted(text),
        Json::Array(list) => {
            let list: Vec<String> = list.iter().map(toml).collect();
            format!("[{}]", list.join(", "))
        }
        Json::Object(members) if members.is_empty() => "{}".to_owned(),
        Json::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| format!("{} = {}", key(name), toml(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A key as TOML.
pub(super) fn key(name: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    match !name.is_empty() && name.bytes().all(is_bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// A string as TOML: as JSON has it, but for DEL.
fn quoted(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_written_as_toml_that_means_it() {
        for text in [
            "",
            "a",
            "\"\\\n\t\r\u{8}\u{c}\u{0}\u{1f}\u{7f}\u{85}",
            "ä𝄞\u{2028}",
            "''",
        ] {
            let written = format!("{} = {}", key(text), toml(&Json::from(text)));
            let table: toml::Table = written.parse().unwrap();
            assert_eq!(table.get(text).and_then(toml::Value::as_str), Some(text));
        }
    }
}
