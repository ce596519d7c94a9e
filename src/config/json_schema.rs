//! `gateway.schema.json`: every key with its type and its text, for editors and `taplo lint`, from
//! the table that the reader goes by.
//!
//! It says what a file looks like, not whether it can be in force: what compares keys with each
//! other or looks into a string is the reader's alone. Required keys are asked of the tables of
//! lists only, because every other table may be spread over several files.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use super::read::Section as _;
use super::schema::{Form, Key, Keys, Kind, Unset, paragraphs};
use super::tables::Raw;

/// The schema of `gateway.toml`, and of the files that it includes.
pub fn json_schema() -> String {
    let mut schema = table(Raw::KEYS, false);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "gateway.toml of ianitor".into();
    format!("{schema:#}\n")
}

/// A table whose keys are known. `is_whole` is one that stands in one file.
fn table(keys: &Keys, is_whole: bool) -> Value {
    let properties: Map<String, Value> = keys
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key, is_whole)))
        .collect();
    let mut table = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    let required = |key: &&Key| is_whole && matches!(key.unset, Unset::Required);
    let required: Vec<&str> = keys
        .keys
        .iter()
        .filter(required)
        .map(|key| key.name)
        .collect();
    if !required.is_empty() {
        table["required"] = required.into();
    }
    table
}

fn property(key: &Key, is_whole: bool) -> Value {
    let mut property = match key.form {
        Form::One(kind) => or_list(scalar(kind), key.or_list),
        Form::List(kind) => list(scalar(kind)),
        Form::Word(words) => or_list(word(key, words), key.or_list),
        Form::Words(words) => list(word(key, words)),
        Form::Values(kind) => named(or_list(scalar(kind), types(kind).contains("array"))),
        Form::Table(keys) => table(keys, is_whole),
        Form::Tables(keys) => list(table(keys, true)),
        Form::Named(keys) => named(table(keys, is_whole)),
    };
    property["description"] = description(key).into();
    property
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn named(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

fn word(key: &Key, words: fn() -> Vec<&'static str>) -> Value {
    match key.other_spellings {
        true => json!({ "type": "string", "examples": words() }),
        false => json!({ "type": "string", "enum": words() }),
    }
}

fn or_list(one: Value, is_one: bool) -> Value {
    match is_one {
        true => json!({ "anyOf": [one, list(one.clone())] }),
        false => one,
    }
}

/// One value, which is no list, by the types that its examples have.
fn scalar(kind: &Kind) -> Value {
    let mut types = types(kind);
    types.remove("array");
    match types.len() {
        // Names of other tables have no example that is right everywhere.
        0 => json!({ "type": "string" }),
        1 => json!({ "type": types.first() }),
        _ => json!({ "type": types }),
    }
}

/// The types of the examples.
fn types(kind: &Kind) -> BTreeSet<&'static str> {
    let examples = kind.good.iter().map(|example| format!("x = {example}"));
    // Each example is TOML: a test has the reader accept it.
    let name = |text: String| {
        let document = DeTable::parse(&text).ok()?;
        let value = document.get_ref().get("x")?;
        Some(type_name(value.get_ref()))
    };
    examples.filter_map(name).collect()
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) | DeValue::Datetime(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

/// The text of the reference, and what holds without the key.
fn description(key: &Key) -> String {
    let about = key.form.keys().map_or("", |keys| keys.about);
    let unset = match key.unset {
        Unset::Required => "Required.".to_owned(),
        Unset::Is(value) | Unset::Usually(value) => format!("Default: `{}`.", value()),
        Unset::Means(what) | Unset::Empty(what) => format!("Without it: {what}."),
    };
    let all = [key.text, about, &unset].map(|text| without_links(&paragraphs(text)));
    let all: Vec<&str> = all
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
        .collect();
    all.join("\n\n")
}

/// The text without the targets of links, which are pages beside the reference.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let (Some((start, label)), Some((_, behind))) =
            (before.rsplit_once('['), after.split_once(')'))
        else {
            break;
        };
        out += start;
        out += label;
        rest = behind;
    }
    out + rest
}
