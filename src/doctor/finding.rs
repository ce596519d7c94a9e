//! What the rules say.

use super::catalogue::{self, Severity};
use super::place::Place;

/// Stands for a new secret in a fix, and is replaced where the fix is printed.
pub const NEW_SECRET: &str = "{new secret}";

/// How a finding is fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// Lines to write instead of the one at the place.
    Write(String),
    /// Lines to add to a block, or to the file where the block is empty.
    Add {
        /// The name of the block.
        block: &'static str,
        /// The lines.
        text: String,
    },
    /// The line at the place goes.
    Remove,
    /// A command.
    Run(String),
}

impl Fix {
    /// Lines to add to the file.
    pub fn add(text: impl Into<String>) -> Self {
        Self::add_to("", text)
    }

    /// Lines to add to a block.
    pub fn add_to(block: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Add { block, text }
    }

    /// A line to write instead.
    pub fn write(text: impl Into<String>) -> Self {
        Self::Write(text.into())
    }
}

/// Something that is wrong, with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name in the catalogue.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where it shows.
    pub place: Place,
    /// One sentence.
    pub why: String,
    /// What to write.
    pub fix: Fix,
}

/// Something that may be wrong, and that cannot be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotKnown {
    /// Its name in the catalogue.
    pub id: &'static str,
    /// Where it would show.
    pub place: Place,
    /// What is missing for a proof.
    pub why: String,
}

/// Everything that the rules found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong.
    pub found: Vec<Finding>,
    /// What cannot be known.
    pub not_known: Vec<NotKnown>,
}

impl Findings {
    /// Adds a finding.
    pub fn add(&mut self, id: &'static str, place: &Place, why: impl Into<String>, fix: Fix) {
        self.found.push(Finding {
            id,
            severity: catalogue::severity(id),
            place: place.clone(),
            why: why.into(),
            fix,
        });
    }

    /// Adds what is not known.
    pub fn not_known(&mut self, id: &'static str, place: &Place, why: impl Into<String>) {
        self.not_known.push(NotKnown {
            id,
            place: place.clone(),
            why: why.into(),
        });
    }

    /// Sorts by place, and leaves out what is there twice.
    pub(super) fn sort(&mut self) {
        self.found
            .sort_by(|a, b| (&a.place, a.id).cmp(&(&b.place, b.id)));
        self.found.dedup();
        let key = |it: &NotKnown| (it.place.clone(), it.id);
        self.not_known.sort_by_key(key);
        self.not_known.dedup();
    }
}
