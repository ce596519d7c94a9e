//! Every finding that there can be: `docs/doctor.md` is made from it.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A stranger can do what only few should, or a server does not work.
    Danger,
    /// It will fail some day, or fails for some.
    Warning,
    /// Better to be had.
    Hint,
}

impl Severity {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Danger => "danger",
            Self::Warning => "warning",
            Self::Hint => "hint",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A finding that there can be.
#[derive(Debug)]
pub struct Entry {
    /// Its name, which never changes.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is looked at, and why it matters.
    pub about: &'static str,
    /// How it is known: what was tried, or where it is written.
    pub source: &'static str,
}

/// How bad a finding is. Names that are not in the catalogue are a mistake of this program.
pub(super) fn severity(id: &str) -> Severity {
    let entry = ALL
        .iter()
        .flat_map(|(_, entries)| *entries)
        .find(|entry| entry.id == id);
    debug_assert!(entry.is_some(), "{id} is not in the catalogue");
    entry.map_or(Severity::Warning, |entry| entry.severity)
}

/// The catalogue, by program.
pub const ALL: [(&str, &[Entry]); 7] = [
    ("Janus", janus::ENTRIES),
    ("coturn", coturn::ENTRIES),
    ("Kurento", kurento::ENTRIES),
    ("Prosody and Jitsi", prosody::ENTRIES),
    ("NGINX and HAProxy", proxies::ENTRIES),
    ("Certificates", certificates::ENTRIES),
    ("Ports and gateway.toml", ports::ENTRIES),
];

mod certificates;
mod coturn;
mod janus;
mod kurento;
mod ports;
mod prosody;
mod proxies;

/// An entry, in the order that it is read in.
const fn entry(
    id: &'static str,
    severity: Severity,
    about: &'static str,
    source: &'static str,
) -> Entry {
    Entry {
        id,
        severity,
        about,
        source,
    }
}
