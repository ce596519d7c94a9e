//! Jitsi: tokens, secrets of its components, and the addresses in `config.js`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;

use super::super::finding::{Findings, Fix, NEW_SECRET};
use super::super::machine::{Machine, hosts};
use super::super::tree::{Member, Node, Tree, Value, last};
use super::prosody::sections;
use super::strength::weakness;

/// 2100: no token has to hold longer.
const LATEST: f64 = 4_102_444_800.0;

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    for tree in &machine.prosody {
        for host in hosts(tree) {
            tokens(tree, host, found);
        }
        for section in sections(tree) {
            secrets(section, found);
        }
        turn(machine, tree, found);
        strings(&tree.members, found);
    }
    for tree in &machine.jitsi {
        addresses(tree, found);
        strings(&tree.members, found);
    }
}

fn find<'a>(tree: &'a Tree, host: &'a Member, name: &str) -> Option<&'a Member> {
    last(host.node.members(), name).or_else(|| last(&tree.members, name))
}

fn text<'a>(members: &'a [Member], name: &str) -> Option<&'a str> {
    last(members, name)?.node.text()
}

/// A host whose clients have tokens.
fn tokens(tree: &Tree, host: &Member, found: &mut Findings) {
    let members = host.node.members();
    let Some(authentication) = last(members, "authentication") else {
        return;
    };
    if authentication.node.text() != Some("token") {
        return;
    }
    if let Some(empty) = find(tree, host, "allow_empty_token").filter(|it| it.node.is_true()) {
        let is_guest = |host: &Member| {
            let login = text(host.node.members(), "authentication");
            login.is_some_and(|login| login.ends_with("anonymous"))
        };
        if tree.is_whole && !hosts(tree).any(is_guest) {
            let why = "clients without a token are let in as hosts: there is no virtual host for \
                       guests";
            let fix = Fix::write("allow_empty_token = false");
            found.add("jitsi-empty-token", &empty.place, why, fix);
        }
    }
    let app_id = find(tree, host, "app_id").and_then(|member| member.node.text());
    let lacks = |name: &&str| tree.is_whole && find(tree, host, name).is_none();
    let missing: Vec<&str> = ["asap_accepted_issuers", "asap_accepted_audiences"]
        .into_iter()
        .filter(lacks)
        .collect();
    if let (Some(app_id), false) = (app_id, missing.is_empty()) {
        let why = format!(
            "{} is missing: what iss or aud of a token may be is left to the plugin's version",
            missing.join(" and ")
        );
        let lines: Vec<String> = missing
            .iter()
            .map(|name| format!("{name} = {{ \"{app_id}\" }}"))
            .collect();
        let fix = Fix::add(lines.join("\n"));
        found.add("jitsi-token-lists", &authentication.place, why, fix);
    }
}

fn secrets(section: &[Member], found: &mut Findings) {
    for name in [
        "app_secret",
        "component_secret",
        "external_service_secret",
        "turncredentials_secret",
    ] {
        let Some(member) = last(section, name) else {
            continue;
        };
        if let Some(weakness) = member.node.text().and_then(weakness) {
            let why = match name {
                "app_secret" => format!(
                    "app_secret {weakness}: who finds it makes tokens for \
                                         every room"
                ),
                _ => format!("{name} {weakness}"),
            };
            let fix = Fix::write(format!("{name} = \"{NEW_SECRET}\""));
            found.add("jitsi-secret-weak", &member.place, why, fix);
        }
    }
}

/// The secret that Prosody makes TURN credentials with has to be coturn's.
fn turn(machine: &Machine, tree: &Tree, found: &mut Findings) {
    let secret = ["external_service_secret", "turncredentials_secret"];
    let secret = secret.iter().find_map(|name| tree.find(&[name]));
    let Some((secret, value)) = secret.and_then(|it| Some((it, it.node.text()?))) else {
        return;
    };
    let services = ["external_services", "turncredentials"];
    let services = services.iter().filter_map(|name| tree.find(&[name]));
    let hosts: Vec<&str> = services
        .flat_map(|list| list.node.members())
        .filter_map(|service| text(service.node.members(), "host"))
        .collect();
    for coturn in &machine.coturn {
        let names = ["server-name", "realm"]
            .iter()
            .filter_map(|name| coturn.get(name));
        let is_it = names
            .into_iter()
            .any(|name| hosts.contains(&name.value.as_str()));
        let mut secrets = coturn.all("static-auth-secret").peekable();
        let Some(first) = secrets.peek().copied().filter(|_| is_it) else {
            continue;
        };
        if secrets.all(|it| it.value != value) {
            let why = format!(
                "coturn refuses what Prosody gives to clients: its secret is another ({})",
                first.place
            );
            let fix = Fix::Run(format!("write the secret of {} here", first.place));
            found.add("jitsi-turn-secret-differs", &secret.place, why, fix);
        }
    }
}

fn addresses(tree: &Tree, found: &mut Findings) {
    for (name, plain, secure) in [
        ("bosh", "http://", "https://"),
        ("websocket", "ws://", "wss://"),
    ] {
        let Some(member) = tree.find(&["config", name]) else {
            continue;
        };
        if let Some(rest) = member.node.text().and_then(|url| url.strip_prefix(plain)) {
            let why = "browsers refuse an address without TLS on a page with TLS";
            let fix = Fix::write(format!("{name}: '{secure}{rest}',"));
            found.add("jitsi-plain-address", &member.place, why, fix);
        }
    }
}

/// Tokens anywhere in a file.
fn strings(members: &[Member], found: &mut Findings) {
    for member in members {
        token(&member.node, found);
        strings(member.node.members(), found);
    }
}

fn token(node: &Node, found: &mut Findings) {
    let Value::Text(text) = &node.value else {
        return;
    };
    // In a query as well: `?jwt=eyJ…`.
    let Some(at) = text.find("eyJ") else {
        return;
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let token = text[at..].split(|c| !is_part(c)).next().unwrap_or_default();
    let payload = token.split('.').nth(1).unwrap_or_default();
    let Ok(payload) = URL_SAFE_NO_PAD.decode(payload) else {
        return;
    };
    let Ok(claims) = serde_json::from_slice::<Json>(&payload) else {
        return;
    };
    let expiry = claims["exp"].as_f64();
    if claims.is_object() && expiry.is_none_or(|expiry| expiry > LATEST) {
        let why = match expiry {
            Some(_) => "this token holds beyond the year 2100: it is a key for good",
            None => "this token has no exp: it is a key for good",
        };
        let fix = Fix::Run("ianitor token make   # with --ttl, for each user".to_owned());
        found.add("jitsi-token-forever", &node.place, why, fix);
    }
}
