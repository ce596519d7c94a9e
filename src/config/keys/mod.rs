//! The keys that each table knows, and what they mean: the one list that the reader, "did you mean"
//! and `docs/reference.md` go by. A key cannot be known without being explained.
//!
//! ```text
//! ROOT ─ listen ─ Form::Table(&LISTEN)
//!      ─ upstreams ─ Form::Named(&UPSTREAM) ─ servers ─ Form::List(&kinds::SERVER)
//! ```
//!
//! Tables hang on the keys that open them, so a new one needs no other place than its key.

mod access;
mod acme;
mod deploy;
pub(super) mod kinds;
mod routes;
mod tables;
mod turn;

use super::suggest;
pub(super) use access::{ISSUER, POLICY};
pub(super) use acme::{ACME, CERTIFICATE, EXTERNAL_ACCOUNT};
pub(super) use deploy::{DEPLOY, RELOAD};
use kinds::Kind;
pub(super) use routes::{ANSWER_HEADERS, CORS, ROUTE, ROUTE_HEADERS, TIMEOUTS};
pub(super) use tables::{LIMITS, LISTEN, LOG, PAIR, PASSTHROUGH, TLS, UPSTREAM};
pub(super) use turn::TURN;

/// A kind of table and its keys.
#[derive(Debug)]
pub(super) struct Keys {
    /// How the documentation writes the table.
    pub(super) table: &'static str,
    /// What it is for, in Markdown.
    pub(super) about: &'static str,
    /// What may stand in it.
    pub(super) keys: &'static [Key],
}

/// One key of a table.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) unset: Unset,
    /// What it means, in Markdown: sentences.
    pub(super) text: &'static str,
}

const fn key(name: &'static str, form: Form, unset: Unset, text: &'static str) -> Key {
    Key {
        name,
        form,
        unset,
        text,
    }
}

/// What the value of a key looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    One(&'static Kind),
    List(&'static Kind),
    /// One of these words.
    Word(fn() -> Vec<&'static str>),
    /// A list of some of them.
    Words(fn() -> Vec<&'static str>),
    /// Values of this kind by names that the operator chooses.
    Values(&'static Kind),
    Table(&'static Keys),
    Tables(&'static Keys),
    /// Tables by names that the operator chooses.
    Named(&'static Keys),
}

impl Form {
    /// The table that the key opens.
    pub(super) fn keys(self) -> Option<&'static Keys> {
        match self {
            Self::Table(keys) | Self::Tables(keys) | Self::Named(keys) => Some(keys),
            Self::One(_) | Self::List(_) | Self::Word(_) | Self::Words(_) | Self::Values(_) => None,
        }
    }
}

/// What holds where a key is not written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unset {
    /// It must be written.
    Required,
    /// As if this had been written, in TOML.
    Is(fn() -> String),
    /// Something that cannot be written, in words.
    Means(&'static str),
}

impl Keys {
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }
}

/// The file as a whole.
pub(super) static ROOT: Keys = Keys {
    table: "the top level",
    about: "",
    keys: &[
        key("listen", Form::Table(&LISTEN), Unset::Required, ""),
        key("log", Form::Table(&LOG), Unset::Means("the defaults"), ""),
        key(
            "limits",
            Form::Table(&LIMITS),
            Unset::Means("the defaults"),
            "",
        ),
        key(
            "tls",
            Form::Table(&TLS),
            Unset::Means("the defaults, and certificates come from `[acme]`"),
            "",
        ),
        key(
            "acme",
            Form::Table(&ACME),
            Unset::Means("no certificate is ordered"),
            "",
        ),
        key("deploy", Form::Tables(&DEPLOY), Unset::Means("none"), ""),
        key(
            "passthrough",
            Form::Tables(&PASSTHROUGH),
            Unset::Means("none"),
            "",
        ),
        key(
            "upstreams",
            Form::Named(&UPSTREAM),
            Unset::Means("none"),
            "",
        ),
        key("issuers", Form::Named(&ISSUER), Unset::Means("none"), ""),
        key(
            "policies",
            Form::Named(&POLICY),
            Unset::Means("only `open`"),
            "",
        ),
        key("turn", Form::Named(&TURN), Unset::Means("none"), ""),
        key("routes", Form::Tables(&ROUTE), Unset::Required, ""),
    ],
};

/// Every table, each after the one that it stands in.
pub(super) fn all() -> Vec<&'static Keys> {
    fn add(keys: &'static Keys, all: &mut Vec<&'static Keys>) {
        all.push(keys);
        for inner in keys.keys.iter().filter_map(|key| key.form.keys()) {
            add(inner, all);
        }
    }
    let mut all = Vec::new();
    add(&ROOT, &mut all);
    all
}

/// Keys of the full `gateway.toml`, in whatever table, that this version cannot keep its word on. A
/// key moves from here to its table when it is built.
#[rustfmt::skip]
const LATER: &[&str] = &[
    "token_auth_secret_file",
    "messages", "rules",
];

/// Those that other tables have already.
const LATER_IN_UPSTREAMS: &[&str] = &["secret_file"];

/// What to say of a key that the table does not know; `None` if it knows it.
pub(super) fn unknown(keys: &Keys, word: &str) -> Option<String> {
    if keys.has(word) {
        return None;
    }
    if LATER.contains(&word)
        || (std::ptr::eq(keys, &UPSTREAM) && LATER_IN_UPSTREAMS.contains(&word))
    {
        return Some("not supported by this version; take it out".to_owned());
    }
    let owners: Vec<&str> = all()
        .iter()
        .filter(|other| other.has(word))
        .map(|other| other.table)
        .collect();
    if !owners.is_empty() {
        return Some(format!(
            "unknown key here; it belongs to {}",
            owners.join(" or ")
        ));
    }
    let names: Vec<&str> = keys.names().collect();
    Some(match suggest::nearest(word, &names) {
        Some(meant) => format!("unknown key, did you mean \"{meant}\"?"),
        None => format!("unknown key; {} knows {}", keys.table, names.join(", ")),
    })
}

/// The words of a choice.
fn words<T>(names: &[(&'static str, T)]) -> Vec<&'static str> {
    names.iter().map(|(name, _)| *name).collect()
}

/// The word for a value, as TOML.
fn word<T: PartialEq>(names: &[(&'static str, T)], of: T) -> String {
    names
        .iter()
        .find(|(_, value)| *value == of)
        .map(|(name, _)| quoted(name))
        .unwrap_or_default()
}

fn quoted(text: impl std::fmt::Display) -> String {
    format!("\"{text}\"")
}

fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(quoted).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests;
