//! Files that somebody has damaged, or only written in another way.

use std::collections::BTreeSet;
use std::time::Instant;

use ianitor::doctor::{Report, examine};

use super::world::{Machine, machines};

/// Of each file. `DOCTOR_MUTATIONS=10000` takes a few minutes.
fn count() -> usize {
    let wanted = std::env::var("DOCTOR_MUTATIONS").ok();
    wanted.map_or(100, |wanted| wanted.parse().unwrap())
}

/// The same numbers on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

/// Bytes that mean something in one of the syntaxes.
const BYTES: &[u8] = b"{}()[]\"'=:;,#/*-.\\\n \t\0@<>!aE10\xff";

fn damage(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len());
        let length = numbers.below(40).min(bytes.len() - at);
        match numbers.below(5) {
            0 => _ = bytes.drain(at..at + length),
            1 => bytes.insert(at, BYTES[numbers.below(BYTES.len())]),
            2 if !bytes.is_empty() => bytes[at] = BYTES[numbers.below(BYTES.len())],
            3 => {
                let piece = bytes[at..at + length].to_vec();
                let to = numbers.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => bytes.truncate(at),
        }
    }
}

fn look(machine: &Machine) -> Report {
    examine(&machine.files, &[], machine.firewall.as_deref())
}

/// No text makes a reader panic or hang, and every place is one of the file.
#[test]
fn damaged_files_are_read_to_their_end() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for mut machine in machines()
        .into_iter()
        .filter(|it| !it.name.ends_with("-fixed"))
    {
        let paths: Vec<String> = machine.files.texts.keys().cloned().collect();
        for path in paths {
            let whole = machine.files.texts[&path].clone();
            for number in 0..count() {
                let mut bytes = whole.clone();
                damage(&mut bytes, &mut numbers);
                let lines = bytes.split(|byte| *byte == b'\n').count();
                machine.files.texts.insert(path.clone(), bytes);
                // Mostly the file alone, which is much faster.
                let report = match number % 20 {
                    0 => look(&machine),
                    _ => examine(&machine.files, std::slice::from_ref(&path), None),
                };
                for finding in report.findings.found {
                    if *finding.place.file == path {
                        assert!(finding.place.line as usize <= lines, "{finding:?}");
                    }
                }
            }
            machine.files.texts.insert(path, whole);
        }
    }
}

