//! What to write instead of a value of the wrong type: the operator's own value, where it can be
//! kept.

use std::fmt;

use toml::de::DeValue;

use super::super::problem::{Place, quoted};
use super::super::schema::{Form, Keys, Unset};
use super::Value;

/// What to write for a value where a table is expected.
pub(super) fn table(place: &Place, found: &DeValue<'_>, keys: &Keys) -> String {
    let needs_none = || {
        let mut keys = keys.keys.iter();
        keys.all(|key| !matches!(key.unset, Unset::Required))
    };
    let name = place.key.rsplit('.').next().unwrap_or_default();
    match found {
        DeValue::Array(_) => format!("; write [{}] in single brackets", place.key),
        DeValue::Boolean(true) if needs_none() => format!("; write {name} = {{}}"),
        _ => String::new(),
    }
}

impl Value<'_> {
    /// The value as TOML, if it is a short text or a number.
    pub(super) fn written(&self) -> Option<String> {
        match self.node {
            DeValue::String(text) if text.len() <= 80 => Some(quoted(text)),
            _ => self.number(),
        }
    }

    /// The number, as it is written.
    fn number(&self) -> Option<String> {
        match self.node {
            DeValue::Integer(number) if number.radix() == 10 => Some(number.to_string()),
            DeValue::Float(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// What to write for a float where an integer is expected, if it is a whole number.
    pub(in crate::config) fn hint_if_whole(&self) -> Option<String> {
        let DeValue::Float(number) = self.node else {
            return None;
        };
        let (whole, fraction) = number.as_str().split_once('.')?;
        let is_whole = fraction.bytes().all(|b| b == b'0') && integer(whole).is_some();
        is_whole.then(|| format!("; write {whole}"))
    }

    /// Whether it is a table that is written in `{ }`.
    pub(super) fn is_inline(&self) -> bool {
        self.node.is_table() && self.diag.source(&self.place).starts_with('{')
    }

    /// Whether examples of this form are written as this value is: both in quotes, or both not.
    pub(super) fn has_form(&self, form: Form) -> bool {
        let example = self.example(form);
        example.is_some_and(|example| example.starts_with('"') == self.as_text().is_some())
    }

    /// A valid value of this form.
    pub(super) fn example(&self, form: Form) -> Option<String> {
        match form {
            Form::One(kind) => kind.good.first().map(|good| (*good).to_owned()),
            Form::Word(words) => words().first().map(|word| quoted(word)),
            _ => None,
        }
    }

    /// What to say of a number where a text is expected, which may be right in quotes.
    pub(super) fn number_as_text<T, E: fmt::Display>(
        &self,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<String> {
        let number = self.number()?;
        Some(match parse(&number) {
            Ok(_) => format!("; write it in quotes, \"{number}\""),
            Err(why) => format!("; \"{number}\" {why}"),
        })
    }

    /// What to write where a text is expected that nothing else is known of, also a secret.
    pub(in crate::config) fn hint_without_value(&self) -> &'static str {
        match self.node {
            DeValue::Array(list) if list.len() == 1 => "; write it without brackets",
            DeValue::Array(list) if list.len() > 1 => "; it takes one value",
            _ if self.number().is_some() => "; write it in quotes",
            _ => "",
        }
    }

    /// What to write where one value is expected, and a list of one was found, or a text with
    /// something in it that is wanted without quotes.
    pub(super) fn hint(&self, is_wanted: impl Fn(&str) -> Option<String>) -> String {
        let (written, how) = match self.node {
            DeValue::String(text) => (is_wanted(text), "quotes"),
            DeValue::Array(list) => match &list[..] {
                [one] => {
                    let (node, place, diag) = (one.get_ref(), self.place.clone(), self.diag);
                    (Value { node, place, diag }.written(), "brackets")
                }
                _ => (None, ""),
            },
            _ => (None, ""),
        };
        written.map_or_else(String::new, |text| format!("; write {text} without {how}"))
    }

    /// The texts of a list, as they are written.
    pub(in crate::config) fn texts(&self) -> Option<Vec<String>> {
        let list = self.node.as_array()?;
        let text = |one: &toml::Spanned<DeValue<'_>>| one.get_ref().as_str().map(quoted);
        list.iter().map(text).collect()
    }
}

/// The truth that a text stands for elsewhere.
pub(super) fn truth(text: &str) -> Option<String> {
    let word = match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "enabled" => "true",
        "false" | "no" | "off" | "0" | "disabled" => "false",
        _ => return None,
    };
    Some(word.to_owned())
}

/// The integer that a text has.
pub(super) fn integer(text: &str) -> Option<String> {
    let is_integer =
        !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    is_integer.then(|| text.to_owned())
}
