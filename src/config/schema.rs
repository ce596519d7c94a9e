//! The description of a table: its keys, how the value of each is written, and what holds where a
//! key is absent. [`section!`](super::section) makes one for each table; the reader, "did you mean"
//! and `docs/reference.md` all use it, so that a key cannot be known without being explained.
//!
//! ```text
//! Raw ─ listen ─ Form::Table([listen])
//!     ─ upstreams ─ Form::Named([upstreams.NAME]) ─ servers ─ Form::List(kind "server")
//! ```

/// A table and its keys.
#[derive(Debug)]
pub(super) struct Keys {
    /// The table's name in the documentation: `[tls]`.
    pub(super) table: &'static str,
    /// What the table is for: Markdown, as in a doc comment.
    pub(super) about: &'static str,
    pub(super) keys: &'static [Key],
}

/// One key of a table.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// Whether a list of such values may stand for one.
    pub(super) or_list: bool,
    /// Whether words may be spelt otherwise than the reference has them.
    pub(super) other_spellings: bool,
    pub(super) unset: Unset,
    /// What the key means: Markdown, as in a doc comment.
    pub(super) text: &'static str,
}

/// A kind of value: how it is written, and what is said of a value that is wrong.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// What the reader expects where it finds another TOML type.
    pub(super) expected: &'static str,
    /// How a value is written, in Markdown. Empty where the examples say it all.
    pub(super) text: &'static str,
    /// Valid values, in TOML.
    pub(super) good: &'static [&'static str],
    /// An invalid value, in TOML, and the problem that is reported for it.
    pub(super) bad: (&'static str, &'static str),
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
    /// Values of this kind under names that the operator chooses.
    Values(&'static Kind),
    Table(&'static Keys),
    Tables(&'static Keys),
    /// Tables under names that the operator chooses.
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

    /// The form of a list whose elements have this form.
    pub(super) const fn listed(self) -> Self {
        match self {
            Self::One(kind) => Self::List(kind),
            Self::Word(words) => Self::Words(words),
            Self::Table(keys) => Self::Tables(keys),
            _ => panic!("a list of lists or of named tables has no form"),
        }
    }

    /// The form of a table that has values of this form under chosen names.
    pub(super) const fn named(self) -> Self {
        match self {
            Self::One(kind) => Self::Values(kind),
            Self::Table(keys) => Self::Named(keys),
            _ => panic!("only single values and tables have chosen names"),
        }
    }
}

/// What holds where a key is absent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unset {
    /// The key must be there.
    Required,
    /// The same as if this had been written, in TOML.
    Is(fn() -> String),
    /// The same, but that writing it is rejected where the key has no use.
    Usually(fn() -> String),
    /// Something that cannot be written, in words.
    Means(&'static str),
    /// The same as an empty table, in words.
    Empty(&'static str),
}

impl Keys {
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// What the value of this key looks like, if there is such a key.
    pub(super) fn form(&self, name: &str) -> Option<Form> {
        let key = self.keys.iter().find(|key| key.name == name);
        key.map(|key| key.form)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// This table and every table below it, each after the one that it stands in.
    pub(super) fn all(&'static self) -> Vec<&'static Self> {
        let below = self.keys.iter().filter_map(|key| key.form.keys());
        let below = below.flat_map(Self::all);
        std::iter::once(self).chain(below).collect()
    }
}

/// The lines of a doc comment as Markdown with one line for each paragraph.
pub(super) fn paragraphs(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let paragraphs: Vec<String> = lines
        .split(|line| line.is_empty())
        .map(|lines| lines.join(" "))
        .collect();
    paragraphs.join("\n\n")
}