/// How a file's lines may be changed without another meaning.
#[derive(Clone, Copy)]
enum Change {
    Comment(&'static str),
    /// Only numbers and names in columns.
    None,
}

fn change_of(path: &str) -> Change {
    match path {
        _ if path.ends_with(".cfg.lua") => Change::Comment("--"),
        _ if path.ends_with(".js") || path.ends_with(".json") => Change::Comment("//"),
        _ if path.ends_with(".ini") => Change::Comment(";"),
        _ if path.contains("/proc/") || path.contains("/dpkg/") || path.ends_with(".pem") => {
            Change::None
        }
        _ => Change::Comment("#"),
    }
}

/// Adds comments, which look like settings, and white space at the ends of lines.
fn rewrite(text: &str, mark: &str, numbers: &mut Numbers) -> String {
    const WORDS: [&str; 8] = [
        "admin_secret = \"janusoverlord\"",
        "no-auth",
        "c2s_require_encryption = false",
        "\"address\": \"0.0.0.0\"",
        "-A INPUT -j ACCEPT",
        "acl is_admin path_beg /admin",
        "authenticator = standalone { ( [ \"",
        "",
    ];
    let mut out = String::new();
    for line in text.lines() {
        let is_inside = line.trim_start().starts_with(mark);
        match numbers.below(4) {
            // A comment goes to its end.
            0 if is_inside => out += &format!("{mark} {}", WORDS[numbers.below(WORDS.len())]),
            1 => {
                let word = WORDS[numbers.below(WORDS.len())];
                out += &format!("  {mark} {word}\n{line}");
            }
            2 => out += &format!("{line} \t"),
            3 => out += &format!("\n{line}"),
            _ => out += line,
        }
        out.push('\n');
    }
    out
}

/// A finding by what it says and the text of its line.
fn findings(machine: &Machine) -> BTreeSet<(String, String, String)> {
    let report = look(machine);
    let line = |place: &ianitor::doctor::place::Place| {
        let bytes = machine.files.texts.get(&*place.file);
        let text = String::from_utf8_lossy(bytes.map_or(&[][..], Vec::as_slice)).into_owned();
        // What a file lacks is at its beginning, which may be a comment now.
        match (place.line, place.column) {
            (1, 1) => String::new(),
            (line, _) => text
                .lines()
                .nth(line as usize - 1)
                .unwrap_or_default()
                .trim()
                .to_owned(),
        }
    };
    let found = report.findings.found.iter();
    found
        .map(|it| (it.id.to_owned(), it.place.file.to_string(), line(&it.place)))
        .collect()
}

/// Comments and white space change no finding.
#[test]
fn comments_and_white_space_change_nothing() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let mut changed = 0;
    for mut machine in machines() {
        let want = findings(&machine);
        let paths: Vec<String> = machine.files.texts.keys().cloned().collect();
        for path in paths {
            let Change::Comment(mark) = change_of(&path) else {
                continue;
            };
            let whole = machine.files.texts[&path].clone();
            let text = String::from_utf8(whole.clone()).unwrap();
            for _ in 0..count() / 20 {
                let text = rewrite(&text, mark, &mut numbers);
                machine
                    .files
                    .texts
                    .insert(path.clone(), text.clone().into_bytes());
                let got = findings(&machine);
                // A finding at the first line of a file has no text to compare.
                let ids = |of: &BTreeSet<(String, String, String)>| -> Vec<(String, String)> {
                    of.iter()
                        .map(|(id, file, _)| (id.clone(), file.clone()))
                        .collect()
                };
                assert_eq!(ids(&want), ids(&got), "{}{path}:\n{text}", machine.name);
                let moved = want
                    .symmetric_difference(&got)
                    .filter(|it| !it.2.is_empty());
                let moved: Vec<_> = moved.filter(|it| !is_first(&want, it)).collect();
                assert!(
                    moved.is_empty(),
                    "{}{path}: {moved:?}\n{text}",
                    machine.name
                );
                changed += 1;
            }
            machine.files.texts.insert(path, whole);
        }
    }
    assert!(changed > 100);
}

/// Whether the same finding was at the first line before.
fn is_first(
    want: &BTreeSet<(String, String, String)>,
    (id, file, _): &(String, String, String),
) -> bool {
    want.iter()
        .any(|(other, in_file, line)| other == id && in_file == file && line.is_empty())
}

/// The time for a text grows with its length, not with its square: a large file is no trap.
#[test]
fn large_files_are_read_in_one_go() {
    let mut machine = machines()
        .into_iter()
        .find(|it| it.name == "janus-access")
        .unwrap();
    for (path, piece) in [
        ("/etc/janus/janus.jcfg", "a: { b = (1, "),
        ("/etc/janus/janus.transport.http.jcfg", "/*"),
        ("/etc/turnserver.conf", "denied-peer-ip=10.0.0.0 "),
        ("/etc/prosody/prosody.cfg.lua", "x = { [[ "),
        ("/etc/prosody/prosody.cfg.lua", "f(f(f{-"),
        ("/etc/kurento/kurento.conf.json", "{\"a\":["),
        ("/etc/jitsi/meet/a-config.js", "x.y = (`"),
        ("/etc/haproxy/haproxy.cfg", "acl a \\\n'"),
        ("/etc/iptables/rules.v4", "*filter\n-A INPUT -j a\n"),
    ] {
        let text = piece.repeat((1 << 18) / piece.len());
        machine
            .files
            .texts
            .insert(path.to_owned(), text.into_bytes());
        let start = Instant::now();
        look(&machine);
        // A square would take minutes.
        assert!(start.elapsed().as_secs() < 60, "{path}");
    }
}
