//! Where Janus listens, and for whom.

use std::net::IpAddr;

use super::super::finding::{Findings, Fix};
use super::super::machine::{Janus, Machine};
use super::super::place::Place;
use super::super::tree::{Seen, Tree};

/// A transport of an API: the keys that it has in its file.
struct Keys {
    file: &'static str,
    block: &'static str,
    switch: &'static str,
    port: &'static str,
    default_port: u16,
    ip: &'static str,
    interface: &'static str,
    acl: &'static str,
    unix: &'static str,
}

const HTTP: &str = "janus.transport.http";
const WEBSOCKETS: &str = "janus.transport.websockets";

/// A row for each listener: switch, port, address, interface, access list, socket.
#[rustfmt::skip]
const LISTENERS: [Keys; 8] = [
    keys(HTTP, "general", 8088, ["http", "port", "ip", "interface", "acl", ""]),
    keys(HTTP, "general", 8089,
        ["https", "secure_port", "secure_ip", "secure_interface", "acl", ""]),
    keys(HTTP, "admin", 7088,
        ["admin_http", "admin_port", "admin_ip", "admin_interface", "admin_acl", ""]),
    keys(HTTP, "admin", 7889,
        ["admin_https", "admin_secure_port", "admin_secure_ip", "admin_secure_interface",
         "admin_acl", ""]),
    keys(WEBSOCKETS, "general", 8188,
        ["ws", "ws_port", "ws_ip", "ws_interface", "ws_acl", "ws_unix"]),
    keys(WEBSOCKETS, "general", 8989,
        ["wss", "wss_port", "wss_ip", "wss_interface", "ws_acl", "wss_unix"]),
    keys(WEBSOCKETS, "admin", 7188,
        ["admin_ws", "admin_ws_port", "admin_ws_ip", "admin_ws_interface", "admin_ws_acl",
         "admin_ws_unix"]),
    keys(WEBSOCKETS, "admin", 7989,
        ["admin_wss", "admin_wss_port", "admin_wss_ip", "admin_wss_interface", "admin_ws_acl",
         "admin_wss_unix"]),
];

const fn keys(
    file: &'static str,
    block: &'static str,
    default_port: u16,
    names: [&'static str; 6],
) -> Keys {
    let [switch, port, ip, interface, acl, unix] = names;
    Keys {
        file,
        block,
        switch,
        port,
        default_port,
        ip,
        interface,
        acl,
        unix,
    }
}

/// Where a listener can be reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// From this machine.
    Local,
    /// From a private network.
    Private,
    /// From everywhere.
    Everywhere,
    /// Not known.
    Unknown,
}

/// A listener that is on.
pub(super) struct Listener<'a> {
    pub(super) is_admin: bool,
    pub(super) port: u16,
    pub(super) place: &'a Place,
    reach: Reach,
    has_acl: bool,
    keys: &'static Keys,
}

impl Listener<'_> {
    /// Whether it takes WebSockets.
    pub(super) fn is_websocket(&self) -> bool {
        self.keys.file == WEBSOCKETS
    }
}

/// Where an address can be reached from.
pub(super) fn reach_of(address: &str) -> Reach {
    let address = address.trim().trim_matches(['[', ']']);
    match address.parse::<IpAddr>() {
        _ if address == "localhost" => Reach::Local,
        Ok(ip) if ip.is_loopback() => Reach::Local,
        Ok(IpAddr::V4(ip)) if ip.is_private() || ip.is_link_local() => Reach::Private,
        Ok(IpAddr::V4(ip)) if ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64 => {
            Reach::Private
        }
        Ok(IpAddr::V6(ip)) if ip.is_unique_local() || ip.is_unicast_link_local() => Reach::Private,
        Ok(_) => Reach::Everywhere,
        Err(_) if address == "*" || address.is_empty() => Reach::Everywhere,
        Err(_) => Reach::Unknown,
    }
}

/// The listeners that are on.
pub(super) fn listeners(janus: &Janus) -> impl Iterator<Item = Listener<'_>> {
    LISTENERS.iter().filter_map(|keys| {
        let tree = janus.file(keys.file)?;
        let at = |key| tree.find(&[keys.block, key]);
        let switch = at(keys.switch).filter(|member| member.node.is_true())?;
        if !keys.unix.is_empty() && at(keys.unix).is_some() {
            return None;
        }
        let port = at(keys.port).and_then(|member| member.node.number());
        let port = port.map_or(Ok(keys.default_port), u16::try_from).ok()?;
        Some(Listener {
            is_admin: keys.block == "admin",
            port,
            place: &switch.place,
            reach: reach(tree, keys),
            has_acl: !tree.lacks(&[keys.block, keys.acl]),
            keys,
        })
    })
}

fn reach(tree: &Tree, keys: &Keys) -> Reach {
    let at = |key| tree.get(&[keys.block, key]);
    match (at(keys.ip), at(keys.interface)) {
        (Seen::Is(member), _) => member.node.text().map_or(Reach::Unknown, reach_of),
        (Seen::Absent, Seen::Absent) => Reach::Everywhere,
        (Seen::Absent, Seen::Is(member)) if member.node.text() == Some("lo") => Reach::Local,
        _ => Reach::Unknown,
    }
}

