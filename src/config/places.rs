//! Where the keys of a configuration are, for problems that show only when what they name is
//! opened.

use std::collections::HashSet;

use toml::Spanned as Node;
use toml::de::{DeTable, DeValue};

use super::document::Document;
use super::problem::{Place, Problem};
use super::sources::Sources;

/// The file, the line and the column of each key, and whether its value has variables of the
/// environment in it.
#[derive(Debug, Default)]
pub struct Places(Vec<(Problem, bool)>);

impl Places {
    pub(super) fn of(sources: &Sources, document: &Document<'_>) -> Self {
        let mut places = Vec::new();
        add_table(&document.table, &Place::root(), &mut places);
        let variables = document.variables.iter();
        let variables = variables.filter(|(_, names)| !names.is_empty());
        let variables: HashSet<usize> = variables.map(|(at, _)| *at).collect();
        let places = places.into_iter().map(|place| {
            let has_variables = variables.contains(&place.at);
            (place, has_variables)
        });
        Self(sources.locate(places.collect()))
    }

    /// Where a key is, as a problem without a text.
    pub(super) fn find(&self, key: &str) -> Option<&Problem> {
        let mut places = self.0.iter().map(|(place, _)| place);
        places.find(|place| place.key == key)
    }

    /// Whether the value of this key has variables in it.
    pub(super) fn has_variables(&self, key: &str) -> bool {
        let mut places = self.0.iter();
        places.any(|(place, has_variables)| *has_variables && place.key == key)
    }

    /// A message that begins with a key, behind the place of that key: `gateway.toml:8:9
    /// tls.ca_file: …`. `None` if there is no such key.
    pub fn located(&self, message: &str) -> Option<String> {
        let is_about = |place: &&Problem| {
            let rest = message.strip_prefix(place.key.as_str());
            rest.is_some_and(|rest| rest.starts_with(": "))
        };
        let Problem {
            file, line, column, ..
        } = self.0.iter().map(|(place, _)| place).find(is_about)?;
        Some(format!("{}:{line}:{column} {message}", file.display()))
    }
}

fn add_table(table: &DeTable<'_>, place: &Place, places: &mut Vec<Place>) {
    for (key, value) in table {
        let place = place.key(key.get_ref(), value.span().start);
        add(value, place, places);
    }
}

fn add(value: &Node<DeValue<'_>>, place: Place, places: &mut Vec<Place>) {
    match value.get_ref() {
        DeValue::Table(table) => add_table(table, &place, places),
        DeValue::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                add(value, place.index(index, value.span().start), places);
            }
        }
        _ => {}
    }
    places.push(place);
}
