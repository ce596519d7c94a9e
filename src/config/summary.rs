//! The summary of `ianitor check`: routes and policies of a valid file on one screen.

mod files;
mod logins;
mod messages;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::Config;
use crate::acme::CertSpec;
use crate::addr::ListenAddr;
use crate::deploy::{DeploySpec, Reload};
use crate::policy::{Policy, Rule};
use crate::route::cors::Origins;
use crate::route::passthrough::Passthrough;
use crate::route::tenant::VARIABLE;
use crate::route::upstream::UpstreamSpec;
use crate::route::{Forward, Route, RouteTable, Target};
use crate::telemetry::metrics::RouteName;

/// The widest column that the others stay in line with.
const WIDEST: usize = 120;

/// Listeners, hosts, routes and policies in aligned columns, one line each, with a final newline.
pub fn summary(config: &Config) -> String {
    let mut out = String::new();
    section(&mut out, "files", files::files(config));
    section(&mut out, "listeners", listeners(config));
    section(
        &mut out,
        "passed through",
        config.passthrough.iter().map(passthrough).collect(),
    );
    if let Some(acme) = &config.acme {
        section(
            &mut out,
            &format!("ordered from {}", acme.directory),
            acme.certificates.iter().map(ordered).collect(),
        );
    }
    section(
        &mut out,
        "deployed",
        config.deploy.iter().map(|spec| deployed(spec)).collect(),
    );
    section(&mut out, "hosts", hosts(&config.routes));
    section(&mut out, "routes", routes(config));
    section(&mut out, "policies", policies(config));
    section(&mut out, "pages", pages(config));
    out
}

type Row = Vec<String>;

fn listeners(config: &Config) -> Vec<Row> {
    let redirect_port = config.listen.public_port.or(config
        .listen
        .https
        .first()
        .map(|first| first.port()));
    let https = |addr: &ListenAddr| vec!["https".to_owned(), addr.to_string()];
    let http = |addr: &ListenAddr| {
        let to = redirect_port.map_or(String::new(), |port| {
            format!("redirects to https, port {port}")
        });
        vec!["http".to_owned(), addr.to_string(), to]
    };
    let plain = |addr: &ListenAddr| {
        let from = match config.listen.plain_for_everybody {
            true => "plain HTTP, from everybody",
            false => "plain HTTP, from proxies that end TLS",
        };
        vec!["plain".to_owned(), addr.to_string(), from.to_owned()]
    };
    let status = |addr: &ListenAddr| {
        let what = "plain HTTP: /metrics, /healthz, /readyz and a page".to_owned();
        vec!["status".to_owned(), addr.to_string(), what]
    };
    let listen = &config.listen;
    let listeners = listen
        .https
        .iter()
        .map(https)
        .chain(listen.http.iter().map(http))
        .chain(listen.plain.iter().map(plain));
    listeners.chain(listen.status.iter().map(status)).collect()
}

fn passthrough(entry: &Passthrough) -> Row {
    let header = if entry.proxy_protocol {
        "with a PROXY header"
    } else {
        ""
    };
    vec![
        entry.sni.to_string(),
        entry.to.to_string(),
        header.to_owned(),
    ]
}

fn ordered(cert: &Arc<CertSpec>) -> Row {
    let hosts: Vec<String> = cert.hosts.iter().map(ToString::to_string).collect();
    let profile = cert
        .profile
        .as_ref()
        .map_or(String::new(), |profile| format!("profile {profile}"));
    vec![hosts.join(" "), cert.key_type.name().to_owned(), profile]
}

fn deployed(spec: &DeploySpec) -> Row {
    let files: Vec<String> = spec
        .files
        .iter()
        .map(|file| file.path.display().to_string())
        .collect();
    let told = match &spec.reload {
        Some(Reload::Signal { signal, pid_file }) => {
            format!("SIG{signal} to {}", pid_file.display())
        }
        Some(Reload::Command(command)) => command.join(" "),
        None => "not notified".to_owned(),
    };
    let asked = spec
        .verify
        .as_ref()
        .map_or(String::new(), |place| format!("asked at {place}"));
    vec![
        spec.certificate.to_string(),
        spec.to.name().to_owned(),
        files.join(" "),
        told,
        asked,
    ]
}

fn hosts(table: &RouteTable) -> Vec<Row> {
    let named: BTreeSet<_> = table
        .routes()
        .iter()
        .filter_map(|route| route.host.as_ref())
        .collect();
    let rest = table.routes().iter().any(|route| route.host.is_none());
    let every = if named.is_empty() {
        "every host"
    } else {
        "every other host"
    };
    named
        .iter()
        .map(ToString::to_string)
        .chain(rest.then(|| every.to_owned()))
        .map(|host| vec![host])
        .collect()
}

fn routes(config: &Config) -> Vec<Row> {
    let mut head = vec!["HOST", "PATH", "UPSTREAM", "SERVER", "PROTOCOL", "POLICY"];
    let has_messages = messages::are_understood(config);
    head.extend(has_messages.then_some("MESSAGES"));
    let all = config.routes.routes().iter();
    let rows = all.flat_map(|route| route_rows(config, route, has_messages));
    let head = head.into_iter().map(str::to_owned).collect();
    std::iter::once(head).chain(rows).collect()
}

