//! What is wrong with a file, where, and what to do: as it is shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One thing that is wrong with the file, or looks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file that has it: `gateway.toml`, or one that it includes.
    pub file: Arc<Path>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The path of the key, `routes[2].policy`; empty where the file does not parse.
    pub key: String,
    /// What is wrong and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{} ", self.file.display(), self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.text)
    }
}

/// Every problem of a configuration, in the order of its files. Shown as one line for each, without
/// a newline at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub(super) file: PathBuf,
    pub(super) problems: Vec<Problem>,
}

impl Report {
    /// The `gateway.toml` that was read, as it was named.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The problems, by position.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let newline = if at == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// Where something stands in the configuration.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The position in [`Sources`](super::sources::Sources).
    pub(super) at: usize,
    /// The path of its key.
    pub(super) key: String,
}

impl Place {
    /// The file as a whole.
    pub(super) fn root() -> Self {
        Self {
            at: 0,
            key: String::new(),
        }
    }

    /// A key of the table that stands here.
    pub(super) fn key(&self, key: &str, at: usize) -> Self {
        let bare = !key.is_empty()
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        let key = if bare { key.to_owned() } else { quoted(key) };
        let dot = if self.key.is_empty() { "" } else { "." };
        Self {
            at,
            key: format!("{}{dot}{key}", self.key),
        }
    }

    /// An element of the list that stands here.
    pub(super) fn index(&self, index: usize, at: usize) -> Self {
        Self {
            at,
            key: format!("{}[{index}]", self.key),
        }
    }
}

/// A problem or a warning, and where it is.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) kind: Kind,
    pub(super) place: Place,
    pub(super) text: String,
}

/// Of two findings at one place, the first kind is shown first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Syntax,
    /// A variable of the environment that cannot be put into a value.
    Variable,
    Problem,
    Warning,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A text from the file as problems cite it: in quotes, on one line, and not without end.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cited_in_part() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(quoted(&"ä".repeat(100_000)).chars().count(), 83);
    }

    #[test]
    fn key_paths_quote_what_is_no_bare_key() {
        let root = Place::root();
        assert_eq!(
            root.key("a", 0).index(2, 0).key("b c", 0).key("", 0).key,
            r#"a[2]."b c"."""#
        );
    }
}
