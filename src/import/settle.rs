//! The text that is written has to pass `config::parse`. A part that does not is closed or left
//! out: each part is checked when it is read, but rules between keys are known there alone.

use std::path::Path;

use super::access::{Access, Why};
use super::model::{Extras, Gateway, Matching, Route, Target};
use super::report::{Outcome, Report};
use super::write;
use crate::config;
use crate::nginx::Place;

/// How often parts are taken out before all of them are.
const ROUNDS: usize = 50;

/// The text of a gateway that passes the check.
pub(super) fn settle(gateway: &mut Gateway, report: &mut Report) -> String {
    if gateway.https.is_empty() {
        gateway.https = vec!["[::]:443".to_owned()];
    }
    if gateway.routes.is_empty() {
        gateway.routes.push(nothing());
    }
    order_certificates(gateway, report);
    for route in gateway
        .routes
        .iter()
        .filter(|route| route.access.is_closed())
    {
        let text = format!("{} admits no client", route.path);
        report.differs(format!("closed {}", route.path), text);
    }
    for _ in 0..ROUNDS {
        let written = write::write(gateway);
        let Err(problems) = config::parse(Path::new("gateway.toml"), &written.toml) else {
            return written.toml;
        };
        for problem in problems.problems() {
            mend(
                gateway,
                &problem.key,
                &problem.text,
                &written.routes,
                report,
            );
        }
    }
    *gateway = Gateway {
        https: vec!["[::]:443".to_owned()],
        routes: vec![nothing()],
        ..Gateway::default()
    };
    write::write(gateway).toml
}

/// A route for everything that admits no client.
fn nothing() -> Route {
    Route {
        hosts: Vec::new(),
        path: "/".to_owned(),
        matching: Matching::Prefix,
        access: Access::Closed(Why::AsBefore),
        limited: false,
        target: Target::Nothing,
        extras: Extras::default(),
        place: nowhere(),
        from: "no route".to_owned(),
    }
}

fn nowhere() -> Place {
    Place {
        file: Path::new("nginx").into(),
        line: 1,
        column: 1,
    }
}

/// Hosts without a certificate get one from the CA.
fn order_certificates(gateway: &mut Gateway, report: &mut Report) {
    if !gateway.certificates.is_empty() || !gateway.acme.is_empty() {
        return;
    }
    let hosts = gateway.routes.iter().flat_map(|route| &route.hosts);
    let named = hosts.filter(|host| {
        host.contains('.') && !host.starts_with('*') && host.parse::<std::net::IpAddr>().is_err()
    });
    let mut named: Vec<String> = named.cloned().collect();
    named.sort();
    named.dedup();
    named.truncate(100);
    if let (false, Some(route)) = (named.is_empty(), gateway.routes.first()) {
        let text =
            "there is no certificate: [acme] orders one, and using it accepts the CA's terms";
        report.note_at(
            &route.place,
            &route.from,
            Outcome::NeedsYou,
            text.to_owned(),
        );
        gateway.acme.push(named);
    }
}

/// Takes out what a problem is about.
fn mend(gateway: &mut Gateway, key: &str, text: &str, written: &[usize], report: &mut Report) {
    let (table, rest) = key.split_at(key.find(['[', '.']).unwrap_or(key.len()));
    let number = rest
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next());
    let number: Option<usize> = number.and_then(|number| number.parse().ok());
    match (table, number) {
        ("routes", Some(at)) => {
            let Some(route) = written.get(at).and_then(|at| gateway.routes.get_mut(*at)) else {
                return;
            };
            close(route, text, report);
            // A path with a variable needs a Jitsi; what would take it over is closed instead.
            if route.path.contains('{') {
                route.path = "/".to_owned();
                let hosts = route.hosts.clone();
                let is_all = |route: &&mut Route| route.path == "/" && route.hosts == hosts;
                let mut all: Vec<&mut Route> = gateway.routes.iter_mut().filter(is_all).collect();
                all.iter_mut().for_each(|route| close(route, text, report));
                let mut is_first = true;
                gateway.routes.retain(|route| {
                    let is_all = route.path == "/" && route.hosts == hosts;
                    !is_all || std::mem::take(&mut is_first)
                });
            }
        }
        ("upstreams", _) => {
            let name = rest
                .trim_start_matches('.')
                .split('.')
                .next()
                .unwrap_or_default();
            let name = name.trim_matches('"');
            let at = gateway
                .upstreams
                .iter()
                .position(|upstream| upstream.name == name);
            for route in &mut gateway.routes {
                let leads = matches!(&route.target, Target::Upstream { upstream, .. }
                    if Some(*upstream) == at);
                if leads {
                    close(route, text, report);
                }
            }
        }
        ("policies", _) => {
            for route in &mut gateway.routes {
                if let Access::Addresses { .. } = route.access {
                    close(route, text, report);
                }
            }
        }
        ("passthrough", Some(at)) if at < gateway.passthrough.len() => {
            let gone = gateway.passthrough.remove(at);
            let text = format!("left out, since {text}");
            report.note_at(&gone.place, &gone.sni, Outcome::NeedsYou, text);
        }
        ("tls", _) => gateway.certificates.clear(),
        ("acme", _) => gateway.acme.clear(),
        _ => {
            gateway.https = vec!["[::]:443".to_owned()];
            gateway.http.clear();
            gateway.proxy_protocol.clear();
            gateway.client_address_header = None;
            gateway.trusted_proxies.clear();
            // Addresses may be those of proxies now.
            for route in &mut gateway.routes {
                if let Access::Addresses { .. } = route.access {
                    close(route, text, report);
                }
            }
        }
    }
}

fn close(route: &mut Route, text: &str, report: &mut Report) {
    let why = format!("{} is closed: {text}", route.path);
    report.note_at(&route.place, &route.from, Outcome::NeedsYou, why);
    report.differs(
        format!("closed {}", route.path),
        format!("{} is closed", route.path),
    );
    route.access = Access::Closed(Why::ToBeWritten {
        place: route.place.clone(),
        limit: route.from.clone(),
    });
    route.target = Target::Nothing;
    route.extras = Extras::default();
}
