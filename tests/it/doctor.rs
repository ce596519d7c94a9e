//! `ianitor doctor`: each folder below `tests/doctor` is a machine, with what is found on it in the
//! file `expected`. `BLESS=1` writes those files.

mod command;
mod mutations;
mod world;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ianitor::doctor::catalogue;
use ianitor::doctor::{Report, examine};
use world::{Machine, machines};

/// A line for each finding, and for each thing that is not known.
fn summary(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings.found {
        _ = writeln!(
            text,
            "{} {} {}",
            finding.severity, finding.id, finding.place
        );
    }
    for unknown in &report.findings.not_known {
        _ = writeln!(text, "unknown {} {}", unknown.id, unknown.place);
    }
    text
}

fn report(machine: &Machine) -> Report {
    examine(&machine.files, &[], machine.firewall.as_deref())
}

#[test]
fn each_machine_has_what_is_expected_and_nothing_else() {
    let mut wrong = Vec::new();
    for machine in machines() {
        let got = summary(&report(&machine));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(machine.folder.join("expected"), &got).unwrap();
        } else if got != machine.expected {
            let name = &machine.name;
            let want = &machine.expected;
            wrong.push(format!("{name}:\n--- expected\n{want}--- found\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A false alarm is as bad as a mistake that is not seen.
#[test]
fn nothing_is_found_on_a_fixed_machine() {
    let mut fixed = 0;
    for machine in machines()
        .into_iter()
        .filter(|it| it.name.ends_with("-fixed"))
    {
        let report = report(&machine);
        assert!(
            report.findings.found.is_empty(),
            "{}: {}",
            machine.name,
            summary(&report)
        );
        assert!(!report.looked.read.is_empty());
        fixed += 1;
    }
    assert!(fixed >= 15, "{fixed}");
}

#[test]
fn every_finding_of_the_catalogue_is_found_on_some_machine() {
    // What only --live finds is in `command`.
    let mut found = BTreeSet::from(["janus-turn-unresolved"]);
    for machine in machines() {
        found.extend(
            report(&machine)
                .findings
                .found
                .iter()
                .map(|finding| finding.id),
        );
    }
    let all = catalogue::ALL.iter().flat_map(|(_, entries)| *entries);
    let all: BTreeSet<&str> = all.map(|entry| entry.id).collect();
    assert!(all.len() >= 40, "{}", all.len());
    let missing: Vec<_> = all.difference(&found).collect();
    assert!(missing.is_empty(), "no machine has {missing:?}");
}

/// No secret of a file is repeated: reports are pasted into tickets.
#[test]
fn no_secret_is_shown() {
    let secrets = [
        "5b2e9f60c1d84a37",
        "9c41d7e0a2f35b68",
        "e07a45c3912fbd86",
        "1f6c8ae4d03957b2",
    ];
    for machine in machines() {
        let report = report(&machine);
        let shown = format!("{:?}", report.findings);
        for secret in secrets
            .into_iter()
            .chain(["letmein", "my_app_secret", "media:kurento"])
        {
            assert!(!shown.contains(secret), "{}: {secret}", machine.name);
        }
    }
}
