//! `stream`: connections that are passed through by the name in the ClientHello.

use std::collections::BTreeMap;

use super::addresses::{self, Addresses};
use super::model::Passthrough;
use super::report::{Outcome, Report};
use crate::host::HostPattern;
use crate::nginx::Directive;

/// What `stream` says.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Where the connections come in that differ by name.
    pub(super) listeners: Addresses,
    /// Where connections go on that the `http` block gets.
    pub(super) own: Addresses,
    pub(super) servers: Vec<Passthrough>,
}

/// Reads every `stream` block.
pub(super) fn read(directives: &[Directive], report: &mut Report) -> Passed {
    let http = http_listeners(directives);
    let mut passed = Passed::default();
    for stream in directives.iter().filter(|d| d.name == "stream") {
        report.note(stream, Outcome::Moved, "its parts have lines of their own");
        let block = stream.inner();
        let groups: BTreeMap<&str, &Directive> = block
            .iter()
            .filter(|d| d.name == "upstream")
            .map(|d| (d.arg(0), d))
            .collect();
        for server in block.iter().filter(|d| d.name == "server") {
            one(server, block, &groups, &http, &mut passed, report);
        }
    }
    passed
}

fn http_listeners(directives: &[Directive]) -> Addresses {
    let http = directives
        .iter()
        .filter(|d| d.name == "http")
        .flat_map(Directive::inner);
    let servers = http
        .filter(|d| d.name == "server")
        .flat_map(Directive::inner);
    servers
        .filter(|d| d.name == "listen")
        .filter_map(addresses::address)
        .collect()
}

fn one(
    server: &Directive,
    block: &[Directive],
    groups: &BTreeMap<&str, &Directive>,
    http: &Addresses,
    passed: &mut Passed,
    report: &mut Report,
) {
    let find = |name: &str| server.inner().iter().find(|d| d.name == name);
    let preread = find("ssl_preread").filter(|d| d.arg(0) == "on");
    let map = find("proxy_pass").and_then(|pass| {
        let is_it = |d: &&Directive| {
            d.name == "map" && d.arg(0) == "$ssl_preread_server_name" && d.arg(1) == pass.arg(0)
        };
        block.iter().find(is_it)
    });
    let (Some(_), Some(map)) = (preread, map) else {
        let text = "not moved: connections are passed through by the name in the ClientHello \
                    alone, which a map of $ssl_preread_server_name says";
        report.note_all(server, Outcome::NeedsYou, text);
        return;
    };
    report.note_all(
        server,
        Outcome::Moved,
        "[[passthrough]], on the same port as everything else",
    );
    report.note(map, Outcome::Moved, "[[passthrough]]");
    for listen in server.inner().iter().filter(|d| d.name == "listen") {
        passed.listeners.extend(addresses::address(listen));
    }
    let proxy_protocol = find("proxy_protocol").is_some_and(|d| d.arg(0) == "on");
    for entry in map.inner() {
        let to = target(entry.arg(0), groups);
        match (entry.name.as_str(), to) {
            (_, Some(to)) if http.contains(&to) => {
                passed.own.insert(to);
                report.note(
                    entry,
                    Outcome::MovedBetter,
                    "TLS ends here, without the inner hop",
                );
            }
            ("default" | "hostnames", _) => {
                let text = "not moved: a connection with another name, or none, is closed";
                report.note(entry, Outcome::NeedsYou, text);
            }
            (sni, Some(to)) if sni.parse::<HostPattern>().is_ok() => {
                report.note(entry, Outcome::Moved, "[[passthrough]]");
                passed.servers.push(Passthrough {
                    sni: sni.to_owned(),
                    to,
                    proxy_protocol,
                    place: entry.place.clone(),
                });
            }
            _ => {
                let text = "not moved: no name, or no host:port; the connection is closed";
                report.note(entry, Outcome::NeedsYou, text);
            }
        }
    }
    for group in groups.values() {
        report.note_all(group, Outcome::Moved, "[[passthrough]], its first server");
    }
}

/// The address behind a name, which may be that of a group.
fn target(text: &str, groups: &BTreeMap<&str, &Directive>) -> Option<String> {
    let address = match groups.get(text) {
        Some(group) => {
            let mut servers = group.inner().iter().filter(|d| d.name == "server");
            servers.next()?.arg(0)
        }
        None => text,
    };
    let has_port = address
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let is_plain = !address.contains(['$', '/']) && !address.starts_with("unix:");
    (has_port && is_plain).then(|| address.replacen("localhost", "127.0.0.1", 1))
}
