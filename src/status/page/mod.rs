//! The status page: the state of the gateway on one screen, without scripts and external resources.

mod certificates;
mod table;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use self::table::{Cell, code, mark, number, table, text};
use super::board::{Board, Older, Server};
use super::spoken::{bytes, grouped, spoken};
use crate::clock::UnixTime;
use crate::html::Text;
use crate::route::health::{Probed, ServerState};
use crate::route::passthrough::Passthrough;
use crate::route::{Route, RouteTable, Target};
use crate::serve::snapshot::Upstream;
use crate::tls::Date;
use crate::token::issuer::{Issuer, KeySource};

const STYLE: &str = include_str!("../page.css");

/// The page, which reloads itself every ten seconds.
pub(super) fn page(board: &Board) -> String {
    let mut out = String::with_capacity(16 * 1024);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>ianitor</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"10\">\n\
         <style>\n{STYLE}</style></head>\n<body><main>\n"
    );
    head(&mut out, board);
    routes(&mut out, board);
    upstreams(&mut out, board);
    certificates::certificates(&mut out, board);
    certificates::orders(&mut out, board);
    certificates::deploys(&mut out, board);
    issuers(&mut out, board);
    out.push_str(
        "<footer>This page reloads every ten seconds. For programs: \
         <a href=\"/metrics\">/metrics</a>, \
         <a href=\"/healthz\">/healthz</a>, \
         <a href=\"/readyz\">/readyz</a>.</footer>\n</main></body></html>\n",
    );
    out
}

fn head(out: &mut String, board: &Board) {
    let unready = board.unready();
    let state = match (board.is_draining(), unready.is_empty()) {
        (true, _) => mark("warn", "draining"),
        (false, true) => mark("", "serving"),
        (false, false) => mark("bad", "not ready"),
    };
    let (version, uptime) = (env!("CARGO_PKG_VERSION"), spoken(board.uptime().as_secs()));
    let _ = writeln!(
        out,
        "<header><h1>ianitor</h1>{state}\
         <span class=\"soft\">version {version}, up for {uptime}</span></header>"
    );
    if !unready.is_empty() {
        let lines: String = unready
            .iter()
            .map(|reason| format!("<p>{}</p>", Text(reason)))
            .collect();
        let _ = writeln!(out, "<div class=\"notice\">{lines}</div>");
    }
    let Older {
        processes,
        connections,
    } = board.older();
    if processes > 0 {
        let _ = writeln!(
            out,
            "<div class=\"notice\"><p>Replaced by an upgrade and still draining: processes \
             {processes}, connections {connections}</p></div>"
        );
    }
    let counted = board.routes();
    let sum = |of: fn(&_) -> u64| counted.values().map(of).sum::<u64>();
    let workers = match board.workers().len() {
        1 => "on 1 worker".to_owned(),
        n => format!("on {n} workers"),
    };
    let workers = match board.overloaded_workers() {
        0 => workers,
        n => format!("{workers}, {}", mark("bad", format!("{n} overloaded"))),
    };
    let sent = bytes(counted.values().map(|c| c.sum(|c| &c.sent)).sum());
    let (last, result) = last_reload(board);
    out.push_str("<dl>\n");
    for (name, value, more) in [
        ("Connections", grouped(board.connections() as u64), workers),
        (
            "Tunnels",
            grouped(sum(|c| c.tunnels())),
            "WebSockets and TLS passed through".to_owned(),
        ),
        (
            "Requests",
            grouped(sum(|c| c.requests())),
            format!("{sent} to clients"),
        ),
        (
            "Memory",
            bytes(board.resident_memory()),
            memory_limit(board),
        ),
        ("Last reload", last, result),
    ] {
        let _ = writeln!(
            out,
            "<div><dt>{name}</dt><dd>{value}<small>{more}</small></dd></div>"
        );
    }
    out.push_str("</dl>\n");
}

/// What is said of the memory.
fn memory_limit(board: &Board) -> String {
    match board.memory_limit() {
        None => "no limit".to_owned(),
        Some(limit) => format!("of {}", bytes(limit)),
    }
}

/// The time and the result of the last reload.
fn last_reload(board: &Board) -> (String, String) {
    let reloads = board.reloads();
    match reloads.last {
        None => ("none".to_owned(), "since the start".to_owned()),
        Some((at, is_taken)) => {
            let ago = at.elapsed().unwrap_or(Duration::ZERO).as_secs();
            let result = match is_taken {
                true => format!("applied, {}", Date(at)),
                false => format!("{} the log says why", mark("bad", "rejected")),
            };
            (format!("{} ago", spoken(ago)), result)
        }
    }
}

fn routes(out: &mut String, board: &Board) {
    let (snapshot, counted) = (board.snapshot(), board.routes());
    let row = |route: &Route| {
        let name = route.name();
        let counts = counted.get(&name);
        let host = if route.host.is_some() {
            code(&name.host)
        } else {
            text("every host")
        };
        vec![
            host,
            code(&name.path),
            Cell(target(&snapshot.routes, route), false),
            text(route.policy.name()),
            number(counts.map_or(0, |c| c.requests())),
            number(counts.map_or(0, |c| c.sum(|c| &c.requests[5]))),
            number(counts.map_or(0, |c| c.tunnels())),
        ]
    };
    let passed = |entry: &Passthrough| {
        let none = || Cell(String::new(), true);
        let tunnels = counted.get(&entry.name()).map_or(0, |c| c.tunnels());
        let what = text("TLS, passed through");
        vec![
            code(&entry.sni),
            what,
            code(&entry.to),
            text(""),
            none(),
            none(),
            number(tunnels),
        ]
    };
    let routes = snapshot.routes.routes().iter().map(row);
    let rows: Vec<_> = routes
        .chain(snapshot.passthrough.iter().map(passed))
        .collect();
    table(
        out,
        "Routes",
        &[
            "Host", "Path", "Leads to", "Policy", "Requests", "5xx", "Tunnels",
        ],
        &rows,
    );
}

