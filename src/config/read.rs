//! The typed reader: takes values out of parsed TOML, notes what is wrong with each, and goes on.
//!
//! Three things can be said of a key: it is not there, it is there and wrong, or here is its value.
//! The first two are both `None`, because a value that was noted as wrong needs no second
//! message. Where a key must be there, [`Table::require`] notes its absence.

mod hints;
mod lists;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use toml::Spanned as Node;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

use super::diagnostics::Diagnostics;
use super::problem::{Place, Spanned, quoted};
use super::schema::{Form, Keys};
use super::suggest;
use super::unknown::unknown;

/// A value, where it stands, and the pad for what is wrong with it.
pub(super) struct Value<'a> {
    node: &'a DeValue<'a>,
    place: Place,
    diag: &'a Diagnostics<'a>,
}

/// A kind of value. Most types are kinds themselves; a type that is written in several ways has a
/// marker for each, as `Timeout` and `Lifetime` both read as a `Duration`.
pub(super) trait Read {
    /// The type that a value of this kind is read as.
    type Out;
    /// How it is written, for the reference.
    const FORM: Form;
    /// Whether a list of values of this form may be written instead of one.
    const OR_LIST: bool = false;
    /// Whether words may be spelt otherwise than the reference has them, as `SIGHUP` for `HUP`.
    const OTHER_SPELLINGS: bool = false;

    /// Reads the value, or reports what is wrong with it.
    fn read(value: &Value<'_>) -> Option<Self::Out>;
}

/// A kind whose values can be shown as TOML, as the reference does with defaults.
pub(super) trait Write: Read {
    /// A value without its place in the file, which a default does not have.
    type Plain;

    fn write(value: &Self::Plain) -> String;
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
pub(super) fn valid<T>(list: List<T>) -> Vec<Spanned<T>> {
    list.into_iter().flatten().collect()
}

impl<'a> Value<'a> {
    /// Reports what is hardly meant.
    pub(super) fn warn(&self, place: &Place, text: impl Into<String>) {
        self.diag.warning(place, text);
    }

    /// Reports what is wrong with the value.
    pub(super) fn refuse<T>(&self, text: impl Into<String>) -> Option<T> {
        self.diag.problem(&self.place, text);
        None
    }

    /// Reports that `what` was expected here, and what there is instead.
    pub(super) fn expected<T>(&self, what: &str, hint: &str) -> Option<T> {
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

    /// The text; where there is none, `what` was expected. The value may be a secret.
    pub(super) fn text(&self, what: &str) -> Option<&'a str> {
        match self.node {
            DeValue::String(text) => Some(text),
            _ => self.expected(what, self.hint_without_value()),
        }
    }

    /// The text, where there is one.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        self.node.as_str()
    }

    /// The text, which will be parsed by this function: a number may need no more than quotes.
    fn text_for<T, E: fmt::Display>(
        &self,
        what: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<&'a str> {
        if let DeValue::String(text) = self.node {
            return Some(text);
        }
        let hint = self.number_as_text(parse);
        self.expected(what, &hint.unwrap_or_else(|| self.hint(|_| None)))
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
        let text = self.text_for(what, &parse)?;
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

    /// A path that is written here, as seen from the folder of `gateway.toml`.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.diag.folder(&self.place).join(text)
    }

    /// The integer, where there is one.
    pub(super) fn integer(&self) -> Option<&'a DeInteger<'a>> {
        self.node.as_integer()
    }

    /// The truth, where there is one.
    pub(super) fn boolean(&self) -> Option<bool> {
        self.node.as_bool()
    }

    /// Reports that true or false was expected, and what there is instead.
    pub(super) fn expected_truth<T>(&self) -> Option<T> {
        self.expected("true or false", &self.hint(hints::truth))
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
        let table = Table::new(Some(entries), self.place.clone(), self.diag);
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
            let hint = self.hint_if_whole();
            let hint = hint.unwrap_or_else(|| self.hint(hints::integer));
            return self.expected("an integer", &hint);
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
            return self.expected("a table", &hints::table(&self.place, self.node, keys));
        };
        let mut table = Table::new(Some(entries), self.place.clone(), self.diag);
        table.note_unknown(keys);
        Some(table)
    }
}

/// A table, or the lack of one: then every key is missing.
pub(super) struct Table<'a> {
    entries: Option<&'a DeTable<'a>>,
    place: Place,
    diag: &'a Diagnostics<'a>,
    /// Keys that were misspelt, and how. They have been reported; their values are read all the
    /// same, so that nothing else is reported as missing or unknown for that.
    misspelt: Vec<(&'static str, &'a str)>,
}

