//! Joins the tables of several files.
//!
//! A key is in one file. Tables are in as many as there are keys or names in them, and lists of
//! tables, such as `[[routes]]`, go on from file to file:
//!
//! | in both files | the whole has |
//! |---|---|
//! | `[limits]`, `[listen]` | the keys of both |
//! | `[upstreams.a]`, `[upstreams.b]` | both names |
//! | `[[routes]]`, `[[acme.certificates]]`, `include` | the elements of both |
//! | anything else | a problem |

use toml::de::{DeTable, DeValue};

use super::problem::{Finding, Kind, Place};
use super::schema::{Form, Keys};
use super::sources::Sources;

/// The key of the files that a file includes.
pub(super) const INCLUDE: &str = "include";

/// Joins a file to those before it.
pub(super) struct Merge<'m> {
    sources: &'m Sources,
    findings: &'m mut Vec<Finding>,
}

impl<'m> Merge<'m> {
    /// Problems are added to `findings`.
    pub(super) fn new(sources: &'m Sources, findings: &'m mut Vec<Finding>) -> Self {
        Self { sources, findings }
    }

    /// Puts everything that the file has into the whole.
    pub(super) fn join<'t>(&mut self, whole: &mut DeTable<'t>, file: DeTable<'t>, keys: &Keys) {
        self.table(whole, file, What::Keys(keys), &Place::root());
    }

    fn table<'t>(
        &mut self,
        into: &mut DeTable<'t>,
        from: DeTable<'t>,
        what: What<'_>,
        place: &Place,
    ) {
        for (key, value) in from {
            let name: &str = key.get_ref();
            let place = place.key(name, key.span().start);
            let below = what.below(name);
            let Some(there) = into.get_mut(name) else {
                into.insert(key, value);
                continue;
            };
            let first = there.span().start;
            match (there.get_mut(), value.into_inner()) {
                (DeValue::Table(there), DeValue::Table(more)) if below.is_table() => {
                    self.table(there, more, below, &place);
                }
                (DeValue::Array(there), DeValue::Array(more)) if below.is_list() => {
                    more.into_iter().for_each(|one| there.push(one));
                }
                _ => self.note_twice(&place, first),
            }
        }
    }

    fn note_twice(&mut self, place: &Place, first: usize) {
        let there = Place {
            at: first,
            key: String::new(),
        };
        let line = self.sources.line(&there);
        self.findings.push(Finding {
            kind: Kind::Problem,
            place: place.clone(),
            text: format!("is here already, on {line}; take one out, or join the two"),
        });
    }
}

/// What is joined.
#[derive(Clone, Copy)]
enum What<'k> {
    /// Tables with these keys.
    Keys(&'k Keys),
    /// Tables of names.
    Names,
    /// Lists that go on from file to file.
    List,
    /// A key that does not exist, which is reported as such.
    Unknown,
    /// What can be in one file only.
    One,
}

impl What<'_> {
    /// What stands under a key.
    fn below(self, name: &str) -> Self {
        let Self::Keys(keys) = self else {
            return Self::One;
        };
        match keys.form(name) {
            Some(Form::Table(keys)) => Self::Keys(keys),
            Some(Form::Named(_)) => Self::Names,
            Some(Form::Tables(_)) => Self::List,
            Some(_) if name == INCLUDE => Self::List,
            Some(_) => Self::One,
            None => Self::Unknown,
        }
    }

    fn is_table(self) -> bool {
        matches!(self, Self::Keys(_) | Self::Names | Self::Unknown)
    }

    fn is_list(self) -> bool {
        matches!(self, Self::List | Self::Unknown)
    }
}
