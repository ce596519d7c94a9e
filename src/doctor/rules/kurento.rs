//! Kurento: who reaches the control port, and its certificate.

use super::super::files::Files;
use super::super::finding::{Findings, Fix};
use super::super::machine::Machine;
use super::super::read::settings::Settings;
use super::super::tree::Tree;
use super::certificates;
use super::janus::{Reach, reach_of};

const WEBSOCKET: [&str; 3] = ["mediaServer", "net", "websocket"];
const DEFAULT_PORT: u16 = 8888;

pub(super) fn check(machine: &Machine, files: &dyn Files, found: &mut Findings) {
    for tree in &machine.kurento {
        address(machine, tree, found);
        secure(machine, tree, files, found);
    }
    for module in &machine.kurento_modules {
        webrtc(module, files, found);
    }
}

fn port(tree: &Tree, path: &[&str], default: u16) -> u16 {
    let number = tree.find(path).and_then(|member| member.node.number());
    number
        .and_then(|number| u16::try_from(number).ok())
        .unwrap_or(default)
}

fn address(machine: &Machine, tree: &Tree, found: &mut Findings) {
    let [server, net, websocket] = WEBSOCKET;
    let port = port(tree, &[server, net, websocket, "port"], DEFAULT_PORT);
    if tree.error.is_some() || port == 0 || machine.firewall.shuts(true, port) {
        return;
    }
    let path = [server, net, websocket, "address"];
    let address = tree.find(&path);
    let reach = match address {
        Some(member) => member.node.text().map_or(Reach::Unknown, reach_of),
        None if tree.lacks(&path) => Reach::Everywhere,
        None => Reach::Unknown,
    };
    let block = tree.place_of(&WEBSOCKET);
    let place = address.map_or(&block, |member| &member.place);
    match reach {
        Reach::Everywhere => {
            let why = format!(
                "port {port} takes commands from everybody: Kurento asks for no password, reads \
                 and writes files of this machine, and fetches any address"
            );
            let fix = match address {
                Some(_) => Fix::write("\"address\": \"127.0.0.1\","),
                None => Fix::add_to("websocket", "\"address\": \"127.0.0.1\","),
            };
            found.add("kurento-public", place, why, fix);
        }
        Reach::Unknown => {
            let text = format!("the address that port {port} is bound to");
            found.not_known("kurento-public", place, text);
        }
        _ => {}
    }
}

fn secure(machine: &Machine, tree: &Tree, files: &dyn Files, found: &mut Findings) {
    let [server, net, websocket] = WEBSOCKET;
    let secure = [server, net, websocket, "secure"];
    let at = |name| [server, net, websocket, "secure", name];
    let port = port(tree, &at("port"), 0);
    if port == 0 {
        return;
    }
    if !machine.firewall.shuts(true, port) {
        let why = format!(
            "the TLS listener at port {port} is bound to all addresses whatever \"address\" says, \
             and asks for no password"
        );
        found.add(
            "kurento-wss-public",
            &tree.place_of(&secure),
            why,
            Fix::Remove,
        );
    }
    if let Some(member) = tree.find(&at("certificate"))
        && let Some(path) = member.node.text()
    {
        // A relative path is relative to the configuration.
        let folder = tree.file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("{folder}/{path}"),
        };
        certificates::combined(&path, &member.place, files, found);
    }
}

fn webrtc(module: &Settings, files: &dyn Files, found: &mut Findings) {
    if let Some(turn) = module.get("turnURL")
        && let Some((login, _)) = turn.value.rsplit_once('@')
        && login.contains(':')
    {
        let why = "this TURN password holds for ever, and every client that is given the \
                   configuration of ICE sees it";
        let fix = Fix::Run(
            "set turnURL on each WebRtcEndpoint from your application, with a \
                            credential of an ianitor [turn] route"
                .to_owned(),
        );
        found.add("kurento-turn-static", &turn.place, why, fix);
    }
    if let Some(stun) = module.get("stunServerAddress")
        && !stun.value.is_empty()
        && stun.value.parse::<std::net::IpAddr>().is_err()
    {
        let why = "Kurento takes only an address here, and does without STUN otherwise";
        let fix = Fix::Run(format!(
            "getent ahostsv4 {}   # write the address",
            stun.value
        ));
        found.add("kurento-stun-name", &stun.place, why, fix);
    }
    for name in ["pemCertificateRSA", "pemCertificateECDSA", "pemCertificate"] {
        if let Some(setting) = module.get(name) {
            certificates::combined(&setting.value, &setting.place, files, found);
        }
    }
}
