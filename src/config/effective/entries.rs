//! Walks through a document by the description of its tables.

use toml::Spanned as Node;
use toml::de::{DeTable, DeValue};

use super::super::Understood;
use super::super::merge::INCLUDE;
use super::super::problem::Place;
use super::super::read::Section as _;
use super::super::schema::{Form, Key, Keys, Unset};
use super::super::tables::Raw;
use super::written::{self, Writer, in_order};
use super::{Entry, Origin, Shown};

/// The table that routes inherit from.
const DEFAULTS: &str = "defaults";

/// Everything that a valid document says.
pub(super) fn entries(understood: &Understood<'_>) -> Vec<Entry> {
    let mut walk = Walk {
        understood,
        writer: Writer {
            sources: understood.sources,
            variables: &understood.document.variables,
        },
        entries: Vec::new(),
        places: Vec::new(),
    };
    let top = Opened {
        header: String::new(),
        path: String::new(),
        inherited: &[],
    };
    walk.table(Raw::KEYS, Some(&understood.document.table), &top);
    walk.finish()
}

/// A table that is walked through.
struct Opened<'o> {
    /// Its name in headers: `upstreams.a`.
    header: String,
    /// Its path: `routes[0].cors`.
    path: String,
    /// The keys that it has from `[defaults]`.
    inherited: &'o [&'static str],
}

struct Walk<'w> {
    understood: &'w Understood<'w>,
    writer: Writer<'w>,
    entries: Vec<Entry>,
    /// The place of each entry that is in a file, with its number.
    places: Vec<(Place, usize)>,
}

impl<'w> Walk<'w> {
    /// Single values come before tables, as TOML wants it.
    fn table(&mut self, keys: &'static Keys, table: Option<&'w DeTable<'w>>, at: &Opened<'_>) {
        let is_top = at.path.is_empty();
        let listed = |key: &&Key| !is_top || !matches!(key.name, INCLUDE | DEFAULTS);
        let all: Vec<_> = keys.keys.iter().filter(listed).collect();
        let found = |key: &Key| table.and_then(|table| table.get(key.name));
        let (single, tables): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|key| !is_opened(key.form, found(key)));
        for key in single {
            self.single(key, found(key), at);
        }
        for key in tables {
            self.opened(key, found(key), at);
        }
    }

    fn single(&mut self, key: &Key, value: Option<&'w Node<DeValue<'w>>>, at: &Opened<'_>) {
        let (value, is_inherited) = match value {
            None if at.inherited.contains(&key.name) => (self.default_of_routes(key.name), true),
            value => (value, false),
        };
        if let Some(value) = value {
            let mut variables = Vec::new();
            let shown = self.writer.value(value, key.form, &mut variables);
            let from = Origin::File {
                place: String::new(),
                variables,
                is_inherited,
            };
            self.places.push((place(value), self.entries.len()));
            self.key(key.name, shown, from, at);
        } else if let Unset::Is(default) = key.unset {
            self.key(key.name, written::default(default()), Origin::Default, at);
        }
    }

    fn key(&mut self, name: &str, shown: Shown, from: Origin, at: &Opened<'_>) {
        self.entries.push(Entry::Key {
            name: written::key(name),
            path: below(&at.path, name),
            shown,
            from,
        });
    }

    fn opened(&mut self, key: &Key, value: Option<&'w Node<DeValue<'w>>>, at: &Opened<'_>) {
        let Some(keys) = key.form.keys() else { return };
        let is_inherited = value.is_none() && at.inherited.contains(&key.name);
        let value = match is_inherited {
            true => self.default_of_routes(key.name),
            false => value,
        };
        let (header, path) = (dotted(&at.header, key.name), below(&at.path, key.name));
        match value.map(Node::get_ref) {
            None if matches!(key.unset, Unset::Empty(_)) => {
                self.begin(keys, None, format!("[{header}]"), &opened(header, path));
            }
            None => {}
            Some(DeValue::Array(list)) => {
                for (index, element) in list.iter().enumerate() {
                    let inherited = match key.name {
                        "routes" => self.inherited_by(element),
                        _ => Vec::new(),
                    };
                    let at = Opened {
                        inherited: &inherited,
                        ..opened(header.clone(), format!("{path}[{index}]"))
                    };
                    let table = element.get_ref().as_table();
                    self.begin(keys, table, format!("[[{header}]]"), &at);
                }
            }
            Some(DeValue::Table(named)) if matches!(key.form, Form::Named(_)) => {
                for (name, value) in in_order(named) {
                    let at = opened(dotted(&header, name), below(&path, name));
                    let table = value.get_ref().as_table();
                    self.begin(keys, table, format!("[{}]", at.header), &at);
                }
            }
            Some(DeValue::Table(table)) => {
                let line = format!("[{header}]");
                let first = self.entries.len();
                self.begin(keys, Some(table), line, &opened(header, path));
                if is_inherited {
                    self.entries[first..].iter_mut().for_each(inherit);
                }
            }
            Some(_) => {}
        }
    }

    fn begin(
        &mut self,
        keys: &'static Keys,
        table: Option<&'w DeTable<'w>>,
        line: String,
        at: &Opened<'_>,
    ) {
        self.entries.push(Entry::Header(line));
        self.table(keys, table, at);
    }

    /// The value of a key in `[defaults]`.
    fn default_of_routes(&self, key: &str) -> Option<&'w Node<DeValue<'w>>> {
        let defaults = self.understood.document.table.get(DEFAULTS)?;
        defaults.get_ref().as_table()?.get(key)
    }

    /// What a route has from `[defaults]`.
    fn inherited_by(&self, route: &Node<DeValue<'_>>) -> Vec<&'static str> {
        let all = self.understood.inherited.iter();
        let here = all.filter(|(at, _)| *at == route.span().start);
        here.map(|(_, key)| *key).collect()
    }

    /// The entries with their places.
    fn finish(self) -> Vec<Entry> {
        let mut entries = self.entries;
        for (found, number) in self.understood.sources.locate(self.places) {
            if let Entry::Key {
                from: Origin::File { place, .. },
                ..
            } = &mut entries[number]
            {
                *place = format!("{}:{}:{}", found.file.display(), found.line, found.column);
            }
        }
        entries
    }
}

/// Whether the key opens tables, as most keys do that may.
fn is_opened(form: Form, value: Option<&Node<DeValue<'_>>>) -> bool {
    form.keys().is_some()
        && value.is_none_or(|value| match value.get_ref() {
            DeValue::Array(list) => {
                !list.is_empty() && list.iter().all(|one| one.get_ref().is_table())
            }
            value => value.is_table(),
        })
}

fn inherit(entry: &mut Entry) {
    if let Entry::Key {
        from: Origin::File { is_inherited, .. },
        ..
    } = entry
    {
        *is_inherited = true;
    }
}

fn opened(header: String, path: String) -> Opened<'static> {
    Opened {
        header,
        path,
        inherited: &[],
    }
}

fn place(value: &Node<DeValue<'_>>) -> Place {
    Place {
        at: value.span().start,
        key: String::new(),
    }
}

fn dotted(header: &str, name: &str) -> String {
    let name = written::key(name);
    match header {
        "" => name,
        header => format!("{header}.{name}"),
    }
}

fn below(path: &str, name: &str) -> String {
    let place = Place {
        at: 0,
        key: path.to_owned(),
    };
    place.key(name, 0).key
}