impl<'a> Table<'a> {
    fn new(entries: Option<&'a DeTable<'a>>, place: Place, diag: &'a Diagnostics<'a>) -> Self {
        Self {
            entries,
            place,
            diag,
            misspelt: Vec::new(),
        }
    }

    /// The file as a whole.
    pub(super) fn root(entries: &'a DeTable<'a>, diag: &'a Diagnostics<'a>) -> Self {
        let mut table = Self::new(Some(entries), Place::root(), diag);
        table.note_unknown(diag.known());
        table
    }

    /// Where it begins.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the key is written, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        let has = |key| self.entries.is_some_and(|table| table.contains_key(key));
        has(key) || self.misspelt.iter().any(|(meant, _)| *meant == key)
    }

    /// The value of a key.
    pub(super) fn get<K: Read>(&self, key: &str) -> Option<K::Out> {
        K::read(&self.value(key)?)
    }

    /// The value of a key that must be there.
    pub(super) fn require<K: Read>(&self, key: &str, if_missing: &str) -> Option<K::Out> {
        if !self.has(key) {
            self.missing(key, if_missing);
        }
        self.get::<K>(key)
    }

    /// A list that must be there and have elements.
    pub(super) fn require_some<K, T>(&self, key: &str, if_missing: &str) -> Vec<T>
    where
        K: Read<Out = Vec<T>>,
    {
        let list = self.get::<K>(key);
        if !self.has(key) || list.as_ref().is_some_and(Vec::is_empty) {
            self.missing(key, if_missing);
        }
        list.unwrap_or_default()
    }

    /// Reports that none of these keys is there, at the place of the first.
    pub(super) fn require_one_of(&self, keys: &[&str], if_missing: &str) {
        if let Some(first) = keys
            .first()
            .filter(|_| !keys.iter().any(|key| self.has(key)))
        {
            self.missing(first, if_missing);
        }
    }

    /// Reports that a key is not there; unless that may be the parser's doing.
    pub(super) fn missing(&self, key: &str, text: &str) {
        if self.diag.is_whole() {
            self.diag.problem(&self.place.key(key, self.place.at), text);
        }
    }

    /// A table in this one. Where it is not written it is read as empty, so that its defaults and
    /// its required keys are known in one place. `None`: what is written is no table.
    pub(super) fn section<S: Section>(&self, key: &str) -> Option<S> {
        match self.value(key) {
            Some(value) => value.table(S::KEYS).map(|table| S::read(&table)),
            None => {
                let place = self.place.key(key, self.place.at);
                Some(S::read(&Table::new(None, place, self.diag)))
            }
        }
    }

    fn value(&self, key: &str) -> Option<Value<'a>> {
        let misspelt = self.misspelt.iter().find(|(meant, _)| *meant == key);
        let key = misspelt.map_or(key, |(_, written)| written);
        self.entries?.get(key).map(|node| self.child(key, node))
    }

    fn child(&self, key: &str, node: &'a Node<DeValue<'a>>) -> Value<'a> {
        Value {
            node: node.get_ref(),
            place: self.place.key(key, node.span().start),
            diag: self.diag,
        }
    }

    fn note_unknown(&mut self, keys: &Keys) {
        for (key, value) in self.entries.into_iter().flatten() {
            let name: &str = key.get_ref();
            let known = self.diag.known();
            let Some(unknown) = unknown(known, keys, name, is_table(value.get_ref())) else {
                continue;
            };
            let place = self.place.key(name, key.span().start);
            self.diag.problem(&place, unknown.text);
            let meant = unknown.meant.filter(|meant| !self.has(meant));
            self.misspelt.extend(meant.map(|meant| (meant, name)));
        }
    }
}

/// Whether it is a table, or a list that begins with one.
fn is_table(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Array(list) => list.first().is_some_and(|first| first.get_ref().is_table()),
        value => value.is_table(),
    }
}

impl<S: Section> Read for S {
    type Out = S;
    const FORM: Form = Form::Table(S::KEYS);

    fn read(value: &Value<'_>) -> Option<S> {
        value.table(S::KEYS).map(|table| S::read(&table))
    }
}

impl<K: Read> Read for Spanned<K> {
    type Out = Spanned<K::Out>;
    const FORM: Form = K::FORM;
    const OR_LIST: bool = K::OR_LIST;
    const OTHER_SPELLINGS: bool = K::OTHER_SPELLINGS;

    fn read(value: &Value<'_>) -> Option<Self::Out> {
        K::read(value).map(|read| Spanned {
            value: read,
            place: value.place.clone(),
        })
    }
}

impl<K: Write> Write for Spanned<K> {
    type Plain = K::Plain;

    fn write(value: &K::Plain) -> String {
        K::write(value)
    }
}
