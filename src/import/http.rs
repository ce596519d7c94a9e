//! `http`: its servers, and what they share.

use std::collections::BTreeMap;
use std::path::Path;

use super::listeners;
use super::location::Location;
use super::model::{Gateway, Upstream};
use super::report::{Outcome, Report};
use super::scope::{Level, Scope};
use super::server::{self, Server};
use super::stream::Passed;
use super::upstreams::{self, Group};
use crate::nginx::Directive;

/// What the readers of servers and locations need, and what they find.
pub(super) struct Context<'t> {
    pub(super) report: &'t mut Report,
    pub(super) groups: Vec<Group>,
    /// Zones of `limit_req` by client address: their rates.
    pub(super) zones: BTreeMap<String, String>,
    /// Named locations of the server that is read.
    pub(super) named: Vec<Location<'t>>,
    pub(super) upstreams: Vec<Upstream>,
    folder: &'t Path,
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

/// Translates everything but streams.
pub(super) fn read(
    directives: &[Directive],
    folder: &Path,
    passed: &Passed,
    report: &mut Report,
) -> Gateway {
    let block = http_block(directives, report);
    let mut gateway = Gateway::default();
    let mut scope = Scope::default().enter(&block, Level::Http, report);
    let mut ctx = Context {
        groups: upstreams::groups(&block, report),
        zones: zones(&block, report),
        named: Vec::new(),
        upstreams: Vec::new(),
        folder,
        report,
    };
    for map in block.iter().filter(|d| d.name == "map") {
        note_map(map, &mut ctx);
    }
    listeners::real_addresses(&block, passed, &mut scope, &mut gateway, ctx.report);
    let servers = block.iter().filter(|d| d.name == "server");
    let servers: Vec<Server<'_>> = servers.map(|d| Server::of(d, ctx.report)).collect();
    let chosen = listeners::choose(&servers, passed, &mut gateway, ctx.report);
    server::read(&servers, &chosen, &scope, &mut gateway, &mut ctx);
    gateway.upstreams = ctx.upstreams;
    gateway
}

/// The directives of `http`; of a part of a configuration, what would be there.
fn http_block(directives: &[Directive], report: &mut Report) -> Vec<Directive> {
    let mut found = Vec::new();
    for http in directives.iter().filter(|d| d.name == "http") {
        report.note(http, Outcome::Moved, "its parts have lines of their own");
        found.extend(http.inner().iter().cloned());
    }
    for events in directives.iter().filter(|d| d.name == "events") {
        let text = "the gateway has a thread per core";
        report.note_all(events, Outcome::NotNeeded, text);
    }
    if !found.is_empty() {
        return found;
    }
    let is_outer = |d: &&Directive| !matches!(d.name.as_str(), "http" | "stream" | "events");
    let rest: Vec<Directive> = directives.iter().filter(is_outer).cloned().collect();
    if !rest.iter().any(|d| d.name == "location") {
        return rest;
    }
    // The inside of a server.
    let place = rest[0].place.clone();
    vec![Directive {
        name: "server".to_owned(),
        args: Vec::new(),
        block: Some(rest),
        place,
    }]
}

fn zones(block: &[Directive], report: &mut Report) -> BTreeMap<String, String> {
    let mut zones = BTreeMap::new();
    for zone in block.iter().filter(|d| d.name == "limit_req_zone") {
        let texts = zone.texts();
        let value = |key: &str| texts.iter().find_map(|text| text.strip_prefix(key));
        let name = value("zone=").map(|zone| zone.split(':').next().unwrap_or_default());
        let rate = value("rate=").and_then(super::units::rate);
        let by_client = matches!(zone.arg(0), "$binary_remote_addr" | "$remote_addr");
        match (name, rate) {
            (Some(name), Some(rate)) if by_client => {
                zones.insert(name.to_owned(), rate);
                report.note(zone, Outcome::Moved, "the rate of requests of its routes");
            }
            _ => {
                let text = "not moved: rates count an address of a client, in whole numbers";
                report.note(zone, Outcome::NeedsYou, text);
            }
        }
    }
    zones
}

fn note_map(map: &Directive, ctx: &mut Context<'_>) {
    let (outcome, text) = match map.arg(0) {
        "$http_upgrade" => (Outcome::NotNeeded, "every route takes WebSockets"),
        _ => (
            Outcome::NeedsYou,
            "not moved: there are no variables; routes that lead where it says are closed",
        ),
    };
    ctx.report.note_all(map, outcome, text);
}
