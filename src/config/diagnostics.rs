//! Collects problems and warnings of the parser, the readers and the checks, and makes the reports.

use std::cell::RefCell;
use std::path::Path;

use toml::Spanned as Node;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem, Report};
use super::schema::Keys;
use super::syntax;

/// Collects problems and warnings. All readers and checks share it, and go on with the next key
/// after a problem; hence the cell.
pub(super) struct Diagnostics<'t> {
    text: &'t str,
    does_not_parse: bool,
    /// Where the parser began to look for a closing bracket that does not exist.
    unclosed: Option<usize>,
    findings: RefCell<Vec<Finding>>,
    known: &'static Keys,
}

struct Finding {
    kind: Kind,
    place: Place,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Syntax,
    Problem,
    Warning,
}

impl<'t> Diagnostics<'t> {
    /// Begins with the errors of the TOML parser.
    pub(super) fn new(
        text: &'t str,
        document: &DeTable<'_>,
        syntax: &[toml::de::Error],
        known: &'static Keys,
    ) -> Self {
        let findings = RefCell::new(
            syntax
                .iter()
                .map(|error| syntax_finding(text, document, error))
                .collect(),
        );
        let does_not_parse = !syntax.is_empty();
        let unclosed = unclosed(text, document, syntax);
        Self {
            text,
            does_not_parse,
            unclosed,
            findings,
            known,
        }
    }

    /// Every key of the file, for messages about unknown ones.
    pub(super) fn known(&self) -> &'static Keys {
        self.known
    }

    /// Whether there was a syntax error. Keys that were parsed are right, but others may be
    /// missing.
    pub(super) fn does_not_parse(&self) -> bool {
        self.does_not_parse
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

    /// The text of the file from a place on.
    pub(super) fn source(&self, place: &Place) -> &'t str {
        self.text.get(place.at..).unwrap_or_default()
    }

    /// The line of a place that a message refers to.
    pub(super) fn line(&self, place: &Place) -> usize {
        1 + self
            .text
            .bytes()
            .take(place.at)
            .filter(|b| *b == b'\n')
            .count()
    }

    /// The problems and the warnings.
    pub(super) fn into_reports(self, file: &Path) -> (Report, Report) {
        let mut findings = self.findings.into_inner();
        findings.sort_by(|a, b| {
            (a.place.at, a.kind, &a.place.key).cmp(&(b.place.at, b.kind, &b.place.key))
        });
        if let Some(start) = self.unclosed {
            drop_swallowed(&mut findings, start);
        }
        let mut placed = locate(self.text, findings);
        drop_echoes(&mut placed);
        let (warnings, problems): (Vec<_>, Vec<_>) = placed
            .into_iter()
            .partition(|(kind, _)| *kind == Kind::Warning);
        let report = |found: Vec<(Kind, Problem)>| Report {
            file: file.to_owned(),
            problems: found.into_iter().map(|(_, problem)| problem).collect(),
        };
        (report(problems), report(warnings))
    }
}

fn syntax_finding(text: &str, document: &DeTable<'_>, error: &toml::de::Error) -> Finding {
    let (place, text) = syntax::explain(text, document, error);
    let kind = Kind::Syntax;
    Finding { kind, place, text }
}

/// The beginning of the list without an end, or the position of the first syntax error.
fn unclosed(text: &str, document: &DeTable<'_>, syntax: &[toml::de::Error]) -> Option<usize> {
    let end = text.trim_end().len();
    let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    let first = syntax.iter().map(start).min()?;
    let to_the_end = syntax
        .iter()
        .any(|error| start(error) >= end && error.message().starts_with("unclosed"));
    to_the_end.then(|| {
        document
            .values()
            .find_map(|value| reaching(value, end))
            .unwrap_or(first)
    })
}

/// The beginning of the outermost list or table that ends here or later.
fn reaching(value: &Node<DeValue<'_>>, end: usize) -> Option<usize> {
    match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) if value.span().end >= end => {
            Some(value.span().start)
        }
        DeValue::Table(table) => table.values().find_map(|value| reaching(value, end)),
        DeValue::Array(list) => list.iter().find_map(|value| reaching(value, end)),
        _ => None,
    }
}

/// In a list that is not closed, the parser reports an error on each line of the rest of the file.
/// Only the first one is useful.
fn drop_swallowed(findings: &mut Vec<Finding>, start: usize) {
    let mut complained = false;
    findings.retain(|finding| {
        let inside = finding.place.at >= start;
        let first = inside && !complained && finding.kind == Kind::Syntax;
        complained |= first;
        !inside || first
    });
}

/// Converts byte offsets to lines and columns. The findings are sorted, so one pass is enough.
fn locate(text: &str, findings: Vec<Finding>) -> Vec<(Kind, Problem)> {
    let (mut line, mut column) = (1, 1);
    let mut chars = text.strip_prefix('\u{feff}').unwrap_or(text).chars();
    let mut located = Vec::with_capacity(findings.len());
    for Finding {
        kind,
        place,
        text: what,
    } in findings
    {
        while text.len() - chars.as_str().len() < place.at {
            match chars.next() {
                Some('\n') => (line, column) = (line + 1, 1),
                Some(_) => column += 1,
                None => break,
            }
        }
        located.push((
            kind,
            Problem {
                line,
                column,
                key: place.key,
                text: what,
            },
        ));
    }
    located
}

/// Of several syntax errors on a line, only the first is useful.
fn drop_echoes(found: &mut Vec<(Kind, Problem)>) {
    let mut broken: Vec<usize> = found
        .iter()
        .filter(|(k, _)| *k == Kind::Syntax)
        .map(|(_, p)| p.line)
        .collect();
    broken.dedup();
    let mut said_of = 0;
    found.retain(|(kind, problem)| {
        let line = problem.line;
        let first = *kind == Kind::Syntax && line > said_of;
        if first {
            said_of = line;
        }
        first || broken.binary_search(&line).is_err()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    static NO_KEYS: Keys = Keys {
        table: "",
        about: "",
        keys: &[],
    };

    fn report(text: &str, at: &[usize]) -> Vec<String> {
        let diag = Diagnostics::new(text, &DeTable::new(), &[], &NO_KEYS);
        for at in at {
            diag.problem(
                &Place {
                    at: *at,
                    key: "k".to_owned(),
                },
                "x",
            );
        }
        diag.into_reports(Path::new("f"))
            .0
            .to_string()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn columns_are_characters_and_lines_are_sorted() {
        assert_eq!(
            report("a\nßü=1\n", &[7, 0, 6, 2]),
            ["f:1:1 k: x", "f:2:1 k: x", "f:2:3 k: x", "f:2:4 k: x"]
        );
        assert_eq!(report("", &[0, 9]), ["f:1:1 k: x", "f:1:1 k: x"]);
        assert_eq!(
            report("\u{feff}a=1", &[0, 3, 5]),
            ["f:1:1 k: x", "f:1:1 k: x", "f:1:3 k: x"]
        );
    }
}