/// Whether any transport that was read has the admin API on.
pub(super) fn has_admin(janus: &Janus) -> bool {
    let has_pipe = janus.file("janus.transport.pfunix");
    listeners(janus).any(|listener| listener.is_admin)
        || has_pipe.is_some_and(|tree| tree.is_true(&["admin", "admin_enabled"]))
}

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    for janus in &machine.janus {
        for listener in listeners(janus) {
            exposed(machine, janus, &listener, found);
        }
        for file in [HTTP, WEBSOCKETS] {
            if let Some(tree) = janus.file(file) {
                wrong_blocks(tree, found);
                forwarded(machine, tree, found);
                prefixes(tree, found);
            }
        }
    }
}

fn exposed(machine: &Machine, janus: &Janus, listener: &Listener<'_>, found: &mut Findings) {
    let Listener { port, place, .. } = listener;
    if listener.has_acl || machine.firewall.shuts(true, *port) {
        return;
    }
    let id = match listener.is_admin {
        true => "janus-admin-public",
        false => "janus-api-open",
    };
    match listener.reach {
        Reach::Everywhere => {}
        Reach::Unknown => {
            let text = format!(
                "whether port {port} can be reached from outside: the address or \
                                interface is a name"
            );
            return found.not_known(id, place, text);
        }
        _ => return,
    }
    let fix = Fix::add_to(
        listener.keys.block,
        format!("{} = \"127.0.0.1\"", listener.keys.ip),
    );
    if listener.is_admin {
        let why = format!(
            "the admin API listens on all addresses at port {port}, where only admin_secret \
             protects it, and its info not even that"
        );
        return found.add(id, place, why, fix);
    }
    let Some(core) = janus.core() else {
        let text = "whether clients need a secret or a token: janus.jcfg was not read";
        return found.not_known(id, place, text);
    };
    let has_secret = !core.lacks(&["general", "api_secret"]);
    let token = core.get(&["general", "token_auth"]);
    let has_token = matches!(token, Seen::Unknown) || core.is_true(&["general", "token_auth"]);
    if !has_secret && !has_token {
        let why = format!(
            "the API listens on all addresses at port {port}, and takes sessions from everybody: \
             there is neither api_secret nor token_auth"
        );
        found.add(id, place, why, fix);
    }
}

/// Keys in the block of the other API are ignored.
fn wrong_blocks(tree: &Tree, found: &mut Findings) {
    for (block, other) in [("general", "admin"), ("admin", "general")] {
        let Some(members) = tree.find(&[block]).map(|member| member.node.members()) else {
            continue;
        };
        for member in members {
            let name = member.name.as_str();
            let is_admins = name.starts_with("admin_");
            let is_clients = name == "acl"
                || ["ws_acl", "acl_forwarded", "ws_acl_forwarded", "ip", "ws_ip"].contains(&name);
            let is_wrong = match block {
                "general" => is_admins,
                _ => is_clients,
            };
            if is_wrong {
                let why =
                    format!("Janus looks for {name} in the block {other}, and ignores it here");
                let fix = Fix::Run(format!("move the line into the block {other}"));
                found.add("janus-wrong-block", &member.place, why, fix);
            }
        }
    }
}

/// `acl_forwarded` and its kin came with 1.1.3.
fn forwarded(machine: &Machine, tree: &Tree, found: &mut Findings) {
    const ID: &str = "janus-acl-forwarded";
    for (block, name) in [
        ("general", "acl_forwarded"),
        ("admin", "admin_acl_forwarded"),
        ("general", "ws_acl_forwarded"),
        ("admin", "admin_ws_acl_forwarded"),
    ] {
        let Some(member) = tree.find(&[block, name]).filter(|it| it.node.is_true()) else {
            continue;
        };
        match machine.is_older("janus", &[1, 1, 3]) {
            Some(true) => {
                let why = format!(
                    "{name} has no effect before Janus 1.1.3, and this is {}: every client has \
                     the address of the proxy",
                    machine.packages["janus"]
                );
                found.add(ID, &member.place, why, Fix::Remove);
            }
            Some(false) => {}
            None => {
                let text = format!("whether {name} has an effect: it has from Janus 1.1.3 on");
                found.not_known(ID, &member.place, text);
            }
        }
    }
}

/// Janus compares the beginnings of addresses as texts.
fn prefixes(tree: &Tree, found: &mut Findings) {
    for (block, name) in [
        ("general", "acl"),
        ("admin", "admin_acl"),
        ("general", "ws_acl"),
        ("admin", "admin_ws_acl"),
    ] {
        let member = tree.find(&[block, name]);
        let Some((member, list)) = member.and_then(|it| Some((it, it.node.text()?))) else {
            continue;
        };
        let is_wide = |entry: &&str| {
            let parts: Vec<&str> = entry.split('.').collect();
            let is_open = parts.len() < 4 && parts.last().is_some_and(|part| !part.is_empty());
            is_open
                && parts
                    .iter()
                    .all(|part| part.bytes().all(|b| b.is_ascii_digit()))
        };
        let entries: Vec<&str> = list.split(',').map(str::trim).collect();
        if let Some(wide) = entries.iter().find(|entry| is_wide(entry)) {
            let why = format!(
                "Janus compares texts: {wide} also admits addresses that only begin with these \
                 digits, such as {wide}9.…"
            );
            let fixed = entries.iter().map(|it| match is_wide(it) {
                true => format!("{it}."),
                false => (*it).to_owned(),
            });
            let fixed: Vec<String> = fixed.collect();
            let fix = Fix::write(format!("{name} = \"{}\"", fixed.join(",")));
            found.add("janus-acl-prefix", &member.place, why, fix);
        }
    }
}
