//! The lines to change in the files of the servers.

use std::fmt::Write as _;

use super::lines::{Lines, State, of_settings, of_tree};
use super::secrets::Secrets;
use super::setup::{Service, Setup};
use crate::doctor::machine::Machine;
use crate::doctor::read::settings::Settings;
use crate::doctor::tree::Tree;

/// The lines for a set-up, with what the files of the machine say now.
pub fn changes(setup: &Setup, secrets: &Secrets, machine: &Machine) -> Vec<Lines> {
    let mut all = Vec::new();
    if setup.has(Service::Janus) {
        all.extend(janus(secrets, machine));
    }
    if setup.has(Service::Kurento) {
        all.push(kurento(machine.kurento.first()));
    }
    if setup.has(Service::Jitsi) {
        all.extend(prosody(setup, secrets, machine.prosody.first()));
    }
    if setup.has(Service::Coturn) {
        all.push(coturn(setup, secrets, machine.coturn.first()));
    }
    all
}

/// A value as a file of Janus writes it.
enum Jcfg<'v> {
    Text(&'v str),
    Word(&'static str),
}

fn janus(secrets: &Secrets, machine: &Machine) -> Vec<Lines> {
    let found = machine.janus.first();
    let tree = |name: &str| found.and_then(|janus| janus.file(name));
    let block = |file, name: &str, block: &str, values: &[(&str, Jcfg<'_>)], why| Lines {
        file,
        block: block.to_owned(),
        lines: values
            .iter()
            .map(|(key, value)| {
                let (written, plain) = match value {
                    Jcfg::Text(text) => (format!("\"{text}\""), *text),
                    Jcfg::Word(word) => ((*word).to_owned(), *word),
                };
                let state = of_tree(tree(name), &[block, key], plain);
                (format!("{key} = {written}"), state)
            })
            .collect(),
        why,
    };
    let local = || Jcfg::Text("127.0.0.1");
    vec![
        block(
            "/etc/janus/janus.jcfg",
            "janus",
            "general",
            &[
                ("api_secret", Jcfg::Text(secrets.get("janus-api"))),
                ("admin_secret", Jcfg::Text(secrets.get("janus-admin"))),
                ("reclaim_session_timeout", Jcfg::Word("10")),
            ],
            "The gateway puts both secrets into messages, so that no client needs them, and \
             sessions survive a change of network for ten seconds.",
        ),
        block(
            "/etc/janus/janus.transport.http.jcfg",
            "janus.transport.http",
            "general",
            &[("http", Jcfg::Word("true")), ("ip", local())],
            "Clients come by the gateway alone.",
        ),
        block(
            "/etc/janus/janus.transport.http.jcfg",
            "janus.transport.http",
            "admin",
            &[("admin_http", Jcfg::Word("true")), ("admin_ip", local())],
            "The admin API controls the server.",
        ),
        block(
            "/etc/janus/janus.transport.websockets.jcfg",
            "janus.transport.websockets",
            "general",
            &[("ws", Jcfg::Word("true")), ("ws_ip", local())],
            "Clients come by the gateway alone.",
        ),
    ]
}

fn kurento(tree: Option<&Tree>) -> Lines {
    const PATH: [&str; 4] = ["mediaServer", "net", "websocket", "address"];
    Lines {
        file: "/etc/kurento/kurento.conf.json",
        block: "mediaServer.net.websocket".to_owned(),
        lines: vec![(
            "\"address\": \"127.0.0.1\"".to_owned(),
            of_tree(tree, &PATH, "127.0.0.1"),
        )],
        why: "Kurento asks for no password. Leave \"secure\" out: its listener ignores the \
              address.",
    }
}

fn prosody(setup: &Setup, secrets: &Secrets, tree: Option<&Tree>) -> Vec<Lines> {
    const FILE: &str = "/etc/prosody/prosody.cfg.lua";
    let local = ["127.0.0.1", "::1"];
    let list = |name: &str| {
        let found = tree.and_then(|tree| tree.find(&[name]));
        let state = match (tree, found.and_then(|member| member.node.texts())) {
            (None, _) => State::NotKnown,
            (Some(_), Some(texts)) if texts.iter().all(|text| local.contains(text)) => {
                State::InForce
            }
            (Some(_), _) => State::ToChange,
        };
        (format!("{name} = {{ \"127.0.0.1\", \"::1\" }}"), state)
    };
    let on = |name: &str| {
        let state = of_tree(tree, &[name], "true");
        (format!("{name} = true"), state)
    };
    let of_host = |line: String| (line, State::NotKnown);
    vec![
        Lines {
            file: FILE,
            block: String::new(),
            lines: vec![
                list("http_interfaces"),
                list("trusted_proxies"),
                on("consider_bosh_secure"),
                on("consider_websocket_secure"),
            ],
            why: "TLS ends at the gateway, which is believed about the addresses of clients.",
        },
        Lines {
            file: FILE,
            block: format!("VirtualHost \"{}\"", setup.host.as_str()),
            lines: vec![
                of_host("authentication = \"token\"".to_owned()),
                of_host("app_id = \"jitsi-app\"".to_owned()),
                of_host(format!("app_secret = \"{}\"", secrets.get("jitsi-app"))),
                of_host("allow_empty_token = false".to_owned()),
                of_host("asap_accepted_issuers = { \"jitsi-app\" }".to_owned()),
                of_host("asap_accepted_audiences = { \"jitsi\" }".to_owned()),
            ],
            why: "Prosody checks the same tokens.",
        },
    ]
}

/// Networks that a relay must not lead to.
const INNER: [&str; 7] = [
    "0.0.0.0-0.255.255.255",
    "10.0.0.0-10.255.255.255",
    "100.64.0.0-100.127.255.255",
    "127.0.0.0-127.255.255.255",
    "169.254.0.0-169.254.255.255",
    "172.16.0.0-172.31.255.255",
    "192.168.0.0-192.168.255.255",
];

fn coturn(setup: &Setup, secrets: &Secrets, settings: Option<&Settings>) -> Lines {
    let mut lines: Vec<(String, State)> = Vec::new();
    let mut add = |name: &str, value: &str| {
        let line = match value {
            "" => name.to_owned(),
            value => format!("{name}={value}"),
        };
        lines.push((line, of_settings(settings, name, value)));
    };
    add("use-auth-secret", "");
    add("static-auth-secret", secrets.get("turn"));
    add("realm", setup.turn.as_str());
    add("no-cli", "");
    add("no-multicast-peers", "");
    for network in INNER {
        add("denied-peer-ip", network);
    }
    Lines {
        file: "/etc/turnserver.conf",
        block: String::new(),
        lines,
        why: "The gateway gives out credentials with the same secret, and clients cannot reach \
              inner networks by the relay.",
    }
}

/// The lines as Markdown, for a file that only its owner reads: it has secrets.
pub fn markdown(setup: &Setup, all: &[Lines]) -> String {
    let mut out = String::from(
        "# Lines to change in the files of the servers\n\nThis file has secrets. Restart each \
         server after its files have changed. `ianitor doctor` finds what else is wrong in them.\n",
    );
    for lines in all {
        let _ = writeln!(out, "\n## {}\n\n{}", lines.file, lines.why);
        if lines.are_in_force() {
            let _ = writeln!(out, "\nThe file says so already.");
            continue;
        }
        let is_so = |(_, state): &&(String, State)| *state == State::InForce;
        let so: Vec<String> = lines
            .lines
            .iter()
            .filter(is_so)
            .map(|(line, _)| format!("`{line}`"))
            .collect();
        if !so.is_empty() {
            let _ = writeln!(out, "\nThe file has already: {}.", so.join(", "));
        }
        let (before, after, indent) = brackets(lines);
        let _ = write!(out, "\n```\n{before}");
        for (line, _) in lines.lines.iter().filter(|line| !is_so(line)) {
            let _ = writeln!(out, "{indent}{line}");
        }
        let _ = writeln!(out, "{after}```");
    }
    if setup.has(Service::Coturn) {
        out.push_str(
            "\nOn a machine with a private address, coturn also needs \
             `external-ip=PUBLIC/PRIVATE`. Its \
             ports 3478 and 49152 to 65535 (UDP) stay open to the internet.\n",
        );
    }
    out
}

/// What stands around lines: the name of the block they are in.
fn brackets(lines: &Lines) -> (String, &'static str, &'static str) {
    let block = &lines.block;
    match block.as_str() {
        "" => (String::new(), "", ""),
        _ if lines.file.ends_with(".jcfg") => (format!("{block}: {{\n"), "}\n", "\t"),
        _ if lines.file.ends_with(".json") => (format!("in {block}:\n"), "", "\t"),
        _ => (format!("{block}\n"), "", "    "),
    }
}
