//! Files that are no `gateway.toml` at all. Each of their lines is wrong, and a report with all of
//! them would hide that.

use super::problem::Problem;
use super::read::Section as _;
use super::suggest;
use super::tables::Raw;

/// What a file is that is no text at all; `None` if it is a text, in UTF-8 or not.
pub(super) fn kind_of_bytes(bytes: &[u8]) -> Option<&'static str> {
    let is_utf_16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let is_binary = !is_utf_16 && bytes.contains(&0) && std::str::from_utf8(bytes).is_err();
    is_binary.then_some("a binary file")
}

/// What a file with these problems is, if it is no `gateway.toml` at all.
pub(super) fn kind_of_text(text: &str, problems: &[Problem]) -> Option<&'static str> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let first = *lines.first()?;
    // No line of TOML begins like these.
    let by_first_line = [("-----BEGIN ", "PEM"), ("{", "JSON"), ("<", "a web page")];
    let found = by_first_line
        .iter()
        .find(|(beginning, _)| first.starts_with(beginning));
    if let Some((_, kind)) = found {
        return Some(kind);
    }
    let unparsed = problems.iter().filter(|one| one.key.is_empty());
    /// Not even a file that is all wrong is read further than this.
    const MANY: usize = 40;
    match unparsed.count() {
        count if count <= MANY && lines.iter().any(|line| is_ours(line)) => None,
        0 => lines
            .iter()
            .any(|line| line.starts_with('['))
            .then_some("TOML with other tables"),
        count if count * 2 >= lines.len() => Some(kind_of_lines(&lines)),
        _ => None,
    }
}

/// Whether a line opens one of our tables, also if its name is misspelt, or has a key of one.
fn is_ours(line: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_header = line.starts_with('[') && line.contains(']');
    let name = line.trim_start_matches('[').trim_start();
    let (name, rest) = name.split_at(name.find(|c| !is_word(c)).unwrap_or(name.len()));
    let known: Vec<&str> = Raw::KEYS.names().collect();
    if is_header {
        return rest.trim_start().starts_with([']', '.'])
            && suggest::nearest(name, &known).is_some();
    }
    let Some((key, _)) = rest.split_once('=') else {
        return false;
    };
    known.contains(&name) && key.chars().all(|c| is_word(c) || matches!(c, '.' | ' '))
}

fn kind_of_lines(lines: &[&str]) -> &'static str {
    let count = |is: fn(&str) -> bool| lines.iter().filter(|line| is(line)).count();
    let statements = count(|line| line.ends_with(';'));
    let blocks = count(|line| line.ends_with('{'));
    let proxies = count(|line| {
        let word = line.split_whitespace().next();
        matches!(word, Some("frontend" | "backend" | "defaults" | "listen"))
    });
    if statements > 0 && (statements + blocks) * 3 >= lines.len() {
        "written as for NGINX"
    } else if proxies > 0 {
        "written as for HAProxy"
    } else if blocks > 0 {
        "written as for Caddy"
    } else if count(|line| line.contains(':') || line.starts_with('-')) == lines.len() {
        "YAML"
    } else {
        "not TOML"
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn kind(text: &str) -> Option<&'static str> {
        let report = parse(Path::new("f"), text).unwrap_err();
        kind_of_text(text, report.problems())
    }

    #[test]
    fn files_of_other_programs_are_recognized() {
        for (text, want) in [
            (
                "# x\nserver {\n  listen 443 ssl;\n  turn.test 1;\n  location = /turn {\n    \
                 return 404;\n  }\n}\n",
                "written as for NGINX",
            ),
            (
                "global\n  maxconn 9\nfrontend https\n  bind :443\n  mode http\n",
                "written as for HAProxy",
            ),
            (
                "media.example.com {\n  reverse_proxy 127.0.0.1:8088\n}\n",
                "written as for Caddy",
            ),
            ("{\"listen\": {\"https\": []}}", "JSON"),
            ("{\n  \"listen\": 1,\n  \"x\": 2\n}", "JSON"),
            ("listen:\n  https:\n    - \"127.0.0.1:443\"\n", "YAML"),
            ("-----BEGIN CERTIFICATE-----\nMIIB\n", "PEM"),
            ("<!doctype html>\n<html>\n", "a web page"),
            ("#!/bin/sh\nset -e\nexec ianitor run\n", "not TOML"),
            ("[package]\nname = \"x\"\n", "TOML with other tables"),
            (
                "[Service]\nExecStart=/usr/bin/ianitor\nUser=ianitor\n",
                "not TOML",
            ),
        ] {
            assert_eq!(kind(text), Some(want), "{text}");
        }
    }

    #[test]
    fn a_configuration_with_mistakes_is_still_one() {
        for text in [
            "",
            "# nothing yet\n",
            "[listen]\nhttps = [443\n",
            "[listen]\nhttps 443;\nhttp 80;\n",
            "[lisen]\nhttps = []\n",
            "[[route]]\npath = /\nupstream = janus\n",
            "https = [\"[::]:443\"]\n",
            "listen.https = yes\n",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_recognized() {
        assert_eq!(kind_of_bytes(b"\x7fELF\x02\0\0\xff"), Some("a binary file"));
        assert_eq!(kind_of_bytes(b"\xff\xfe[\0l\0"), None);
        assert_eq!(kind_of_bytes(b"[log]\n# caf\xe9\n"), None);
        assert_eq!(kind_of_bytes(b"a\0b"), None);
    }
}
