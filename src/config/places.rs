//! Where the keys of a file are, for problems that show only when what they name is opened.

use toml::Spanned as Node;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem};

/// The line and the column of each key of a file.
#[derive(Debug, Default)]
pub struct Places(Vec<Problem>);

impl Places {
    pub(super) fn of(text: &str, document: &DeTable<'_>) -> Self {
        let mut places = Vec::new();
        add_table(document, &Place::root(), &mut places);
        // So that one pass over the text finds all of them.
        places.sort_by_key(|place| place.at);
        Self(located(text, places))
    }

    /// Where a key is, as a problem without a text.
    pub(super) fn find(&self, key: &str) -> Option<&Problem> {
        self.0.iter().find(|place| place.key == key)
    }

    /// A message that begins with a key, behind the place of that key: `8:9 tls.ca_file: …`.
    /// `None` if there is no such key in the file.
    pub fn located(&self, message: &str) -> Option<String> {
        let is_about = |place: &&Problem| {
            let rest = message.strip_prefix(place.key.as_str());
            rest.is_some_and(|rest| rest.starts_with(": "))
        };
        let place = self.0.iter().find(is_about)?;
        Some(format!("{}:{} {message}", place.line, place.column))
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

fn located(text: &str, places: Vec<Place>) -> Vec<Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut line, mut column, mut end) = (1, 1, 0);
    let of = |Place { at, key }: Place| {
        let between = text.get(end..at).unwrap_or_default();
        end = at;
        match between.rsplit_once('\n') {
            Some((lines, last)) => {
                line += 1 + lines.matches('\n').count();
                column = 1 + last.chars().count();
            }
            None => column += between.chars().count(),
        }
        Problem {
            line,
            column,
            key,
            text: String::new(),
        }
    };
    places.into_iter().map(of).collect()
}
