//! Requests for the paths of a configuration, and for their neighbours.

use std::path::Path;

use ianitor::nginx::{Directive, Disk, parse_text};

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    target: String,
    host: String,
    pub(crate) is_known_host: bool,
}

impl Asked {
    pub(crate) fn bytes(&self) -> String {
        let Self {
            method,
            target,
            host,
            ..
        } = self;
        let body = match *method {
            "POST" | "PUT" => "Content-Length: 3\r\n\r\nabc",
            _ => "\r\n",
        };
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer x\r\n\
             Cookie: a=b\r\nX-Tenant: mine\r\n{body}"
        )
    }

    pub(crate) fn own_host(&self) -> String {
        self.host.to_lowercase()
    }

    /// The path as both decode it.
    pub(crate) fn decoded(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        path.replace("%6a", "j")
            .replace("%61", "a")
            .replace("%69", "i")
            .replace("%2E", ".")
    }

    /// Whether it has a letter that is encoded without need.
    pub(crate) fn is_encoded(&self) -> bool {
        self.target.contains("%6")
    }

    pub(crate) fn has_query(&self) -> bool {
        self.target.contains('?')
    }

    /// Whether it has two readings.
    pub(crate) fn is_ambiguous(&self) -> bool {
        let path = self.decoded();
        path.contains("//") || path.contains("/.") || path.contains("%2F") || path.contains('\\')
    }
}

/// So many requests, the same each time.
pub(crate) fn requests(text: &str, hosts: &[String], most: usize) -> Vec<Asked> {
    let paths = paths(text);
    let mut out = Vec::new();
    let methods = ["GET", "HEAD", "POST", "GET", "OPTIONS", "PUT", "DELETE"];
    // Each path with each change, and the other choices in turn.
    let mut round = 0_usize;
    while out.len() < most {
        for (at, change) in CHANGES.iter().enumerate() {
            for (number, path) in paths.iter().enumerate() {
                let turn = round + at + number;
                let known = &hosts[(number + round) % hosts.len()];
                let (host, is_known_host) = match turn % 13 {
                    5 => ("unknown.example.net".to_owned(), false),
                    7 => (known.to_uppercase(), true),
                    _ => (known.clone(), true),
                };
                out.push(Asked {
                    method: methods[if round == 0 { 0 } else { turn % methods.len() }],
                    target: change(path),
                    host,
                    is_known_host,
                });
            }
        }
        round += 1;
    }
    // Not only the first changes of a file with many paths.
    let step = out.len() / most;
    out.into_iter().step_by(step.max(1)).take(most).collect()
}

type Change = fn(&str) -> String;

const CHANGES: [Change; 19] = [
    |path| path.to_owned(),
    |path| format!("{path}/"),
    |path| format!("{path}x"),
    |path| format!("{path}.php"),
    |path| format!("{path}/a"),
    |path| format!("{path}/a/b?x=1&y=%20"),
    |path| format!("{path}?q=1"),
    |path| format!("{path}/a.txt"),
    |path| format!("{path}/.git/config"),
    |path| format!("/{path}"),
    |path| format!("{path}//a"),
    |path| format!("{path}/../a"),
    |path| format!("{path}/./a"),
    |path| format!("{path}%2Fa"),
    |path| path.to_uppercase(),
    |path| path.replacen('a', "%61", 1).replacen('j', "%6a", 1),
    |path| format!("{path}/{}", "long".repeat(500)),
    |path| format!("{path}/index.html"),
    |path| format!("/x{path}"),
];

/// What locations are about, without a slash at the end.
fn paths(text: &str) -> Vec<String> {
    let tree = parse_text(Path::new("x"), text, Path::new("/nowhere"), &Disk).unwrap();
    let mut found = vec![String::new(), "/folder".to_owned(), "/other".to_owned()];
    let mut left: Vec<&Directive> = tree.directives.iter().collect();
    while let Some(directive) = left.pop() {
        left.extend(directive.inner());
        if matches!(directive.name.as_str(), "location" | "rewrite") {
            let text = directive.args.iter().find(|arg| arg.text.contains('/'));
            let text = text.map_or("", |arg| arg.text.trim_start_matches('^'));
            let is_literal = |c: &char| c.is_ascii_alphanumeric() || "/-_.".contains(*c);
            let path: String = text.chars().take_while(is_literal).collect();
            found.push(path.trim_end_matches('/').to_owned());
        }
    }
    found.sort();
    found.dedup();
    for path in &mut found {
        // The root alone.
        if path.is_empty() {
            path.push_str("/a");
        }
    }
    found.push("/".to_owned());
    found.dedup();
    found
}
