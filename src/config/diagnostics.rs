//! Collects problems and warnings of the parser, the readers and the checks, and makes the reports.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use super::problem::{Finding, Kind, Place, Problem, Report};
use super::schema::Keys;
use super::sources::Sources;

/// Collects problems and warnings. All readers and checks share it, and go on with the next key
/// after a problem; hence the cells.
pub(super) struct Diagnostics<'t> {
    sources: &'t Sources,
    is_whole: bool,
    /// What the parser took for a list because a closing bracket does not exist.
    unclosed: &'t [Range<usize>],
    findings: RefCell<Vec<Finding>>,
    inherited: RefCell<Vec<(usize, &'static str)>>,
    known: &'static Keys,
}

impl<'t> Diagnostics<'t> {
    /// Begins without a finding.
    pub(super) fn new(
        sources: &'t Sources,
        is_whole: bool,
        unclosed: &'t [Range<usize>],
        known: &'static Keys,
    ) -> Self {
        Self {
            sources,
            is_whole,
            unclosed,
            findings: RefCell::default(),
            inherited: RefCell::default(),
            known,
        }
    }

    /// Every key of the file, for messages about unknown ones.
    pub(super) fn known(&self) -> &'static Keys {
        self.known
    }

    /// Whether everything was read that there is. After a syntax error, or where a file could not
    /// be included, what is there may be right, but others may be missing.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Adds a problem: the configuration is rejected.
    pub(super) fn problem(&self, place: &Place, text: impl Into<String>) {
        self.add(Kind::Problem, place, text.into());
    }

    /// Adds a warning: the configuration is accepted, but probably not intended.
    pub(super) fn warning(&self, place: &Place, text: impl Into<String>) {
        self.add(Kind::Warning, place, text.into());
    }

    fn add(&self, kind: Kind, place: &Place, text: String) {
        self.findings.borrow_mut().push(Finding {
            kind,
            place: place.clone(),
            text,
        });
    }

    /// Notes that the route at this place has a key from `[defaults]`.
    pub(super) fn note_inherited(&self, route: &Place, key: &'static str) {
        self.inherited.borrow_mut().push((route.at, key));
    }

    /// The text of the file of a place, from there on.
    pub(super) fn source(&self, place: &Place) -> &'t str {
        self.sources.text(place)
    }

    /// The line of a place that a message refers to: `line 7`.
    pub(super) fn line(&self, place: &Place) -> String {
        self.sources.line(place)
    }

    /// Where relative paths begin that are written at a place, as seen from the folder of
    /// `gateway.toml`.
    pub(super) fn folder(&self, place: &Place) -> &'t Path {
        &self.sources.at(place.at).folder
    }

    /// Whether both places are in the same file.
    pub(super) fn is_one_file(&self, one: &Place, other: &Place) -> bool {
        self.sources.at(one.at).start == self.sources.at(other.at).start
    }

    /// What came before the readers, the problems and the warnings, and what routes have from
    /// `[defaults]`: the position of each with the key.
    pub(super) fn into_reports(self, first: Vec<Finding>) -> Reports {
        let mut findings = first;
        findings.extend(self.findings.into_inner());
        findings.sort_by(|a, b| {
            let of = |one: &Finding| (one.place.at, one.kind);
            of(a)
                .cmp(&of(b))
                .then_with(|| a.place.key.cmp(&b.place.key))
        });
        // A route with several hosts is judged once for each of them.
        findings.dedup_by(|a, b| {
            (a.place.at, a.kind, &a.place.key, &a.text)
                == (b.place.at, b.kind, &b.place.key, &b.text)
        });
        drop_values_without_variable(&mut findings);
        for unclosed in self.unclosed {
            drop_swallowed(&mut findings, unclosed);
        }
        let findings = findings
            .into_iter()
            .map(|one| (one.place, (one.kind, one.text)));
        let located = self.sources.locate(findings.collect());
        let with_text = |(problem, (kind, text))| (kind, Problem { text, ..problem });
        let mut placed = located.into_iter().map(with_text).collect();
        drop_echoes(&mut placed);
        let (warnings, problems): (Vec<_>, Vec<_>) = placed
            .into_iter()
            .partition(|(kind, _)| *kind == Kind::Warning);
        let report = |found: Vec<(Kind, Problem)>| Report {
            file: self.sources.first().name.to_path_buf(),
            problems: found.into_iter().map(|(_, problem)| problem).collect(),
        };
        Reports {
            problems: report(problems),
            warnings: report(warnings),
            inherited: self.inherited.into_inner(),
        }
    }
}

/// What was found.
pub(super) struct Reports {
    pub(super) problems: Report,
    pub(super) warnings: Report,
    /// The position of a route, and a key that it has from `[defaults]`.
    pub(super) inherited: Vec<(usize, &'static str)>,
}

/// Where a variable is missing, the readers have seen the text with its name.
fn drop_values_without_variable(findings: &mut Vec<Finding>) {
    let mut without = None;
    findings.retain(|finding| {
        if finding.kind == Kind::Variable {
            without = Some(finding.place.at);
        }
        finding.kind <= Kind::Variable || without != Some(finding.place.at)
    });
}

/// In a list that is not closed, the parser reports an error on each line of the rest of the file.
/// Only the first one is useful.
fn drop_swallowed(findings: &mut Vec<Finding>, unclosed: &Range<usize>) {
    let mut complained = false;
    findings.retain(|finding| {
        let inside = unclosed.contains(&finding.place.at);
        let first = inside && !complained && finding.kind == Kind::Syntax;
        complained |= first;
        !inside || first
    });
}

/// Of several syntax errors on a line, only the first is useful.
fn drop_echoes(found: &mut Vec<(Kind, Problem)>) {
    let of = |problem: &Problem| (problem.file.clone(), problem.line);
    let broken: HashSet<_> = found
        .iter()
        .filter(|(kind, _)| *kind == Kind::Syntax)
        .map(|(_, problem)| of(problem))
        .collect();
    if broken.is_empty() {
        return;
    }
    let mut said_of = None;
    found.retain(|(kind, problem)| {
        let line = Some(of(problem));
        let first = *kind == Kind::Syntax && line != said_of;
        let is_broken = line.as_ref().is_some_and(|line| broken.contains(line));
        if first {
            said_of = line;
        }
        first || !is_broken
    });
}
