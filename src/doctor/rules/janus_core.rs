//! `janus.jcfg`: secrets, TURN, and files that Janus cannot read.

use super::super::finding::{Findings, Fix, NEW_SECRET};
use super::super::machine::{Janus, Machine};
use super::super::tree::{Member, Tree};
use super::janus::{self, Reach};
use super::strength::weakness;

/// What every published example has.
const DEFAULT_ADMIN: &str = "janusoverlord";

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    for janus in &machine.janus {
        for tree in janus.files.values() {
            syntax(tree, found);
        }
        if let Some(core) = janus.core() {
            secrets(janus, core, found);
            tokens(janus, core, found);
            turn(core, found);
        }
    }
}

fn syntax(tree: &Tree, found: &mut Findings) {
    let is_core = tree.file.ends_with("/janus.jcfg");
    let (id, effect) = match is_core {
        true => (
            "janus-syntax",
            "Janus cannot read this file, and does not start",
        ),
        false => (
            "janus-file-unread",
            "Janus cannot read this file, and goes on without what it sets",
        ),
    };
    if let Some((place, text)) = &tree.error {
        let why = format!("{effect}: {text}");
        let fix = Fix::Run("correct the line, and restart Janus".to_owned());
        found.add(id, place, why, fix);
    }
    if let Some((place, text)) = &tree.doubt {
        found.not_known(id, place, text);
    }
}

fn general<'a>(core: &'a Tree, name: &str) -> Option<(&'a Member, &'a str)> {
    let member = core.find(&["general", name])?;
    Some((member, member.node.text()?))
}

fn secrets(janus: &Janus, core: &Tree, found: &mut Findings) {
    let has_admin = janus::has_admin(janus);
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for name in ["api_secret", "token_auth_secret", "admin_secret"] {
        let Some((member, secret)) = general(core, name) else {
            continue;
        };
        let fix = || Fix::write(format!("{name} = \"{NEW_SECRET}\""));
        if name == "admin_secret" && !has_admin {
            // Without an admin API it has no use.
            continue;
        }
        if secret == DEFAULT_ADMIN {
            let why = "this is the admin_secret of the example, which everybody knows";
            found.add("janus-admin-secret-default", &member.place, why, fix());
        } else if let Some((other, _)) = seen.iter().find(|(_, known)| *known == secret) {
            let why = format!("{name} is the same as {other}: who has the one has the other");
            found.add("janus-secret-reused", &member.place, why, fix());
        } else if let Some(weakness) = weakness(secret) {
            let why = format!("{name} {weakness}");
            found.add("janus-secret-weak", &member.place, why, fix());
        }
        seen.push((name, secret));
    }
}

/// Stored tokens come by the admin API.
fn tokens(janus: &Janus, core: &Tree, found: &mut Findings) {
    let is_stored =
        core.is_true(&["general", "token_auth"]) && core.lacks(&["general", "token_auth_secret"]);
    let are_read = ["janus.transport.http", "janus.transport.websockets"];
    let are_read = are_read
        .iter()
        .all(|file| janus.file(file).is_some_and(|it| it.is_whole));
    if !is_stored || !are_read || janus::has_admin(janus) {
        return;
    }
    let place = core.place_of(&["general", "token_auth"]);
    let why = "tokens are added by the admin API, and that is off: no client can have one";
    let fix = Fix::add_to("general", format!("token_auth_secret = \"{NEW_SECRET}\""));
    found.add("janus-token-nowhere", &place, why, fix);
}

fn turn(core: &Tree, found: &mut Findings) {
    let nat = |name: &str| {
        let member = core.find(&["nat", name])?;
        Some((member, member.node.text()?))
    };
    if let Some((member, url)) = nat("turn_rest_api")
        && let Some(rest) = url.strip_prefix("http://")
        && has_public_host(rest)
    {
        let why = "the key and every TURN password cross the network in clear";
        let fix = Fix::write(format!("turn_rest_api = \"https://{rest}\""));
        found.add("janus-turn-rest-http", &member.place, why, fix);
    }
    for name in ["turn_server", "stun_server"] {
        if let Some((member, host)) = nat(name)
            && let Some(address) = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'))
        {
            let why = format!("Janus looks {host} up as a name, finds none, and does not start");
            let fix = Fix::write(format!("{name} = \"{address}\""));
            found.add("janus-turn-brackets", &member.place, why, fix);
        }
    }
}

/// Whether a URL without its scheme leads to another network.
fn has_public_host(rest: &str) -> bool {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    match janus::reach_of(host) {
        Reach::Local | Reach::Private => false,
        Reach::Everywhere => !host.is_empty(),
        // A name without a dot is one of this network, such as a container.
        Reach::Unknown => {
            host.contains('.') && !host.ends_with(".internal") && !host.ends_with(".local")
        }
    }
}
