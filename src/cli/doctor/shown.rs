//! What `ianitor doctor` prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lc_rs::rand;
use ianitor::doctor::Report;
use ianitor::doctor::finding::{Finding, Fix, NEW_SECRET};
use ianitor::doctor::place::Place;
use serde_json::{Value, json};

/// Where each finding is explained.
const PAGE: &str = "docs/doctor.md";

/// As text.
pub(super) fn text(report: &Report, prefix: &str) -> String {
    let mut text = String::new();
    looked(report, prefix, &mut text);
    for finding in &report.findings.found {
        let (severity, id) = (finding.severity, finding.id);
        let place = &finding.place;
        let why = &finding.why;
        _ = writeln!(text, "\n{severity}: {prefix}{place} {id}\n    {why}");
        text += &fix(finding);
        _ = writeln!(text, "    see {PAGE}#{id}");
    }
    if !report.findings.not_known.is_empty() {
        text += "\nnot known:\n";
    }
    for unknown in &report.findings.not_known {
        _ = writeln!(
            text,
            "  {prefix}{} {}: {}",
            unknown.place, unknown.id, unknown.why
        );
    }
    summary(report, &mut text);
    text
}

/// The files that were read, a line for each folder, and those that were not.
fn looked(report: &Report, prefix: &str, text: &mut String) {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in &report.looked.read {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        folders.entry(folder).or_default().push(name);
    }
    for (folder, names) in folders {
        _ = writeln!(text, "read {prefix}{folder}/: {}", names.join(", "));
    }
    for (path, why) in &report.looked.failed {
        _ = writeln!(text, "not read {prefix}{path}: {why}");
    }
    for path in &report.looked.denied {
        _ = writeln!(text, "not read {prefix}{path}: this user may not");
    }
    if !report.looked.denied.is_empty() {
        _ = writeln!(text, "to read all of them: {}", with_sudo());
    }
}

/// This command, for root.
fn with_sudo() -> String {
    let mut words = vec!["sudo".to_owned()];
    words.extend(std::env::args().map(|word| match is_plain(&word) {
        true => word,
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }));
    words.join(" ")
}

fn is_plain(word: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-=:,+".contains(&b);
    !word.is_empty() && word.bytes().all(is_plain)
}

fn fix(finding: &Finding) -> String {
    let (how, lines) = match &finding.fix {
        Fix::Write(lines) => ("write instead", lines.clone()),
        Fix::Add { block: "", text } => ("add", text.clone()),
        Fix::Add { block, text } => (&*format!("add in {block}"), text.clone()),
        Fix::Remove => return "    remove this line\n".to_owned(),
        Fix::Run(command) => ("do", command.clone()),
    };
    let lines = filled(&lines);
    match lines.contains('\n') {
        true => {
            let lines: Vec<String> = lines
                .lines()
                .map(|line| format!("        {line}"))
                .collect();
            format!("    {how}:\n{}\n", lines.join("\n"))
        }
        false => format!("    {how}: {lines}\n"),
    }
}

/// Puts a new secret where one is wanted.
fn filled(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(at) = text.find(NEW_SECRET) {
        text.replace_range(at..at + NEW_SECRET.len(), &secret());
    }
    text
}

/// 32 random bytes. Without a source of randomness, words say what to put there.
fn secret() -> String {
    let mut bytes = [0; 32];
    match rand::fill(&mut bytes) {
        Ok(()) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(_) => "…the output of openssl rand -hex 32…".to_owned(),
    }
}

fn summary(report: &Report, text: &mut String) {
    let count = |word: &str| {
        let found = report.findings.found.iter();
        found
            .filter(|finding| finding.severity.word() == word)
            .count()
    };
    if report.looked.read.is_empty() {
        text.push_str(
            "nothing was read: none of the usual files is there; name files or folders\n",
        );
        return;
    }
    let (dangers, warnings, hints) = (count("danger"), count("warning"), count("hint"));
    let not_known = report.findings.not_known.len();
    _ = writeln!(
        text,
        "\ndangers: {dangers}, warnings: {warnings}, hints: {hints}, not known: {not_known}"
    );
}

/// As JSON.
pub(super) fn json(report: &Report, prefix: &str) -> String {
    let place = |place: &Place| {
        json!({
            "file": format!("{prefix}{}", place.file),
            "line": place.line,
            "column": place.column,
        })
    };
    let mut findings = Vec::new();
    for finding in &report.findings.found {
        let mut value = json!({
            "id": finding.id,
            "severity": finding.severity.word(),
            "why": finding.why,
            "fix": fix_json(&finding.fix),
            "link": format!("{PAGE}#{}", finding.id),
        });
        value["place"] = place(&finding.place);
        findings.push(value);
    }
    let not_known = report.findings.not_known.iter().map(
        |unknown| json!({"id": unknown.id, "why": unknown.why, "place": place(&unknown.place)}),
    );
    let named = |path: &String| format!("{prefix}{path}");
    let looked = &report.looked;
    let failed = looked.failed.iter();
    let failed = failed.map(|(path, why)| json!({"file": named(path), "why": why}));
    let document = json!({
        "findings": findings,
        "not_known": not_known.collect::<Vec<_>>(),
        "read": looked.read.iter().map(named).collect::<Vec<_>>(),
        "denied": looked.denied.iter().map(named).collect::<Vec<_>>(),
        "failed": failed.collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn fix_json(fix: &Fix) -> Value {
    match fix {
        Fix::Write(text) => json!({"do": "write", "text": filled(text)}),
        Fix::Add { block: "", text } => json!({"do": "add", "text": filled(text)}),
        Fix::Add { block, text } => json!({"do": "add", "in": block, "text": filled(text)}),
        Fix::Remove => json!({"do": "remove"}),
        Fix::Run(text) => json!({"do": "run", "text": filled(text)}),
    }
}
