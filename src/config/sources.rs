//! The texts that a configuration consists of: `gateway.toml`, and the files that it includes.
//!
//! A position counts bytes through all of them, as if they stood one after the other with one byte
//! between two. A [`Place`] is therefore one number, whatever file it is in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::{Place, Problem};

/// One file.
#[derive(Debug)]
pub(super) struct Source {
    /// Its name in messages.
    pub(super) name: Arc<Path>,
    /// Where relative paths in it begin, as seen from the folder of `gateway.toml`: empty for that
    /// file itself.
    pub(super) folder: PathBuf,
    pub(super) text: String,
    /// The position of its first byte.
    pub(super) start: usize,
}

/// All files, `gateway.toml` first. There is at least that one.
#[derive(Debug)]
pub(super) struct Sources {
    first: Source,
    others: Vec<Source>,
}

impl Sources {
    /// A file that includes no other, so far.
    pub(super) fn of(name: &Path, text: String) -> Self {
        let first = Source {
            name: name.into(),
            folder: PathBuf::new(),
            text,
            start: 0,
        };
        let others = Vec::new();
        Self { first, others }
    }

    /// Adds an included file.
    pub(super) fn add(&mut self, name: &Path, folder: PathBuf, text: String) {
        let last = self.others.last().unwrap_or(&self.first);
        let start = last.start + last.text.len() + 1;
        self.others.push(Source {
            name: name.into(),
            folder,
            text,
            start,
        });
    }

    /// `gateway.toml`.
    pub(super) fn first(&self) -> &Source {
        &self.first
    }

    /// The included files, in the order in which they were read.
    pub(super) fn included(&self) -> &[Source] {
        &self.others
    }

    /// Every file.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The file that has this position.
    pub(super) fn at(&self, at: usize) -> &Source {
        let behind = self.others.partition_point(|source| source.start <= at);
        match behind.checked_sub(1) {
            Some(index) => &self.others[index],
            None => &self.first,
        }
    }

    /// The text of the file of a place, from there on.
    pub(super) fn text(&self, place: &Place) -> &str {
        let source = self.at(place.at);
        let rest = source.text.get(place.at - source.start..);
        rest.unwrap_or_default()
    }

    /// The line of a place, as a message names it: `line 7`, or `line 7 of conf.d/a.toml` where
    /// there are several files.
    pub(super) fn line(&self, place: &Place) -> String {
        let source = self.at(place.at);
        // A slice, because the compiler counts in it many bytes at a time.
        let text = source.text.as_bytes();
        let before = text.get(..place.at - source.start).unwrap_or(text);
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        match self.others.is_empty() {
            true => format!("line {line}"),
            false => format!("line {line} of {}", source.name.display()),
        }
    }

    /// The places with their lines and columns, in the order of their positions. What belongs to a
    /// place comes with it.
    pub(super) fn locate<T>(&self, mut places: Vec<(Place, T)>) -> Vec<(Problem, T)> {
        // One pass over the texts finds all of them.
        places.sort_by_key(|(place, _)| place.at);
        let mut cursor = Cursor::new(&self.first);
        let mut located = Vec::with_capacity(places.len());
        for (place, what) in places {
            let source = self.at(place.at);
            if source.start != cursor.source.start {
                cursor = Cursor::new(source);
            }
            let (line, column) = cursor.go_to(place.at - source.start);
            let problem = Problem {
                file: Arc::clone(&source.name),
                line,
                column,
                key: place.key,
                text: String::new(),
            };
            located.push((problem, what));
        }
        located
    }
}

/// Counts lines and columns of a file.
struct Cursor<'s> {
    source: &'s Source,
    rest: &'s str,
    line: usize,
    column: usize,
}

impl<'s> Cursor<'s> {
    fn new(source: &'s Source) -> Self {
        let text = &*source.text;
        Self {
            source,
            rest: text.strip_prefix('\u{feff}').unwrap_or(text),
            line: 1,
            column: 1,
        }
    }

    /// The line and the column, both from 1, of a byte that is not before the last one.
    fn go_to(&mut self, at: usize) -> (usize, usize) {
        let mut chars = self.rest.chars();
        while self.source.text.len() - chars.as_str().len() < at {
            match chars.next() {
                Some('\n') => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
                None => break,
            }
        }
        self.rest = chars.as_str();
        (self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_in_the_file_that_has_it() {
        let mut sources = Sources::of(Path::new("a"), "12\n4".to_owned());
        sources.add(Path::new("b"), PathBuf::from("b.d"), String::new());
        sources.add(Path::new("c"), PathBuf::from("c.d"), "ä\nb".to_owned());
        let place = |at| Place {
            at,
            key: at.to_string(),
        };
        let all = [9, 0, 3, 4, 5, 6, 8, 10].map(|at| (place(at), ()));
        let found = sources.locate(all.into());
        let shown: Vec<String> = found.iter().map(|(one, ())| one.to_string()).collect();
        assert_eq!(
            shown,
            [
                "a:1:1 0: ",
                "a:2:1 3: ",
                "a:2:2 4: ",
                "b:1:1 5: ",
                "c:1:1 6: ",
                "c:1:2 8: ",
                "c:2:1 9: ",
                "c:2:2 10: "
            ]
        );
        assert_eq!(sources.line(&place(9)), "line 2 of c");
        assert_eq!(sources.text(&place(9)), "b");
        assert_eq!(sources.text(&place(99)), "");
    }

    #[test]
    fn columns_are_characters() {
        let sources = Sources::of(Path::new("f"), "\u{feff}a\nßü=1\n".to_owned());
        let places = [0, 3, 5, 7, 9, 99].map(|at| {
            let key = String::new();
            (Place { at, key }, ())
        });
        let found = sources.locate(places.into());
        let found: Vec<_> = found.iter().map(|(it, ())| (it.line, it.column)).collect();
        assert_eq!(found, [(1, 1), (1, 1), (2, 1), (2, 2), (2, 3), (3, 1)]);
    }
}
