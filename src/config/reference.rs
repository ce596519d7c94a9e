//! `docs/reference.md`: every key, from the table that the reader goes by.

use std::fmt::Write as _;

use super::read::Section as _;
use super::schema::{Form, Key, Keys, Kind, Unset, paragraphs};
use super::tables::Raw;

const HEAD: &str = "\
# gateway.toml: every key

This file is made from the program's own table of keys: a test compares the two, and \
`BLESS=1 cargo test --test docs` writes it. [gateway.toml](gateway.toml) beside it has every key \
in use; the [README](../README.md) is where to begin.

All problems of a file are reported at once, each with line, column, key and what to do. Until the \
file is valid, `ianitor check` and a start exit with code 78, and a reload changes nothing. A \
problem is a value that is not of its [kind](#values), an unknown key, a required key that is \
missing, and what the texts below call rejected. Warnings are shown and stop nothing.
";

/// The whole file.
pub fn reference() -> String {
    let mut out = HEAD.to_owned();
    let sections = sections();
    out.push_str("\n| table | keys |\n|---|---|\n| top level | [`include`](#include) |\n");
    for section in &sections {
        let links: Vec<String> = section
            .keys
            .keys
            .iter()
            .map(|key| section.link(key))
            .collect();
        line(
            &mut out,
            &format!("| {} | {} |", section.title(), links.join(", ")),
        );
    }
    line(
        &mut out,
        "\n## Top level\n\nThese stand before the first table.",
    );
    write_keys(&mut out, "", Raw::KEYS);
    for section in &sections {
        section.write(&mut out);
    }
    values(&mut out, &sections);
    out
}

/// A table, and where it stands.
struct Section {
    keys: &'static Keys,
    /// What keys in it are called, up to their own name: `routes.headers.`.
    prefix: String,
    /// Whether it must be written, or what holds without it.
    opened_by: &'static Key,
}

/// Every table but the top level, each after the one that it stands in.
fn sections() -> Vec<Section> {
    fn add(keys: &'static Keys, prefix: &str, all: &mut Vec<Section>) {
        for key in keys.keys {
            let Some(inner) = key.form.keys() else {
                continue;
            };
            let name = if matches!(key.form, Form::Named(_)) {
                ".NAME"
            } else {
                ""
            };
            // `[defaults]` has tables of routes.
            if all.iter().any(|known| known.keys.table == inner.table) {
                continue;
            }
            let prefix = format!("{prefix}{}{name}.", key.name);
            all.push(Section {
                keys: inner,
                prefix: prefix.clone(),
                opened_by: key,
            });
            add(inner, &prefix, all);
        }
    }
    let mut all = Vec::new();
    add(Raw::KEYS, "", &mut all);
    all
}

impl Section {
    fn title(&self) -> String {
        format!("`{}`", self.keys.table)
    }

    fn link(&self, key: &Key) -> String {
        let name = key.name;
        match key.form.keys() {
            Some(keys) => format!("[`{name}`](#{})", anchor(keys.table)),
            None => format!("[`{name}`](#{})", anchor(&format!("{}{name}", self.prefix))),
        }
    }

    fn write(&self, out: &mut String) {
        line(out, &format!("\n## {}\n", self.title()));
        if !self.opened_by.text.is_empty() {
            line(out, &format!("{}\n", paragraphs(self.opened_by.text)));
        }
        line(out, &paragraphs(self.keys.about));
        match self.opened_by.unset {
            Unset::Required => line(out, "\nRequired."),
            Unset::Means(what) | Unset::Empty(what) => {
                line(out, &format!("\nWithout it: {what}."));
            }
            Unset::Is(value) | Unset::Usually(value) => {
                line(out, &format!("\nDefault: `{}`.", value()))
            }
        }
        write_keys(out, &self.prefix, self.keys);
    }
}

/// The keys of a table that open no table themselves.
fn write_keys(out: &mut String, prefix: &str, keys: &Keys) {
    let all = keys.keys.iter();
    for key in all.filter(|key| key.form.keys().is_none()) {
        line(out, &format!("\n### `{prefix}{}`\n", key.name));
        line(
            out,
            &format!(
                "{} · {}\n\n{}",
                form(key.form),
                unset(key.unset),
                paragraphs(key.text)
            ),
        );
    }
}

fn form(form: Form) -> String {
    let words = |words: fn() -> Vec<&'static str>| {
        let words: Vec<String> = words().iter().map(|word| format!("`\"{word}\"`")).collect();
        words.join(", ")
    };
    match form {
        Form::One(kind) => linked(kind),
        Form::List(kind) => format!("list of: {}", linked(kind)),
        Form::Word(known) => format!("one of {}", words(known)),
        Form::Words(known) => format!("list of: {}", words(known)),
        Form::Values(kind) => format!("table of names, each with a {}", linked(kind)),
        Form::Table(_) | Form::Tables(_) | Form::Named(_) => String::new(),
    }
}

fn linked(kind: &Kind) -> String {
    format!("[{}](#{})", kind.name, anchor(kind.name))
}

fn unset(unset: Unset) -> String {
    match unset {
        Unset::Required => "required".to_owned(),
        Unset::Is(value) | Unset::Usually(value) => format!("default `{}`", value()),
        Unset::Means(what) | Unset::Empty(what) => format!("without it: {what}"),
    }
}

/// Each kind that a key has, once.
fn values(out: &mut String, sections: &[Section]) {
    line(out, "\n## Values");
    let mut kinds: Vec<&Kind> = sections
        .iter()
        .flat_map(|section| section.keys.keys)
        .chain(Raw::KEYS.keys)
        .filter_map(kind)
        .collect();
    kinds.sort_by_key(|kind| kind.name);
    kinds.dedup_by_key(|kind| kind.name);
    for Kind {
        name,
        expected,
        text,
        good,
        bad: (bad, why),
    } in kinds
    {
        line(out, &format!("\n### {name}\n"));
        if !text.is_empty() {
            line(out, &format!("{text}\n"));
        }
        if !good.is_empty() {
            let good: Vec<String> = good.iter().map(|good| format!("`{good}`")).collect();
            line(out, &format!("- accepted: {}", good.join(", ")));
        }
        let value = if why.starts_with(bad) {
            String::new()
        } else {
            format!("`{bad}`: ")
        };
        line(out, &format!("- rejected: {value}{why}"));
        line(out, &format!("- any other type: expected {expected}"));
    }
}

/// The kind of a key's value or of its parts.
fn kind(key: &Key) -> Option<&'static Kind> {
    match key.form {
        Form::One(kind) | Form::List(kind) | Form::Values(kind) => Some(kind),
        Form::Word(_) | Form::Words(_) | Form::Table(_) | Form::Tables(_) | Form::Named(_) => None,
    }
}

/// What a heading is linked as: GitHub keeps letters, digits, hyphens and underscores, and makes
/// hyphens of spaces.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| {
        if c == ' ' {
            '-'
        } else {
            c.to_ascii_lowercase()
        }
    })
    .collect()
}

fn line(out: &mut String, text: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{text}");
}
