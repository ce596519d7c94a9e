//! `http`: its servers, and what they share.

use std::collections::BTreeMap;
use std::path::Path;

use super::context::Context;
use super::listeners;
use super::model::Gateway;
use super::report::{Outcome, Report};
use super::scope::{Level, Scope};
use super::server;
use super::server_block::Server;
use super::stream::Passed;
use super::upstreams;
use crate::nginx::Directive;

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
