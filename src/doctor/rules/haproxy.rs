//! `haproxy.cfg`: rules that clients get around, and what is led where.

use super::super::finding::{Findings, Fix};
use super::super::machine::{Haproxy, Machine};
use super::super::read::haproxy::{Line, Section};
use super::forward::Forward;
use super::janus::{Reach, reach_of};

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    for file in &machine.haproxy {
        for section in &file.sections {
            forwarded(section, found);
            raw_paths(section, found);
            unverified(section, found);
        }
        admin(file, found);
    }
}

/// The conditions of a line: what follows `if`, and what an `acl` tests.
fn is_about(line: &Line, header: &str) -> bool {
    let mut words = line.words.iter().map(|word| word.to_ascii_lowercase());
    let fetches = [
        "hdr_ip(",
        "hdr(",
        "req.hdr_ip(",
        "req.hdr(",
        "req.fhdr(",
        "hdr_beg(",
    ];
    words.any(|word| {
        fetches
            .iter()
            .any(|fetch| word.starts_with(&format!("{fetch}{header}")))
    })
}

/// `X-Forwarded-For` is the client's to write, unless it is taken away before.
fn forwarded(section: &Section, found: &mut Findings) {
    const HEADER: &str = "x-forwarded-for";
    for line in &section.lines {
        let replaces = ["del-header", "set-header", "set-src"].contains(&line.word(1));
        if line.word(0) == "http-request" && replaces {
            let named = line
                .words
                .iter()
                .any(|word| word.to_ascii_lowercase().contains(HEADER));
            if named {
                return;
            }
        }
        let is_condition = line.word(0) == "acl" || line.has("if") || line.has("unless");
        if is_condition && is_about(line, HEADER) {
            let why = "every client can write X-Forwarded-For, and so pass this condition";
            let is_it = |word: &&String| word.to_ascii_lowercase().contains(HEADER);
            let fixed: Vec<&str> = line
                .words
                .iter()
                .map(|word| if is_it(&word) { "src" } else { word })
                .collect();
            let fix = Fix::write(fixed.join(" "));
            found.add("haproxy-forwarded-acl", &line.place, why, fix);
        }
    }
}

/// HAProxy compares the path as it was sent; servers decode it.
fn raw_paths(section: &Section, found: &mut Findings) {
    let denies = |line: &&Line| {
        let what = ["deny", "tarpit", "reject", "silent-drop", "auth"];
        line.word(0) == "http-request" && what.contains(&line.word(1))
    };
    let denying: Vec<&Line> = section.lines.iter().filter(denies).collect();
    for line in section.lines.iter().filter(|line| line.word(0) == "acl") {
        let (name, test) = (line.word(1), line.word(2));
        let method = match test {
            "path" => "str",
            "path_beg" => "beg",
            "path_end" => "end",
            "path_sub" => "sub",
            "path_dir" => "dir",
            _ => continue,
        };
        if denying.iter().any(|denying| denying.has(name)) {
            let values = line.words.get(3..).unwrap_or_default().join(" ");
            let why = format!(
                "an encoded character gets around the rule that uses {name}: HAProxy compares the \
                 path as it was sent, and the server decodes it"
            );
            let fix = Fix::write(format!("acl {name} path,url_dec -m {method} {values}"));
            found.add("haproxy-raw-path", &line.place, why, fix);
        }
    }
}

fn unverified(section: &Section, found: &mut Findings) {
    for line in section.lines.iter().filter(|line| line.word(0) == "server") {
        let host = line.word(2).rsplit_once(':').map_or("", |(host, _)| host);
        if line.after("verify") == Some("none") && reach_of(host) != Reach::Local {
            let why = "the server is not verified: a machine on the way can pretend to be it";
            let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
            let text = words.join(" ").replace(
                "verify none",
                "verify required ca-file /etc/ssl/certs/ca-certificates.crt",
            );
            found.add("haproxy-verify-none", &line.place, why, Fix::write(text));
        }
    }
}

fn protects(section: &Section) -> bool {
    section.lines.iter().any(|line| {
        let is_rule = ["http-request", "tcp-request"].contains(&line.word(0));
        let denies = ["deny", "tarpit", "reject", "silent-drop", "auth"];
        is_rule
            && line
                .words
                .iter()
                .any(|word| denies.contains(&word.as_str()))
    })
}

/// The port of a `server` line.
fn port(line: &Line) -> Option<u16> {
    line.word(2).rsplit_once(':')?.1.parse().ok()
}

fn servers(section: &Section) -> impl Iterator<Item = (&Line, u16)> {
    let lines = section.lines.iter().filter(|line| line.word(0) == "server");
    lines.filter_map(|line| Some((line, port(line)?)))
}

/// The admin API of Janus, led to without any rule.
fn admin(file: &Haproxy, found: &mut Findings) {
    let is_listener = |section: &&Section| ["frontend", "listen"].contains(&section.head.word(0));
    for section in &file.sections {
        let Some((line, port)) = servers(section).find(|(_, port)| [7088, 7188].contains(port))
        else {
            continue;
        };
        let name = section.head.word(1);
        let leads = |other: &&Section| {
            let is_itself = section.head.word(0) == "listen" && other.head.word(1) == name;
            let mut lines = other.lines.iter();
            is_itself
                || lines.any(|line| {
                    ["use_backend", "default_backend"].contains(&line.word(0))
                        && line.word(1) == name
                })
        };
        let mut from = file
            .sections
            .iter()
            .filter(is_listener)
            .filter(leads)
            .peekable();
        let is_open = from.peek().is_some() && !from.any(protects) && !protects(section);
        if is_open {
            let why = format!(
                "everybody reaches the admin API of Janus (port {port}) by this proxy: no rule \
                 denies anything"
            );
            let fix = Fix::add("http-request deny unless { src 127.0.0.1 10.0.0.0/8 }");
            found.add("proxy-admin-open", &line.place, why, fix);
        }
    }
}

/// Where it forwards to.
pub(super) fn forwards(file: &Haproxy) -> Vec<Forward> {
    let proto = |line: &Line| {
        line.word(0) == "http-request"
            && ["set-header", "add-header"].contains(&line.word(1))
            && line.word(2).eq_ignore_ascii_case("x-forwarded-proto")
    };
    let says_https = file
        .sections
        .iter()
        .any(|section| section.lines.iter().any(proto));
    let mut sections = file.sections.iter().rev();
    let defaults = sections.find(|it| it.head.word(0) == "defaults");
    let timeout = |section: &Section, names: [&str; 3]| {
        let places = [Some(section), defaults];
        let mut found = names.iter().flat_map(|name| {
            places.iter().flatten().filter_map(move |section| {
                let mut lines = section.lines.iter();
                let line = lines.find(|it| it.word(0) == "timeout" && it.word(1) == *name)?;
                milliseconds(line.word(2))
            })
        });
        found.next()
    };
    let mut found = Vec::new();
    for section in &file.sections {
        let request = timeout(section, ["server", "", ""]);
        let tunnel = timeout(section, ["tunnel", "server", ""]);
        found.extend(servers(section).map(|(line, port)| Forward {
            proxy: "HAProxy",
            place: line.place.clone(),
            port,
            says_https,
            request,
            tunnel,
            lines: ["timeout server 90s", "timeout tunnel 1h"],
        }));
    }
    found
}

/// `50000`, `60s`, `1h`.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match &text[digits.len()..] {
        "us" => return Some(number / 1000),
        "" | "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit)
}