/// The target of a route.
fn target(routes: &RouteTable, route: &Route) -> String {
    let forward = match &route.target {
        Target::Forward(forward) => forward,
        Target::Files(spec) => {
            return format!("files in <code>{}</code>", Text(spec.root.display()));
        }
        Target::Redirect(spec) => {
            return format!("{} to <code>{}</code>", spec.status.as_u16(), Text(spec));
        }
        Target::Turn(_) => return "TURN credentials".to_owned(),
    };
    let mut name = Text(&routes.upstream(forward.upstream).name).to_string();
    if let Some(id) = forward.websocket {
        name += &format!(", WebSockets {}", Text(&routes.upstream(id).name));
    }
    match forward.path.is_none() && !route.path.has_tenant() {
        true => name,
        false => format!(
            "{name} as <code>{}</code>",
            Text(forward.path_at_upstream(&route.path))
        ),
    }
}

fn upstreams(out: &mut String, board: &Board) {
    let (snapshot, counted) = (board.snapshot(), board.upstreams());
    let row = |upstream: &Upstream, at: usize, name: String| {
        let (spec, probed) = (&upstream.spec, upstream.states.get(at));
        let server = board.server(&spec.name, &name);
        let failures = counted.get(&spec.name).map_or(0, |c| {
            c.sum(|c| &c.unreachable) + c.sum(|c| &c.broken) + c.sum(|c| &c.late)
        });
        vec![
            text(&spec.name),
            server_cell(&name, spec.is_backup(at)),
            Cell(state(server, probed.map(|probed| &**probed)), false),
            text(spec.protocol.name()),
            number(server.busy as u64),
            if at == 0 {
                number(failures)
            } else {
                Cell(String::new(), true)
            },
        ]
    };
    let mut rows = Vec::new();
    for upstream in &snapshot.upstreams {
        let names = upstream.spec.server_names().enumerate();
        rows.extend(names.map(|(at, name)| row(upstream, at, name)));
    }
    table(
        out,
        "Upstreams",
        &[
            "Upstream",
            "Server",
            "State",
            "Protocol",
            "Under way",
            "Failures",
        ],
        &rows,
    );
}

fn server_cell(name: &str, is_backup: bool) -> Cell {
    let Cell(mut name, is_number) = code(name);
    if is_backup {
        name += " <span class=\"soft\">backup</span>";
    }
    Cell(name, is_number)
}

/// The state of a server, by its probes if there are any, or else by the last connection.
fn state(server: Server, probed: Option<&ServerState>) -> String {
    let probe = probed.and_then(|state| Some((state.probed(), state.last()?)));
    if let Some((state, last)) = probe.filter(|(state, _)| *state != Probed::Unknown) {
        let ago = spoken(last.at.elapsed().as_secs());
        let kind = match state {
            Probed::Down => "bad",
            Probed::Full => "warn",
            Probed::Up | Probed::Unknown => "",
        };
        let failing = match server.is_failing && state != Probed::Down {
            true => format!("{} ", mark("warn", "connection failed")),
            false => String::new(),
        };
        return format!(
            "{} {failing}<span class=\"soft\">{}, probed {ago} ago</span>",
            mark(kind, state.name()),
            Text(&last.words)
        );
    }
    match server {
        Server { quiet: None, .. } => "<span class=\"soft\">not used yet</span>".to_owned(),
        Server {
            is_failing: false, ..
        } => mark("", "up"),
        Server {
            is_failing: true,
            quiet: Some(quiet),
            ..
        } => {
            let ago = spoken(quiet.as_secs());
            format!(
                "{} <span class=\"soft\">connection failed {ago} ago</span>",
                mark("bad", "down")
            )
        }
    }
}

fn issuers(out: &mut String, board: &Board) {
    let snapshot = board.snapshot();
    if snapshot.issuers.is_empty() {
        return;
    }
    let now = UnixTime::now();
    let row = |issuer: &Arc<Issuer>| {
        let from = match &issuer.spec.keys {
            KeySource::File(path) => code(path.display()),
            KeySource::Secret { .. } => text("a secret"),
            KeySource::Jwks(place) | KeySource::Asap(place) => code(&place.url),
        };
        let fetched = issuer.keys.fetched();
        let failures = fetched.map_or(Cell(String::new(), true), |fetched| {
            number(fetched.failures())
        });
        let last = Cell(
            fetched.map_or_else(String::new, |fetched| {
                last_fetch(fetched.last_success(), now)
            }),
            false,
        );
        vec![
            text(&issuer.spec.name),
            from,
            number(issuer.key_set().len() as u64),
            last,
            failures,
        ]
    };
    let rows: Vec<_> = snapshot.issuers.iter().map(row).collect();
    table(
        out,
        "Issuers",
        &["Issuer", "Keys from", "Keys", "Fetched", "Failures"],
        &rows,
    );
}

fn last_fetch(at: Option<UnixTime>, now: UnixTime) -> String {
    match at {
        Some(at) => format!("{} ago", spoken(at.until(now).as_secs())),
        None => mark("warn", "never"),
    }
}

#[cfg(test)]
mod tests;
