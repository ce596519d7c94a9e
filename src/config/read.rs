//! The typed reader: takes values out of parsed TOML, notes what is wrong with each, and goes on.
//!
//! Three things can be said of a key: it is not there, it is there and wrong, or here is its value.
//! The first two are both `None`, because whoever reads the key has nothing more to say of a value
//! that was noted as wrong. Where a key must be there, [`Table::require`] notes its absence.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use toml::Spanned as Node;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

use super::diagnostics::Diagnostics;
use super::keys::{self, Keys};
use super::problem::{Place, Spanned, quoted};
use super::suggest;

/// A value, where it stands, and the pad for what is wrong with it.
pub(super) struct Value<'a> {
    node: &'a DeValue<'a>,
    place: Place,
    diag: &'a Diagnostics<'a>,
}

/// Makes a `T` of a value, or notes why not.
pub(super) trait Read: Sized {
    fn read(value: &Value<'_>) -> Option<Self>;
}

/// A table with keys of its own.
pub(super) trait Section: Sized {
    const KEYS: &'static Keys;

    fn read(table: &Table<'_>) -> Self;
}

/// A list. Its wrong elements are `None`, so that it does not look shorter than it was written.
pub(super) type List<T> = Vec<Option<Spanned<T>>>;

/// A table whose keys are names that the operator chose, in the order of the file. A name whose
/// value is wrong is still a name that others may refer to.
pub(super) type Named<T> = Vec<(Spanned<String>, Option<T>)>;

/// The elements of a list that are right.
pub(super) fn valid<T>(list: Option<List<T>>) -> Vec<Spanned<T>> {
    list.into_iter().flatten().flatten().collect()
}

impl<'a> Value<'a> {
    /// Diagnostics what is wrong with the value.
    pub(super) fn refuse<T>(&self, text: impl Into<String>) -> Option<T> {
        self.diag.problem(&self.place, text);
        None
    }

    fn expected<T>(&self, what: &str, hint: &str) -> Option<T> {
        let found = match self.node {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse(format!("expected {what}, found {found}{hint}"))
    }

    /// The text; where there is none, `what` was expected.
    pub(super) fn text(&self, what: &str) -> Option<&'a str> {
        match self.node {
            DeValue::String(text) => Some(text),
            _ => self.expected(what, ""),
        }
    }

    /// The text as a `T`.
    pub(super) fn parse<T: FromStr<Err: fmt::Display>>(&self, what: &str) -> Option<T> {
        self.parse_with(what, T::from_str)
    }

    /// The text as what the function makes of it. Its error goes on from the text: "is not a host
    /// name".
    pub(super) fn parse_with<T, E: fmt::Display>(
        &self,
        what: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(what)?;
        parse(text)
            .map_err(|why| {
                self.diag
                    .problem(&self.place, format!("{} {why}", quoted(text)))
            })
            .ok()
    }

    /// The text as one of a few words.
    pub(super) fn choose<T: Copy>(&self, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text("a string")?;
        if let Some((_, choice)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*choice);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.refuse(suggest::unknown(what, text, &known))
    }

    /// The integer, where there is one.
    pub(super) fn integer(&self) -> Option<&'a DeInteger<'a>> {
        self.node.as_integer()
    }

    /// The truth, where there is one.
    pub(super) fn boolean(&self) -> Option<bool> {
        self.node.as_bool()
    }

    /// Whether it is written in `[ ]`.
    pub(super) fn is_list(&self) -> bool {
        self.node.is_array()
    }

    /// Whether it is written in `{ }`, or as a table.
    pub(super) fn is_table(&self) -> bool {
        self.node.is_table()
    }

    /// Where it stands.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// What is in a table whose keys are not ours to name, in the order of the file.
    pub(super) fn members(&self) -> Option<Vec<(String, Value<'a>)>> {
        let DeValue::Table(entries) = self.node else {
            return self.expected("a table", "");
        };
        let table = Table {
            entries: Some(entries),
            place: self.place.clone(),
            diag: self.diag,
        };
        let member = |(key, node): (&Node<DeString<'_>>, _)| {
            let name = key.get_ref().to_string();
            let value = table.child(&name, node);
            (name, value)
        };
        let mut members: Vec<_> = entries.iter().map(member).collect();
        members.sort_by_key(|(_, value)| value.place.at);
        Some(members)
    }

    /// An integer within bounds.
    pub(super) fn integer_in(&self, least: u64, most: u64) -> Option<u64> {
        let Some(integer) = self.integer() else {
            return self.expected("an integer", "");
        };
        let value = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        match value.filter(|value| (least..=most).contains(value)) {
            None if most == u64::MAX => self.refuse(format!("must be {least} or more")),
            None => self.refuse(format!("must be from {least} to {most}")),
            value => value,
        }
    }

    fn table(&self, keys: &'static Keys) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.node else {
            let in_single = || format!("; write [{}] in single brackets", self.place.key);
            let hint = self.node.is_array().then(in_single).unwrap_or_default();
            return self.expected("a table", &hint);
        };
        let table = Table {
            entries: Some(entries),
            place: self.place.clone(),
            diag: self.diag,
        };
        table.note_unknown(keys);
        Some(table)
    }
}

/// A table, or the lack of one: then every key is missing.
pub(super) struct Table<'a> {
    entries: Option<&'a DeTable<'a>>,
    place: Place,
    diag: &'a Diagnostics<'a>,
}

