//! The typed reader: takes values out of parsed TOML, notes what is wrong with each, and goes on.
//!
//! Three things can be said of a key: it is not there, it is there and wrong, or here is its value.
//! The first two are both `None`, because a value that was noted as wrong needs no second
//! message. Where a key must be there, [`Table::require`] notes its absence.

use std::fmt;
use std::str::FromStr;

use toml::Spanned as Node;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

use super::diagnostics::Diagnostics;
use super::problem::{Place, Spanned, quoted};
use super::schema::{self, Form, Keys};
use super::suggest;

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
        table.note_unknown(diag.known());
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
        if !self.diag.does_not_parse() {
            self.diag.problem(&self.place.key(key, self.place.at), text);
        }
    }

    /// A table in this one. Where it is not written it is read as empty, so that its defaults and
    /// its required keys are known in one place. `None`: what is written is no table.
    pub(super) fn section<S: Section>(&self, key: &str) -> Option<S> {
        match self.value(key) {
            Some(value) => value.table(S::KEYS).map(|table| S::read(&table)),
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
            if let Some(text) = schema::unknown(self.diag.known(), keys, name) {
                self.diag
                    .problem(&self.place.key(name, key.span().start), text);
            }
        }
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

impl<K: Read> Read for List<K> {
    type Out = List<K::Out>;
    const FORM: Form = K::FORM.listed();

    fn read(value: &Value<'_>) -> Option<Self::Out> {
        let DeValue::Array(elements) = value.node else {
            let hint = match value.node {
                DeValue::Table(_) => format!("; write [[{}]] in double brackets", value.place.key),
                _ => "; put it in [ ]".to_owned(),
            };
            return value.expected("a list", &hint);
        };
        let element = |(index, node): (usize, &Node<DeValue<'_>>)| {
            Spanned::<K>::read(&Value {
                node: node.get_ref(),
                place: value.place.index(index, node.span().start),
                diag: value.diag,
            })
        };
        Some(elements.iter().enumerate().map(element).collect())
    }
}

impl<K: Write> Write for List<K> {
    type Plain = Vec<K::Plain>;

    fn write(value: &Vec<K::Plain>) -> String {
        let elements: Vec<String> = value.iter().map(K::write).collect();
        format!("[{}]", elements.join(", "))
    }
}

impl<K: Read> Read for Named<K> {
    type Out = Named<K::Out>;
    const FORM: Form = K::FORM.named();

    fn read(value: &Value<'_>) -> Option<Self::Out> {
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
            let read = K::read(&table.child(&name, node));
            (Spanned { value: name, place }, read)
        };
        let mut named: Self::Out = entries.iter().map(entry).collect();
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