/// A row for each target of a route: WebSockets may have an upstream of their own.
fn route_rows(config: &Config, route: &Route, has_messages: bool) -> Vec<Row> {
    let host = route
        .host
        .as_ref()
        .map_or("*".to_owned(), ToString::to_string);
    let judged = messages::judged(config, route);
    let mut judged = judged.into_iter().filter(|_| has_messages);
    let row = |(path, target): (String, [String; 3])| {
        [host.clone(), path]
            .into_iter()
            .chain(target)
            .chain([route.policy.name().to_owned()])
            .chain(judged.next())
            .collect()
    };
    targets(config, route).into_iter().map(row).collect()
}

/// The path as it is shown, and the columns UPSTREAM, SERVER and PROTOCOL.
fn targets(config: &Config, route: &Route) -> Vec<(String, [String; 3])> {
    let path = route.path.to_string();
    let target = match &route.target {
        Target::Forward(forward) => return forwarded(config, route, forward),
        Target::Files(spec) => {
            let folder = spec.root.display().to_string();
            ["(files)".to_owned(), folder, "-".to_owned()]
        }
        Target::Redirect(spec) => {
            let status = spec.status.as_str().to_owned();
            ["(redirect)".to_owned(), spec.to_string(), status]
        }
        Target::Turn(id) => {
            let spec = &config.turns[id.0];
            let keys = if spec.api_keys_file.is_some() {
                "or an API key"
            } else {
                "-"
            };
            ["(turn)".to_owned(), spec.name.to_string(), keys.to_owned()]
        }
    };
    vec![(path, target)]
}

fn forwarded(config: &Config, route: &Route, to: &Forward) -> Vec<(String, [String; 3])> {
    let at_upstream = to.path_at_upstream(&route.path);
    let path = match (route.path.has_tenant(), to.path.is_none()) {
        (true, _) => format!("{} => {at_upstream}?prefix={VARIABLE}", route.path),
        (false, true) => route.path.to_string(),
        (false, false) => format!("{} => {at_upstream}", route.path),
    };
    let target = |path: String, id| {
        let upstream = config.routes.upstream(id);
        let protocol = upstream.protocol.name().to_owned();
        (
            path,
            [upstream.name.to_string(), servers(upstream), protocol],
        )
    };
    let websockets = to
        .websocket
        .map(|id| target(format!("{path} (WebSockets)"), id));
    std::iter::once(target(path, to.upstream))
        .chain(websockets)
        .collect()
}

/// The pages that may use a route, for routes that check the origin or have `cors`.
fn pages(config: &Config) -> Vec<Row> {
    let rows: Vec<Row> = config
        .routes
        .routes()
        .iter()
        .filter_map(|route| page_row(config, route))
        .collect();
    let head = ["HOST", "PATH", "PAGES OF", "ASKED FOR"]
        .map(str::to_owned)
        .to_vec();
    if rows.is_empty() {
        rows
    } else {
        std::iter::once(head).chain(rows).collect()
    }
}

fn page_row(config: &Config, route: &Route) -> Option<Row> {
    let policy = &route.policy;
    let by_address = policy.takes_addresses();
    let kinds = logins::ambient(policy);
    let asked = match config.routes.is_control(route) {
        true => "a control port".to_owned(),
        false if kinds.is_empty() && route.cors.is_none() => return None,
        false if kinds.is_empty() => "cors".to_owned(),
        false => kinds.join(", "),
    };
    let by_cookie = kinds.iter().any(|kind| *kind != logins::ADDRESS);
    let pages = match route.cors.as_ref().map(|cors| &cors.origins) {
        Some(Origins::Any) if by_cookie && !by_address => "its host".to_owned(),
        Some(Origins::Any) if by_cookie => "its host, by address every host".to_owned(),
        Some(Origins::Any) => "every host".to_owned(),
        Some(Origins::Listed(list)) => list
            .iter()
            .fold("its host".to_owned(), |all, one| format!("{all}, {one}")),
        None => "its host".to_owned(),
    };
    let RouteName { host, path } = route.name();
    Some(vec![host.to_string(), path.to_string(), pages, asked])
}

fn servers(upstream: &UpstreamSpec) -> String {
    let servers = upstream.server_names().enumerate();
    let servers = servers.map(|(at, name)| match upstream.is_backup(at) {
        true => format!("backup {name}"),
        false => name,
    });
    servers.collect::<Vec<_>>().join(" ")
}

fn policies(config: &Config) -> Vec<Row> {
    let mut rows: Vec<Row> = config
        .policies
        .iter()
        .map(|policy| policy_row(policy))
        .collect();
    let open = config
        .routes
        .routes()
        .iter()
        .find(|route| route.policy.name() == Policy::OPEN);
    rows.extend(open.map(|route| policy_row(&route.policy)));
    rows
}

fn policy_row(policy: &Policy) -> Row {
    let who = match policy.rule() {
        Rule::Open => "everybody".to_owned(),
        Rule::Conditions(conditions) => conditions.to_string(),
    };
    vec![
        policy.name().to_owned(),
        logins::with_login(policy, who),
        messages::uris_and_renewal(policy),
    ]
}

fn section(out: &mut String, title: &str, rows: Vec<Row>) {
    if rows.is_empty() {
        return;
    }
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|c| c.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0).min(WIDEST))
        .collect();
    out.push_str(title);
    out.push('\n');
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String does not fail.
            let _ = write!(line, "  {cell:width$}");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}