impl<'a> Table<'a> {
    /// The file as a whole.
    pub(super) fn root(entries: &'a DeTable<'a>, diag: &'a Diagnostics<'a>) -> Self {
        let table = Self {
            entries: Some(entries),
            place: Place::root(),
            diag,
        };
        table.note_unknown(&keys::ROOT);
        table
    }

    /// Where it begins.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the key is written, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries
            .is_some_and(|entries| entries.contains_key(key))
    }

    /// The value of a key and its place.
    pub(super) fn get<T: Read>(&self, key: &str) -> Option<Spanned<T>> {
        let value = self.value(key)?;
        T::read(&value).map(|read| Spanned {
            value: read,
            place: value.place,
        })
    }

    /// The value of a key, where its place is of no interest.
    pub(super) fn plain<T: Read>(&self, key: &str) -> Option<T> {
        self.get(key).map(|placed| placed.value)
    }

    /// The value of a key that must be there.
    pub(super) fn require<T: Read>(&self, key: &str, if_missing: &str) -> Option<Spanned<T>> {
        if !self.has(key) {
            self.missing(key, if_missing);
        }
        self.get(key)
    }

    /// Diagnostics that a key is not there; unless that may be the parser's doing.
    pub(super) fn missing(&self, key: &str, text: &str) {
        if !self.diag.does_not_parse() {
            self.diag.problem(&self.place.key(key, self.place.at), text);
        }
    }

    /// Diagnostics what is hardly meant.
    pub(super) fn warn(&self, place: &Place, text: impl Into<String>) {
        self.diag.warning(place, text);
    }

    /// A table in this one. Where it is not written it is read as empty, so that its defaults and
    /// its required keys are known in one place. `None`: what is written is no table.
    pub(super) fn section<S: Section>(&self, key: &str) -> Option<S> {
        match self.value(key) {
            Some(value) => <S as Read>::read(&value),
            None => Some(S::read(&Table {
                entries: None,
                place: self.place.key(key, self.place.at),
                diag: self.diag,
            })),
        }
    }

    fn value(&self, key: &str) -> Option<Value<'a>> {
        self.entries?.get(key).map(|node| self.child(key, node))
    }

    fn child(&self, key: &str, node: &'a Node<DeValue<'a>>) -> Value<'a> {
        Value {
            node: node.get_ref(),
            place: self.place.key(key, node.span().start),
            diag: self.diag,
        }
    }

    fn note_unknown(&self, keys: &Keys) {
        for key in self.entries.into_iter().flat_map(|entries| entries.keys()) {
            let name: &str = key.get_ref();
            if let Some(text) = keys::unknown(keys, name) {
                self.diag
                    .problem(&self.place.key(name, key.span().start), text);
            }
        }
    }
}

impl<S: Section> Read for S {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.table(S::KEYS).map(|table| S::read(&table))
    }
}

impl<T: Read> Read for List<T> {
    fn read(value: &Value<'_>) -> Option<Self> {
        let DeValue::Array(elements) = value.node else {
            let hint = match value.node {
                DeValue::Table(_) => format!("; write [[{}]] in double brackets", value.place.key),
                _ => "; put it in [ ]".to_owned(),
            };
            return value.expected("a list", &hint);
        };
        let element = |(index, node): (usize, &Node<DeValue<'_>>)| {
            let place = value.place.index(index, node.span().start);
            let element = Value {
                node: node.get_ref(),
                place,
                diag: value.diag,
            };
            T::read(&element).map(|read| Spanned {
                value: read,
                place: element.place,
            })
        };
        Some(elements.iter().enumerate().map(element).collect())
    }
}

impl<T: Read> Read for Named<T> {
    fn read(value: &Value<'_>) -> Option<Self> {
        let DeValue::Table(entries) = value.node else {
            return value.expected("a table", "");
        };
        let table = Table {
            entries: Some(entries),
            place: value.place.clone(),
            diag: value.diag,
        };
        let entry = |(key, node): (&Node<DeString<'_>>, _)| {
            let name = key.get_ref().to_string();
            let place = table.place.key(&name, key.span().start);
            note_bad_name(&name, &place, table.diag);
            let read = T::read(&table.child(&name, node));
            (Spanned { value: name, place }, read)
        };
        let mut named: Self = entries.iter().map(entry).collect();
        named.sort_by_key(|(name, _)| name.place.at);
        Some(named)
    }
}

/// Names turn up in logs and metrics, so they are kept to what needs no quoting there.
fn note_bad_name(name: &str, place: &Place, diag: &Diagnostics<'_>) {
    if name.is_empty()
        || !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    {
        diag.problem(
            place,
            "is not a name; use letters, digits, \"-\", \"_\" and \".\"",
        );
    }
}

impl Read for bool {
    fn read(value: &Value<'_>) -> Option<Self> {
        match value.node {
            DeValue::Boolean(yes) => Some(*yes),
            _ => value.expected("true or false", ""),
        }
    }
}

impl Read for String {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.text("a string").map(str::to_owned)
    }
}

impl Read for NonZeroUsize {
    fn read(value: &Value<'_>) -> Option<Self> {
        let number = value.integer_in(1, u32::MAX.into())?;
        usize::try_from(number).ok().and_then(Self::new)
    }
}
