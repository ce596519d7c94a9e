//! What became of each directive.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use super::known::{self, Known};
use crate::nginx::{Directive, Place};

const TYPES: &str = "types are known by the ending of a file";

/// What became of a directive. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It did not do what it was meant to do, or was dangerous.
    WasWrong,
    /// It is not moved, or not as it was: a person has to decide.
    NeedsYou,
    /// It is moved, and something about it is better now.
    MovedBetter,
    /// It is in `gateway.toml`.
    Moved,
    /// The gateway does the same without a key, or has no use for it.
    NotNeeded,
}

impl Outcome {
    /// All, in the order of the report.
    pub const ALL: [Self; 5] = [
        Self::WasWrong,
        Self::NeedsYou,
        Self::MovedBetter,
        Self::Moved,
        Self::NotNeeded,
    ];
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WasWrong => "was wrong",
            Self::NeedsYou => "needs you",
            Self::MovedBetter => "moved better",
            Self::Moved => "moved",
            Self::NotNeeded => "not needed",
        })
    }
}

/// What became of one directive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Where it stands.
    pub place: Place,
    /// What became of it.
    pub outcome: Outcome,
    /// The directive, on one line.
    pub directive: String,
    /// Why, and what to do.
    pub text: String,
}

/// The lines of a report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    lines: BTreeSet<Line>,
    noted: BTreeSet<Place>,
    differences: BTreeMap<String, String>,
}

impl Report {
    /// Notes what became of a directive. There may be several lines about one.
    pub(super) fn note(&mut self, of: &Directive, outcome: Outcome, text: impl Into<String>) {
        self.noted.insert(of.place.clone());
        self.lines.insert(Line {
            place: of.place.clone(),
            outcome,
            directive: of.shown(),
            text: text.into(),
        });
    }

    /// Notes a directive and everything in its block.
    pub(super) fn note_all(&mut self, of: &Directive, outcome: Outcome, text: &str) {
        self.note(of, outcome, text);
        for inner in of.inner() {
            self.note_all(inner, outcome, text);
        }
    }

    /// Notes a directive and its block, in place of what was noted before.
    pub(super) fn drop_all(&mut self, of: &Directive, outcome: Outcome, text: &str) {
        let mut left = vec![of];
        while let Some(directive) = left.pop() {
            self.lines.retain(|line| line.place != directive.place);
            left.extend(directive.inner());
        }
        self.note_all(of, outcome, text);
    }

    /// Notes a line that is about a place only.
    pub(super) fn note_at(&mut self, place: &Place, what: &str, outcome: Outcome, text: String) {
        self.lines.insert(Line {
            place: place.clone(),
            outcome,
            directive: what.to_owned(),
            text,
        });
    }

    /// Notes that some requests are answered otherwise than before. The key is for programs.
    pub(super) fn differs(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.differences.insert(key.into(), text.into());
    }

    /// Gives a line to each directive that has none.
    pub(super) fn complete(&mut self, directives: &[Directive]) {
        for directive in directives {
            if !self.noted.contains(&directive.place) {
                let (outcome, text) = match known::find(&directive.name) {
                    Some(Known::NotNeeded(text)) => (Outcome::NotNeeded, text),
                    Some(Known::NeedsYou(text)) => (Outcome::NeedsYou, text),
                    None => (Outcome::NeedsYou, "not moved: it is not known"),
                };
                self.note(directive, outcome, text);
            }
            // Each line of `types` is an ending.
            match directive.name.as_str() {
                "types" => self.note_all(directive, Outcome::NotNeeded, TYPES),
                _ => self.complete(directive.inner()),
            }
        }
    }

    /// The lines, in the order of their places.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    /// Which requests are answered otherwise than before: a key for programs, and a sentence.
    pub fn differences(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.differences.iter();
        all.map(|(key, text)| (key.as_str(), text.as_str()))
    }

    /// How many lines have an outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.lines
            .iter()
            .filter(|line| line.outcome == outcome)
            .count()
    }

    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::from("# What became of the NGINX configuration\n\n");
        let counts = Outcome::ALL.map(|outcome| format!("{} {outcome}", self.count(outcome)));
        let _ = writeln!(out, "{}.", counts.join(" · "));
        for outcome in Outcome::ALL {
            let lines = self.lines.iter().filter(|line| line.outcome == outcome);
            let lines: Vec<&Line> = lines.collect();
            if lines.is_empty() {
                continue;
            }
            let mut title = outcome.to_string();
            title[..1].make_ascii_uppercase();
            let _ = write!(out, "\n## {title}\n\n");
            for line in lines {
                let Line {
                    place,
                    directive,
                    text,
                    ..
                } = line;
                let directive = one_line(directive);
                let _ = writeln!(out, "- {place} `{directive}`: {text}");
            }
        }
        if !self.differences.is_empty() {
            let _ = write!(out, "\n## Answered otherwise than before\n\n");
            for (key, text) in &self.differences {
                let _ = writeln!(out, "- [{key}] {text}");
            }
        }
        out
    }
}

/// A directive as code of Markdown, of which a long one is cut.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 120;
    let text: String = text
        .chars()
        .map(|c| if c == '`' { '\'' } else { c })
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
