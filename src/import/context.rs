//! What is known while servers and locations are read.

use std::collections::BTreeMap;
use std::path::Path;

use super::location::Location;
use super::model::Upstream;
use super::report::Report;
use super::upstreams::Group;

/// What the readers of servers and locations need, and what they find.
pub(super) struct Context<'t> {
    pub(super) report: &'t mut Report,
    pub(super) groups: Vec<Group>,
    /// Zones of `limit_req` by client address: their rates.
    pub(super) zones: BTreeMap<String, String>,
    /// Named locations of the server that is read.
    pub(super) named: Vec<Location<'t>>,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) folder: &'t Path,
}

impl Context<'_> {
    /// The index of an upstream, which is new if there is none like it.
    pub(super) fn upstream(&mut self, upstream: Upstream, authority: &str) -> usize {
        let same = |other: &Upstream| {
            Upstream {
                name: String::new(),
                ..other.clone()
            } == upstream
        };
        if let Some(at) = self.upstreams.iter().position(same) {
            return at;
        }
        let is_group = self.groups.iter().any(|group| group.name == authority);
        let wanted = match upstream.protocol.filter(|word| *word != "http") {
            Some(protocol) if !is_group => protocol.to_owned(),
            _ => match authority.rsplit_once(':') {
                Some(("127.0.0.1" | "localhost", port)) => format!("local-{}", name(port)),
                _ => name(authority),
            },
        };
        let is_taken = |name: &str| self.upstreams.iter().any(|other| other.name == name);
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let mut names = std::iter::once(wanted.clone()).chain(numbered);
        let name = names.find(|name| !is_taken(name)).unwrap_or_default();
        self.upstreams.push(Upstream { name, ..upstream });
        self.upstreams.len() - 1
    }

    /// A file name as `gateway.toml` has it.
    pub(super) fn absolute(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// Letters, digits, `-` and `_` of a text.
pub(super) fn name(text: &str) -> String {
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    let name: String = text.chars().map(keep).collect();
    let mut out = String::new();
    for part in name.split('-').filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push('-');
        }
        out.push_str(part);
    }
    out.truncate(40);
    match out.is_empty() {
        true => "server".to_owned(),
        false => out,
    }
}
