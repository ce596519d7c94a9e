//! What a case has found.

use std::fmt::Display;

/// The table of a case, and what speaks against the gateway.
#[derive(Debug)]
pub(crate) struct Report {
    case: &'static str,
    rows: Vec<(String, String)>,
    failures: Vec<String>,
}

impl Report {
    pub(crate) fn new(case: &'static str) -> Self {
        Self {
            case,
            rows: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// One more row.
    pub(crate) fn row(&mut self, what: impl Display, value: impl Display) {
        self.rows.push((what.to_string(), value.to_string()));
    }

    /// A reason for the case to fail.
    pub(crate) fn fail(&mut self, reason: impl Display) {
        println!("    FAILED: {reason}");
        self.failures.push(reason.to_string());
    }

    /// The same, if something is not as it must be.
    pub(crate) fn check(&mut self, is_so: bool, reason: impl Display) {
        if !is_so {
            self.fail(reason);
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.failures.is_empty()
    }

    /// The table, as Markdown.
    pub(crate) fn print(&self) {
        let width = |column: fn(&(String, String)) -> &String| {
            let widths = self.rows.iter().map(|row| column(row).chars().count());
            widths.max().unwrap_or(0).max(3)
        };
        let (left, right) = (width(|row| &row.0), width(|row| &row.1));
        println!("\n## {}\n", self.case);
        println!("| {:left$} | {:right$} |", "", "");
        println!("|{}|{}|", "-".repeat(left + 2), "-".repeat(right + 2));
        for (what, value) in &self.rows {
            println!("| {what:left$} | {value:right$} |");
        }
        match self.failures.as_slice() {
            [] => println!("\n{}: passed", self.case),
            failures => {
                println!("\n{}: FAILED", self.case);
                failures.iter().for_each(|reason| println!("- {reason}"));
            }
        }
    }
}
