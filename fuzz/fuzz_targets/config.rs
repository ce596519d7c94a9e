//! Any text is a configuration or gets a report that can be read.
#![no_main]

use std::path::Path;

use http::uri::PathAndQuery;
use ianitor::config::{Report, parse, summary};
use ianitor::route::{Route, Target};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse(Path::new("gateway.toml"), text) {
        Ok(loaded) => {
            check(&loaded.warnings, text);
            assert!(summary(&loaded.config).ends_with('\n'));
            let listen = &loaded.config.listen;
            assert!(!listen.https.is_empty() || !listen.plain.is_empty());
            assert!(!loaded.config.routes.routes().is_empty());
            loaded.config.routes.routes().iter().for_each(check_route);
        }
        Err(report) => {
            assert!(!report.is_empty(), "refused without a word");
            check(&report, text);
        }
    }
});

/// Requests can be sent along it: its paths are nothing else, and what is taken off is there.
fn check_route(route: &Route) {
    let Target::Forward(forward) = &route.target else {
        return;
    };
    // What is taken off and put in front is about the path without its tenant.
    let own = route.path.without_variable();
    for path in [own.as_str(), &forward.path.strip, &forward.path.add] {
        let whole = format!("{path}/");
        let target =
            PathAndQuery::try_from(&*whole).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert_eq!((target.path(), target.query()), (&*whole, None));
        assert!(!path.ends_with('/'));
    }
    let below = format!("{}/x", own.as_str());
    assert!(below.starts_with(&*forward.path.strip));
    assert!(forward.path.to_upstream(&below).ends_with("/x"));
}

/// One line for each, at a place that the file has.
fn check(report: &Report, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in report.problems() {
        assert!(!problem.text.is_empty());
        let line = lines
            .get(problem.line - 1)
            .unwrap_or_else(|| panic!("no such line: {problem}"));
        // Just behind the last character is where something is missing.
        assert!(
            (1..=line.chars().count() + 1).contains(&problem.column),
            "no such column: {problem}"
        );
    }
    let shown = report.to_string();
    assert_eq!(shown.lines().count(), report.problems().len(), "{shown}");
    assert!(
        !shown.contains(|c: char| c.is_control() && c != '\n'),
        "control characters reach the terminal: {shown:?}"
    );
    let in_order = report
        .problems()
        .is_sorted_by_key(|problem| (problem.line, problem.column));
    assert!(in_order, "{shown}");
}
