//! Prosody: connections without TLS, and what it takes from proxies.

use super::super::finding::{Findings, Fix};
use super::super::machine::{Machine, hosts};
use super::super::tree::{Member, Seen, Tree, Value, last};
use super::janus::{Reach, reach_of};

const PORT: u16 = 5280;

/// The global section and those of hosts.
pub(super) fn sections(tree: &Tree) -> impl Iterator<Item = &[Member]> {
    let of_hosts = hosts(tree).map(|host| host.node.members());
    std::iter::once(&tree.members[..]).chain(of_hosts)
}

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    for tree in &machine.prosody {
        for section in sections(tree) {
            encryption(section, found);
        }
        proxies(tree, found);
        interfaces(machine, tree, found);
        secure(machine, tree, found);
    }
}

fn encryption(section: &[Member], found: &mut Findings) {
    let is_false = |member: &&Member| matches!(member.node.value, Value::Bool(false));
    if let Some(member) = last(section, "c2s_require_encryption").filter(is_false) {
        let why = "clients may log in without TLS at port 5222";
        let fix = Fix::write("c2s_require_encryption = true");
        found.add("prosody-c2s-plain", &member.place, why, fix);
    }
    let is_true = |member: &&Member| member.node.is_true();
    if let Some(member) = last(section, "allow_unencrypted_plain_auth").filter(is_true) {
        let why = "clients may send their password in clear";
        let fix = Fix::write("allow_unencrypted_plain_auth = false");
        found.add("prosody-plain-auth", &member.place, why, fix);
    }
}

fn proxies(tree: &Tree, found: &mut Findings) {
    let Some(member) = tree.find(&["trusted_proxies"]) else {
        return;
    };
    let trusts_all = |it: &&Member| {
        it.node
            .text()
            .is_some_and(|text| text.ends_with("/0") && text.contains(['.', ':']))
    };
    if let Some(all) = member.node.members().iter().find(trusts_all) {
        let why = "every client is trusted to say what its address is, and whether it has TLS";
        let fix = Fix::write("trusted_proxies = { \"127.0.0.1\", \"::1\" }");
        found.add("prosody-trusted-proxies", &all.place, why, fix);
    }
}

/// By default only this machine reaches the HTTP server.
fn interfaces(machine: &Machine, tree: &Tree, found: &mut Findings) {
    let Some(member) = tree
        .find(&["http_interfaces"])
        .or(tree.find(&["http_interface"]))
    else {
        return;
    };
    let ports = tree.find(&["http_ports"]).map(|it| it.node.members());
    let ports = ports.map(|ports| ports.iter().filter_map(|it| it.node.number()).collect());
    let ports: Vec<i64> = ports.unwrap_or_else(|| vec![i64::from(PORT)]);
    let is_open = |port: &i64| {
        let port = u16::try_from(*port).unwrap_or(0);
        port != 0 && !machine.firewall.shuts(true, port)
    };
    let Some(addresses) = member.node.texts() else {
        return;
    };
    let is_everywhere = addresses.iter().any(|it| reach_of(it) == Reach::Everywhere);
    if is_everywhere && ports.iter().any(is_open) {
        let why = "BOSH and WebSockets without TLS can be reached from everywhere";
        let fix = Fix::write("http_interfaces = { \"127.0.0.1\", \"::1\" }");
        found.add("prosody-http-public", &member.place, why, fix);
    }
}

/// Whether a module is on anywhere.
fn module<'a>(tree: &'a Tree, name: &str) -> Option<&'a Member> {
    let lists = sections(tree).filter_map(|section| last(section, "modules_enabled"));
    let mut modules = lists.flat_map(|list| list.node.members());
    modules.find(|module| module.node.text() == Some(name))
}

/// Behind a proxy that ends TLS, Prosody has to be told that clients have TLS.
fn secure(machine: &Machine, tree: &Tree, found: &mut Findings) {
    const ID: &str = "prosody-not-secure";
    let requires = !matches!(tree.get(&["c2s_require_encryption"]), Seen::Is(member)
        if matches!(member.node.value, Value::Bool(false)));
    for (name, key) in [
        ("bosh", "consider_bosh_secure"),
        ("websocket", "consider_websocket_secure"),
    ] {
        let Some(module) = module(tree, name).filter(|_| requires) else {
            continue;
        };
        let mut all = sections(tree);
        if !tree.is_whole || all.any(|section| last(section, key).is_some()) {
            continue;
        }
        let proxies = super::proxied::forwards(machine);
        let proxies: Vec<_> = proxies.iter().filter(|it| it.port == PORT).collect();
        match proxies.iter().find(|proxy| !proxy.says_https) {
            Some(proxy) => {
                let why = format!(
                    "clients cannot log in: Prosody takes what comes from the proxy ({}) for \
                     unencrypted",
                    proxy.place
                );
                found.add(ID, &module.place, why, Fix::add(format!("{key} = true")));
            }
            None if proxies.is_empty() => {
                let text = format!(
                    "whether the proxy before Prosody sends X-Forwarded-Proto: https; without it \
                     clients cannot log in unless {key} = true"
                );
                found.not_known(ID, &module.place, text);
            }
            None => {}
        }
    }
}
