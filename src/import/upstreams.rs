//! `upstream` blocks and the addresses of `proxy_pass`.

use super::model::Upstream;
use super::report::{Outcome, Report};
use crate::nginx::Directive;
use crate::route::upstream::ServerAddr;

/// An `upstream` block.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: String,
    servers: Vec<String>,
    backup: Vec<String>,
    balance: Option<&'static str>,
    max_connections: Option<u32>,
}

pub(super) fn groups(http: &[Directive], report: &mut Report) -> Vec<Group> {
    let blocks = http.iter().filter(|d| d.name == "upstream");
    blocks.map(|block| group(block, report)).collect()
}

fn group(block: &Directive, report: &mut Report) -> Group {
    let mut group = Group {
        name: block.arg(0).to_owned(),
        servers: Vec::new(),
        backup: Vec::new(),
        balance: None,
        max_connections: None,
    };
    report.note(
        block,
        Outcome::Moved,
        "[upstreams], where a route leads to it",
    );
    for directive in block.inner() {
        match directive.name.as_str() {
            "server" => server(directive, &mut group, report),
            "ip_hash" => {
                group.balance = Some("client");
                report.note(directive, Outcome::Moved, "balance = \"client\"");
            }
            "least_conn" => {
                group.balance = Some("least");
                report.note(directive, Outcome::Moved, "balance = \"least\"");
            }
            "hash" => {
                let by_client = matches!(directive.arg(0), "$remote_addr" | "$binary_remote_addr");
                group.balance = Some("client");
                let (outcome, text) = match by_client {
                    true => (Outcome::Moved, "balance = \"client\""),
                    false => (
                        Outcome::NeedsYou,
                        "balance = \"client\": a client keeps its server; other keys have no \
                         counterpart",
                    ),
                };
                report.note(directive, outcome, text);
            }
            "random" => {
                group.balance = Some("least");
                report.note(directive, Outcome::MovedBetter, "balance = \"least\"");
            }
            "include" => report.note(directive, Outcome::Moved, "read"),
            _ => {}
        }
    }
    group
}

fn server(directive: &Directive, group: &mut Group, report: &mut Report) {
    let address = directive.arg(0).to_owned();
    let mut is_backup = false;
    let mut texts: Vec<String> = Vec::new();
    let mut outcome = Outcome::Moved;
    for option in directive.texts().into_iter().skip(1) {
        match option.split_once('=').unwrap_or((option, "")) {
            ("backup", _) => {
                is_backup = true;
                texts.push("in backup".to_owned());
            }
            ("down", _) => {
                report.note(directive, Outcome::Moved, "left out: it is down");
                return;
            }
            ("max_conns", number) => {
                group.max_connections = number.parse().ok().filter(|number| *number > 0);
                texts.push("max_connections of the upstream".to_owned());
            }
            ("max_fails" | "fail_timeout" | "slow_start" | "resolve", _) => {
                texts.push(format!(
                    "{option} is not needed: a server that fails is left alone"
                ));
            }
            _ => {
                outcome = Outcome::NeedsYou;
                texts.push(format!(
                    "{option} has no counterpart: all servers get the same share"
                ));
            }
        }
    }
    let list = if is_backup {
        &mut group.backup
    } else {
        &mut group.servers
    };
    if !list.contains(&address) {
        list.push(address);
    }
    let text = match texts.is_empty() {
        true => "in servers".to_owned(),
        false => texts.join("; "),
    };
    report.note(directive, outcome, text);
}

/// A server as `gateway.toml` has it; `None` if it cannot be written.
fn written(scheme: &str, address: &str) -> Option<String> {
    let address = match address {
        "localhost" => "127.0.0.1".to_owned(),
        other => match other.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => other.to_owned(),
        },
    };
    let text = match address.starts_with("unix:") {
        true => address.trim_end_matches(':').to_owned(),
        false => format!("{scheme}://{address}"),
    };
    text.parse::<ServerAddr>().ok().map(|_| text)
}

/// The upstream behind the authority of a `proxy_pass`; without its name.
pub(super) fn behind(scheme: &str, authority: &str, groups: &[Group]) -> Option<Upstream> {
    let group = groups.iter().find(|group| group.name == authority);
    let all = |list: &[String]| -> Option<Vec<String>> {
        let written = list.iter().map(|address| written(scheme, address));
        written.collect()
    };
    let Some(group) = group else {
        return Some(Upstream {
            servers: vec![written(scheme, authority)?],
            ..Upstream::default()
        });
    };
    let (mut servers, mut backup) = (all(&group.servers)?, all(&group.backup)?);
    if servers.is_empty() {
        servers = std::mem::take(&mut backup);
    }
    backup.retain(|server| !servers.contains(server));
    (!servers.is_empty()).then(|| Upstream {
        servers,
        backup,
        balance: group.balance,
        max_connections: group.max_connections,
        ..Upstream::default()
    })
}

/// What servers on a port usually speak, at a path.
pub(super) fn protocol(servers: &[String], path: &str) -> Option<&'static str> {
    let ports = servers.iter().map(|server| port(server));
    let mut found = ports.map(|port| by_port(port?, path));
    let first = found.next()??;
    found.all(|other| other == Some(first)).then_some(first)
}

fn port(server: &str) -> Option<u16> {
    let (_, port) = server.rsplit_once(':')?;
    port.trim_end_matches('/').parse().ok()
}

fn by_port(port: u16, path: &str) -> Option<&'static str> {
    match port {
        8088 | 8089 | 8188 | 8989 => Some("janus"),
        7088 | 7089 | 7188 | 7889 | 7989 => Some("janus-admin"),
        // Jitsi's conference focus has the port of Kurento.
        8888 if path.contains("conference-request") => Some("http"),
        8888 | 8433 => Some("kurento"),
        5280 | 5281 if path.ends_with("/http-bind") || path.ends_with("/xmpp-websocket") => {
            Some("jitsi")
        }
        _ => None,
    }
}
