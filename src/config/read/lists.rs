//! Lists, and tables whose keys are names that the operator chose.

use toml::Spanned as Node;
use toml::de::{DeString, DeValue};

use super::super::diagnostics::Diagnostics;
use super::super::problem::{Place, Spanned, quoted};
use super::super::schema::Form;
use super::{List, Named, Read, Table, Value, Write};

impl<K: Read> Read for List<K> {
    type Out = List<K::Out>;
    const FORM: Form = K::FORM.listed();

    fn read(value: &Value<'_>) -> Option<Self::Out> {
        let DeValue::Array(elements) = value.node else {
            return read_unlisted::<K>(value);
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

/// Reports that a value is no list. If it could be an element, it is read as the only one, so that
/// what is wrong with it is reported at once.
fn read_unlisted<K: Read>(value: &Value<'_>) -> Option<List<K::Out>> {
    let is_header = value.is_table() && !value.is_inline();
    if is_header {
        let hint = format!("; write [[{}]] in double brackets", value.place.key);
        return value.expected("a list", &hint);
    }
    let could_be = match K::FORM {
        Form::Table(_) => value.is_table(),
        _ => value.as_text().is_some() || (value.integer().is_some() && value.has_form(K::FORM)),
    };
    if !could_be {
        let hint = value.example(K::FORM).map(|one| format!("; write [{one}]"));
        return value.expected("a list", &hint.unwrap_or_default());
    }
    let element = Spanned::<K>::read(&Value {
        node: value.node,
        place: value.place.index(0, value.place.at),
        diag: value.diag,
    });
    let written = value.written().filter(|_| element.is_some());
    let hint = match (written, K::FORM) {
        (Some(text), _) => format!("; write [{text}]"),
        (None, Form::Table(_)) => {
            format!("; put it in [ ], or write it below [[{}]]", value.place.key)
        }
        (None, _) => "; put it in [ ]".to_owned(),
    };
    value.expected::<()>("a list", &hint);
    Some(vec![element])
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
            return value.expected("a table", &named_hint(value, K::FORM));
        };
        let table = Table::new(Some(entries), value.place.clone(), value.diag);
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

/// What to write instead of `[[upstreams]]`, or of values without names.
fn named_hint(value: &Value<'_>, form: Form) -> String {
    if !matches!(form, Form::Table(_)) {
        return hint_with_names(value);
    }
    let DeValue::Array(list) = value.node else {
        return String::new();
    };
    let first = list.first().and_then(|first| first.get_ref().as_table());
    let name = first.and_then(|table| table.get("name")?.get_ref().as_str());
    let name = name.filter(|name| is_name(name)).unwrap_or("NAME");
    let key = &value.place.key;
    format!("; write [{key}.{name}] in single brackets, each with a name of its own")
}

/// The texts under names that are made from the key: `bridges = { bridge1 = "…" }`.
fn hint_with_names(value: &Value<'_>) -> String {
    let key = value.place.key.rsplit('.').next().unwrap_or_default();
    let name = key.strip_suffix('s').unwrap_or(key);
    let one = || Some(vec![quoted(value.as_text()?)]);
    let Some(texts) = value.texts().or_else(one).filter(|texts| !texts.is_empty()) else {
        return String::new();
    };
    let numbered = (1..).zip(texts);
    let named = numbered.map(|(number, text)| format!("{name}{number} = {text}"));
    let named: Vec<String> = named.collect();
    format!("; write {key} = {{ {} }}", named.join(", "))
}

fn is_name(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(is_plain)
}

/// Names turn up in logs and metrics, so they are kept to what needs no quoting there.
fn note_bad_name(name: &str, place: &Place, diag: &Diagnostics<'_>) {
    if !is_name(name) {
        diag.problem(
            place,
            "is not a name; use letters, digits, \"-\", \"_\" and \".\"",
        );
    }
}
