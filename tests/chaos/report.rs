//! What a case has found.

use std::fmt::Display;

/// The table of a case, and what speaks against the gateway.
#[derive(Debug)]
pub(crate) struct Report {
    case: &'static str,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    failures: Vec<String>,
}

impl Report {
    pub(crate) fn new(case: &'static str) -> Self {
        Self {
            case,
            head: vec![String::new(), String::new()],
            rows: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Names of columns, for a table with others than two without names.
    pub(crate) fn head(&mut self, names: &[&str]) {
        self.head = names.iter().map(ToString::to_string).collect();
    }

    /// One more row.
    pub(crate) fn row(&mut self, what: impl Display, value: impl Display) {
        self.cells(&[&what, &value]);
    }

    /// The same with as many cells as there are columns.
    pub(crate) fn cells(&mut self, cells: &[&dyn Display]) {
        assert_eq!(cells.len(), self.head.len());
        self.rows
            .push(cells.iter().map(ToString::to_string).collect());
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
        let widths: Vec<usize> = (0..self.head.len())
            .map(|at| {
                let rows = self.rows.iter().chain([&self.head]);
                rows.map(|row| row[at].chars().count())
                    .max()
                    .unwrap_or(0)
                    .max(3)
            })
            .collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths);
            let cells = cells.map(|(cell, width)| format!(" {cell:width$} |"));
            println!("|{}", cells.collect::<String>());
        };
        println!("\n## {}\n", self.case);
        line(&self.head);
        let dashes = widths
            .iter()
            .map(|width| format!("{}|", "-".repeat(width + 2)));
        println!("|{}", dashes.collect::<String>());
        self.rows.iter().for_each(line);
        match self.failures.as_slice() {
            [] => println!("\n{}: passed", self.case),
            failures => {
                println!("\n{}: FAILED", self.case);
                failures.iter().for_each(|reason| println!("- {reason}"));
            }
        }
    }
}
