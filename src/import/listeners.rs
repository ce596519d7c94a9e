//! Where clients come in. All routes of a gateway are on all of its listeners, so only servers with
//! the same listeners are moved: one that is on another address or port is not made public.

use super::access;
use super::addresses::Addresses;
use super::model::Gateway;
use super::report::{Outcome, Report};
use super::scope::Scope;
use super::server_block::Server;
use super::stream::Passed;
use crate::nginx::Directive;

/// Both families of one port are one listener.
fn joined(addresses: &Addresses) -> Vec<String> {
    let mut out: Vec<String> = addresses.iter().cloned().collect();
    for six in addresses
        .iter()
        .filter(|address| address.starts_with("[::]:"))
    {
        let four = six.replacen("[::]", "0.0.0.0", 1);
        out.retain(|address| *address != four);
    }
    out
}

/// Which servers are moved: by their index.
pub(super) fn choose(
    servers: &[Server<'_>],
    passed: &Passed,
    gateway: &mut Gateway,
    report: &mut Report,
) -> Vec<usize> {
    let tls: Vec<usize> = (0..servers.len())
        .filter(|at| !servers[*at].tls.is_empty())
        .collect();
    let plain = servers.iter().flat_map(|server| &server.plain);
    let plain: Addresses = plain
        .filter(|address| address.ends_with(":80"))
        .cloned()
        .collect();
    gateway.http = joined(&plain);
    if !passed.listeners.is_empty() {
        gateway.https = joined(&passed.listeners);
        let behind = |at: &usize| servers[*at].tls.iter().any(|it| passed.own.contains(it));
        let (chosen, rest): (Vec<usize>, Vec<usize>) = tls.into_iter().partition(behind);
        note_others(&rest, servers, report);
        return chosen;
    }
    if tls.is_empty() {
        return only_plain(servers, gateway, report);
    }
    let main = main_listeners(&tls, servers);
    gateway.https = joined(&main);
    let has_all = |at: &usize| main.is_subset(&servers[*at].tls);
    let (chosen, rest): (Vec<usize>, Vec<usize>) = tls.into_iter().partition(has_all);
    note_others(&rest, servers, report);
    chosen
}

fn main_listeners(tls: &[usize], servers: &[Server<'_>]) -> Addresses {
    let is_public = |address: &&String| address.ends_with(":443");
    let with_443: Vec<&Addresses> = tls
        .iter()
        .map(|at| &servers[*at].tls)
        .filter(|tls| tls.iter().any(|address| is_public(&address)))
        .collect();
    let of_port = |addresses: &Addresses| -> Addresses {
        addresses.iter().filter(is_public).cloned().collect()
    };
    let mut shared = with_443.iter().map(|addresses| of_port(addresses));
    let Some(first) = shared.next() else {
        return tls
            .first()
            .map(|at| servers[*at].tls.clone())
            .unwrap_or_default();
    };
    let common = shared.fold(first.clone(), |all, next| &all & &next);
    if common.is_empty() { first } else { common }
}

fn note_others(rest: &[usize], servers: &[Server<'_>], report: &mut Report) {
    for at in rest {
        let text = "not moved: it is on other addresses or ports than the listeners that are \
                    moved, and there everybody could reach it; write another gateway for it";
        for listen in servers[*at].listens() {
            report.note(listen, Outcome::NeedsYou, text);
        }
        report.note_all(servers[*at].directive, Outcome::NeedsYou, text);
    }
}

/// Servers without TLS: what was on port 80 of all addresses is moved to port 443.
fn only_plain(servers: &[Server<'_>], gateway: &mut Gateway, report: &mut Report) -> Vec<usize> {
    let main: Addresses = ["0.0.0.0:80", "[::]:80"].map(str::to_owned).into();
    let is_public = |at: &usize| {
        let plain = &servers[*at].plain;
        // NGINX listens there if nothing else is written.
        plain.is_subset(&main) && servers[*at].has_only_addresses
    };
    let (chosen, rest): (Vec<usize>, Vec<usize>) = (0..servers.len()).partition(is_public);
    note_others(&rest, servers, report);
    let ports: Addresses = chosen
        .iter()
        .flat_map(|at| &servers[*at].plain)
        .cloned()
        .collect();
    gateway.https = joined(&ports)
        .iter()
        .map(|it| it.replace(":80", ":443"))
        .collect();
    for at in &chosen {
        let text = "served by https from now on; http is redirected";
        report.note(servers[*at].directive, Outcome::MovedBetter, text);
    }
    chosen
}

/// Where the addresses of clients come from.
pub(super) fn real_addresses<'t>(
    block: &'t [Directive],
    passed: &Passed,
    scope: &mut Scope<'t>,
    gateway: &mut Gateway,
    report: &mut Report,
) {
    let from: Vec<&Directive> = block
        .iter()
        .filter(|d| d.name == "set_real_ip_from")
        .collect();
    let header = block.iter().find(|d| d.name == "real_ip_header");
    for recursive in block.iter().filter(|d| d.name == "real_ip_recursive") {
        report.note(
            recursive,
            Outcome::MovedBetter,
            "the last address that is no proxy's, always",
        );
    }
    let known = from.iter().map(|d| access::network(d.arg(0)));
    let known: Option<Vec<crate::addr::Network>> = known.collect();
    let is_everybody = |networks: &[crate::addr::Network]| {
        crate::addr::Network::are_everybody(networks.iter().copied())
    };
    let networks = known.filter(|networks| !is_everybody(networks));
    let header_name = header.map_or("X-Real-IP", |header| header.arg(0));
    let all = from.iter().chain(header.iter());
    let Some(networks) = networks else {
        scope.addresses_unknown = !from.is_empty();
        for directive in all {
            let text = "not moved: everybody, or no network, could say whose address it is; routes \
                        with allow and deny are closed";
            report.note(directive, Outcome::WasWrong, text);
        }
        return;
    };
    if networks.is_empty() {
        return;
    }
    let listed: Vec<String> = networks.iter().map(ToString::to_string).collect();
    let text = match header_name.to_ascii_lowercase().as_str() {
        "proxy_protocol" if !passed.listeners.is_empty() => "the hop through stream is gone",
        "proxy_protocol" => {
            gateway.proxy_protocol = listed;
            "listen.proxy_protocol"
        }
        "x-forwarded-for" => {
            gateway.trusted_proxies = listed;
            "listen.trusted_proxies"
        }
        _ => {
            gateway.trusted_proxies = listed;
            gateway.client_address_header = Some(header_name.to_owned());
            "listen.trusted_proxies and client_address_header"
        }
    };
    for directive in all {
        report.note(directive, Outcome::Moved, text);
    }
}
