//! Files that are broken at random: no panic, what is written passes the check, and no route is
//! open that the file does not have open.

use std::collections::BTreeSet;
use std::path::Path;

use ianitor::config;
use ianitor::import;
use ianitor::nginx::{Directive, Disk, Tree, parse_text};
use ianitor::policy::Policy;

use super::{SOURCES, source};

/// Of each file. `IANITOR_MUTATIONS=10000` takes minutes, and a release build.
const MUTATIONS: u64 = 20;

/// Numbers that look like chance, and are the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (below.max(1) as u64)).unwrap()
    }
}

/// Lines that make a difference for access.
const LINES: [&str; 14] = [
    "deny all;",
    "allow all;",
    "allow 10.0.0.0/8;",
    "auth_basic \"x\";",
    "auth_basic off;",
    "satisfy any;",
    "internal;",
    "auth_request /a;",
    "return 403;",
    "limit_except GET { deny all; }",
    "if ($arg_x) { return 401; }",
    "unknown_directive on;",
    "location ~ \\.php$ { deny all; }",
    "location ^~ / { }",
];

fn mutate(text: &str, chance: &mut Chance) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=chance.next(3) {
        let at = chance.next(lines.len());
        let other = chance.next(lines.len());
        match chance.next(7) {
            0 => _ = lines.remove(at),
            1 => lines.insert(at, lines[other].clone()),
            2 => lines.swap(at, other),
            3 | 4 => lines.insert(at, LINES[chance.next(LINES.len())].to_owned()),
            5 => {
                let chars: Vec<char> = lines[at].chars().collect();
                let gone = chance.next(chars.len());
                let kept = chars.iter().enumerate().filter(|(at, _)| *at != gone);
                lines[at] = kept.map(|(_, c)| *c).collect();
            }
            _ => {
                const BYTES: [char; 12] = [
                    ';', '{', '}', '/', '"', '$', '~', '^', '=', '\u{0}', 'é', '.',
                ];
                let mut chars: Vec<char> = lines[at].chars().collect();
                let place = chance.next(chars.len() + 1);
                chars.insert(place, BYTES[chance.next(BYTES.len())]);
                lines[at] = chars.into_iter().collect();
            }
        }
        if lines.is_empty() {
            lines.push(String::new());
        }
    }
    lines.join("\n")
}

/// What limits access for sure, wherever it stands. Addresses are judged by their order.
fn limits(directive: &Directive) -> bool {
    match directive.name.as_str() {
        "auth_basic" | "auth_request" => directive.arg(0) != "off",
        "internal" | "limit_except" | "unknown_directive" => true,
        "return" => directive.arg(0).starts_with('4') || directive.arg(0).starts_with('5'),
        _ => false,
    }
}

/// Whether the rules of a block keep an address out.
fn keeps_out(block: &[Directive]) -> bool {
    let rules = block
        .iter()
        .filter(|d| matches!(d.name.as_str(), "allow" | "deny"));
    let first = |d: &&Directive| d.name == "deny" || d.texts() == ["all"];
    rules
        .clone()
        .find(first)
        .is_some_and(|rule| rule.name == "deny" && rule.args.len() == 1)
}

/// The lines of locations that nothing of their own limits.
fn unlimited(tree: &Tree) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut left: Vec<&Directive> = tree.directives.iter().collect();
    while let Some(directive) = left.pop() {
        let block = directive.inner();
        left.extend(block);
        let in_ifs = block
            .iter()
            .filter(|d| d.name == "if")
            .flat_map(Directive::inner);
        if !keeps_out(block) && !block.iter().chain(in_ifs).any(limits) {
            found.insert(directive.place.line);
            // Behind a missing semicolon stands the next directive, as arguments of this one.
            let next = directive.args.iter();
            let next = next.filter(|arg| matches!(arg.text.as_str(), "location" | "rewrite"));
            found.extend(next.map(|arg| arg.place.line));
        }
    }
    found
}

#[test]
fn no_mutation_opens_a_route() {
    std::thread::scope(|threads| {
        for (at, name) in SOURCES.iter().enumerate() {
            threads.spawn(move || mutations_of(name, at as u64 + 1));
        }
    });
}

fn mutations_of(name: &str, seed: u64) {
    let text = source(name);
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15 ^ seed);
    let mut read = 0;
    for round in 0..mutations() {
        let text = mutate(&text, &mut chance);
        let file = Path::new("x.conf");
        let Ok(tree) = parse_text(file, &text, Path::new("/nowhere"), &Disk) else {
            continue;
        };
        read += 1;
        let imported = import::nginx(&tree, Path::new("/nowhere"));
        let loaded = config::parse(Path::new("gateway.toml"), &imported.toml);
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(report) => panic!("{name}, {round}: {report}\n{}\nof\n{text}", imported.toml),
        };
        let places = open_places(&imported.toml);
        let open = loaded.config.routes.routes().iter();
        let open = open
            .filter(|route| route.policy.name() == Policy::OPEN)
            .count();
        assert_eq!(open, places.len(), "{name}, {round}:\n{}", imported.toml);
        let unlimited = unlimited(&tree);
        for line in places {
            assert!(
                unlimited.contains(&line),
                "{name}, {round}: line {line} is open\n{}\nof\n{text}",
                imported.toml
            );
        }
    }
    assert!(
        read > mutations() / 4,
        "{name}: only {read} files were read"
    );
}

fn mutations() -> u64 {
    let asked = std::env::var("IANITOR_MUTATIONS").ok();
    asked.map_or(MUTATIONS, |number| number.parse().unwrap())
}

/// Where open routes come from: the line of the comment in front of each.
fn open_places(toml: &str) -> Vec<u32> {
    let mut found = Vec::new();
    let mut line: Option<u32> = None;
    for text in toml.lines() {
        if let Some(place) = text.strip_prefix("# x.conf:") {
            line = place.split(':').next().and_then(|line| line.parse().ok());
        }
        if text == "policy = \"open\"" {
            found.extend(line);
        }
    }
    found
}
