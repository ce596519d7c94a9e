//! What listens, by configurations and by `/proc/net`.

use crate::addr::ListenAddr;

use super::super::finding::{Findings, Fix};
use super::super::firewall::Passes;
use super::super::machine::Machine;
use super::super::place::Place;
use super::nginx;

/// Ports that nothing but a gateway on this machine has to reach, and what listens there.
const INNER: [(u16, &str); 7] = [
    (7088, "the admin API of Janus"),
    (7188, "the admin API of Janus"),
    (8088, "the API of Janus"),
    (8188, "the API of Janus"),
    (8888, "Kurento, which asks for no password,"),
    (5280, "Prosody's HTTP server"),
    (9090, "a Jitsi videobridge"),
];

/// A TCP listener that a configuration asks for.
pub(super) struct Listening {
    pub(super) program: &'static str,
    pub(super) port: u16,
    pub(super) place: Place,
    /// As it is written; empty for all addresses.
    address: String,
}

impl Listening {
    fn is_everywhere(&self) -> bool {
        ["", "*", "0.0.0.0", "::", "[::]"].contains(&self.address.as_str())
    }

    fn collides(&self, other: &Self) -> bool {
        let is_same = self.address == other.address;
        self.port == other.port && (is_same || self.is_everywhere() || other.is_everywhere())
    }
}

/// Listeners of the programs that take the usual ports.
pub(super) fn listeners(machine: &Machine) -> Vec<Listening> {
    let mut found = of_haproxy(machine);
    found.extend(of_gateways(machine));
    found.extend(
        nginx::listens(machine)
            .into_iter()
            .map(|(place, address, port)| Listening {
                program: "NGINX",
                port,
                place,
                address,
            }),
    );
    found
}

fn of_haproxy(machine: &Machine) -> Vec<Listening> {
    let sections = machine.haproxy.iter().flat_map(|file| &file.sections);
    let lines = sections.flat_map(|section| &section.lines);
    let mut found = Vec::new();
    for line in lines.filter(|line| line.word(0) == "bind") {
        for text in line.word(1).split(',') {
            let Some((address, port)) = text.rsplit_once(':') else {
                continue;
            };
            if let Ok(port) = port.parse() {
                found.push(Listening {
                    program: "HAProxy",
                    port,
                    place: line.place.clone(),
                    address: address.trim_start_matches("ipv4@").to_owned(),
                });
            }
        }
    }
    found
}

fn of_gateways(machine: &Machine) -> Vec<Listening> {
    let mut found = Vec::new();
    for gateway in &machine.gateways {
        let Ok(config) = &gateway.config else {
            continue;
        };
        let listen = &config.listen;
        let addresses = listen.https.iter().chain(&listen.http).chain(&listen.plain);
        found.extend(addresses.map(|address: &ListenAddr| Listening {
            program: "ianitor",
            port: address.port(),
            place: gateway.place.clone(),
            address: address.0.ip().to_string(),
        }));
    }
    found
}

fn of_coturn(machine: &Machine) -> Vec<Listening> {
    let mut found = Vec::new();
    for file in &machine.coturn {
        let off = [
            ("listening-port", "no-tcp"),
            ("alt-listening-port", "no-tcp"),
            ("tls-listening-port", "no-tls"),
            ("alt-tls-listening-port", "no-tls"),
        ];
        for (name, off) in off {
            let Some(setting) = file.get(name).filter(|_| !file.is_on(off)) else {
                continue;
            };
            let Ok(port) = setting.value.parse() else {
                continue;
            };
            let addresses: Vec<String> = file
                .all("listening-ip")
                .map(|ip| ip.value.clone())
                .collect();
            let addresses = if addresses.is_empty() {
                vec![String::new()]
            } else {
                addresses
            };
            found.extend(addresses.into_iter().map(|address| Listening {
                program: "coturn",
                port,
                place: setting.place.clone(),
                address,
            }));
        }
    }
    found
}

/// A table of its own, so that the line works beside any other rules.
pub(super) fn shut(port: u16) -> String {
    format!(
        "nft 'add table inet inner; add chain inet inner input {{ type filter hook input priority \
         -10; }}; add rule inet inner input iifname != \"lo\" tcp dport {port} drop'"
    )
}

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    taken_twice(machine, found);
    reachable(machine, found);
}

fn taken_twice(machine: &Machine, found: &mut Findings) {
    let others = listeners(machine);
    for coturn in of_coturn(machine) {
        if let Some(other) = others.iter().find(|other| coturn.collides(other)) {
            let why = format!(
                "{} wants port {} too ({}): the one that starts later fails",
                other.program, coturn.port, other.place
            );
            let fix = Fix::Run(
                "write tls-listening-port=5349, and lead the TURN host there by \
                                [[passthrough]] of ianitor"
                    .to_owned(),
            );
            found.add("port-taken-twice", &coturn.place, why, fix);
        }
    }
}

fn reachable(machine: &Machine, found: &mut Findings) {
    const ID: &str = "port-reachable";
    for socket in machine
        .sockets
        .iter()
        .filter(|it| it.is_tcp && it.address.is_unspecified())
    {
        let port = socket.port;
        let Some((_, what)) = INNER.iter().find(|(inner, _)| *inner == port) else {
            continue;
        };
        match machine.firewall.passes(socket) {
            Passes::Yes => {
                let why = format!(
                    "port {port} can be reached from everywhere, and {what} listens \
                                   there: the firewall lets it in"
                );
                found.add(ID, &socket.place, why, Fix::Run(shut(port)));
            }
            Passes::No => {}
            Passes::Unknown => {
                let text = format!(
                    "whether port {port} can be reached from outside: what listens there takes \
                     connections on all addresses, and the rules of the firewall {}",
                    match machine.firewall.v4 {
                        Some(_) => "do not say it for every family and interface",
                        None => "were not given (--firewall)",
                    }
                );
                found.not_known(ID, &socket.place, text);
            }
        }
    }
}
