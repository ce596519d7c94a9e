//! `server` blocks: their names, and their locations as routes.

use super::access::{Access, Why};
use super::certificates;
use super::condition::{self, Condition};
use super::context::Context;
use super::guards;
use super::led::Led;
use super::model::{Extras, Gateway, Matching, Route, Target};
use super::redirect::redirect;
use super::report::{Outcome, Report};
use super::routes;
use super::scope::{Level, Scope};
use super::server_block::Server;
use crate::host::HostPattern;
use crate::nginx::Directive;

/// Translates the chosen servers.
pub(super) fn read<'t>(
    servers: &'t [Server<'t>],
    chosen: &[usize],
    scope: &Scope<'t>,
    gateway: &mut Gateway,
    ctx: &mut Context<'t>,
) {
    for (at, server) in servers.iter().enumerate() {
        if chosen.contains(&at) || !server.tls.is_empty() {
            continue;
        }
        let (outcome, text) = match server.only_redirects() {
            true => (
                Outcome::NotNeeded,
                "listen.http redirects every request to https",
            ),
            false => (
                Outcome::NeedsYou,
                "not moved: plain HTTP serves nothing; every request is redirected to https",
            ),
        };
        ctx.report.note_all(server.directive, outcome, text);
        certificates::note_challenges(server.directive, ctx.report);
    }
    let mut taken: Vec<String> = Vec::new();
    for at in chosen {
        let server = &servers[*at];
        let hosts = hosts(server, chosen.len() > 1, &mut taken, ctx.report);
        let Some(hosts) = hosts else {
            let text = "not moved: no host is left for it, or other servers' hosts would lead here";
            ctx.report
                .note_all(server.directive, Outcome::NeedsYou, text);
            continue;
        };
        ctx.report
            .note(server.directive, Outcome::Moved, "routes with its hosts");
        one(server, &hosts, scope, gateway, ctx);
    }
    let text = "requests for other hosts, which NGINX gave to its default server, get 404 (421 in \
                HTTP/2), and TLS for a name without a certificate ends in the handshake";
    ctx.report.differs("other-hosts", text);
    let text = "a path arrives in one spelling: /%61 is /a for the server, and in redirects";
    ctx.report.differs("one-spelling", text);
    let text = "servers get the Host as the client wrote it, where $host was lower case";
    ctx.report.differs("host-spelling", text);
    let text = "what has no route is 404 for every method";
    ctx.report.differs("no-route", text);
    let text = "servers always get X-Forwarded-For, -Host, -Proto, X-Real-IP and X-Request-Id, and \
                never those of the client";
    ctx.report.differs("forwarded-headers", text);
    let text = "paths with two readings get 400 and reach no server: doubled slashes, dot \
                segments, encoded slashes, backslashes and control characters";
    ctx.report.differs("ambiguous-paths", text);
}

/// The hosts of a server; `None` if it cannot be moved, empty if it is for every host.
fn hosts(
    server: &Server<'_>,
    are_several: bool,
    taken: &mut Vec<String>,
    report: &mut Report,
) -> Option<Vec<String>> {
    let mut hosts: Vec<String> = Vec::new();
    let mut every = server.names().is_empty();
    for directive in server
        .directive
        .inner()
        .iter()
        .filter(|d| d.name == "server_name")
    {
        let mut left: Vec<String> = Vec::new();
        for name in directive.texts() {
            match name {
                "_" | "" | "\"\"" => every = true,
                name if !is_host(name) => left.push(name.to_owned()),
                name if taken.contains(&name.to_ascii_lowercase()) => {
                    left.push(format!("{name} (another server has it already)"));
                }
                name => hosts.push(name.to_ascii_lowercase()),
            }
        }
        let (outcome, text) = match left.is_empty() {
            true => (Outcome::Moved, "host of each route".to_owned()),
            false => (Outcome::NeedsYou, format!("not moved: {}", left.join(", "))),
        };
        report.note(directive, outcome, text);
    }
    hosts.sort();
    hosts.dedup();
    // Routes with a longer path win whatever their host is, so a wildcard beside other servers
    // could take over what is closed there.
    if are_several {
        hosts.retain(|host| !host.starts_with("*."));
    }
    taken.extend(hosts.iter().cloned());
    match hosts.is_empty() {
        false => Some(hosts),
        true => (every && !are_several).then(Vec::new),
    }
}

fn is_host(name: &str) -> bool {
    name.parse::<HostPattern>().is_ok()
}

/// Translates one server.
fn one<'t>(
    server: &'t Server<'t>,
    hosts: &[String],
    scope: &Scope<'t>,
    gateway: &mut Gateway,
    ctx: &mut Context<'t>,
) {
    let block = server.directive.inner();
    let scope = scope.enter(block, Level::Server, ctx.report);
    certificates::read(block, hosts, gateway, ctx);
    let mut hosts = hosts.to_vec();
    for directive in block.iter().filter(|d| d.name == "if") {
        if let Condition::HostRedirect { host, to, status } = condition::of(directive) {
            let led = redirect(directive, &to, status, "/", ctx);
            ctx.report
                .note_all(directive, Outcome::Moved, "a route of that host");
            if let Some(at) = hosts.iter().position(|other| *other == host) {
                hosts.remove(at);
                gateway.routes.push(whole(vec![host], led, directive));
            }
        }
    }
    if hosts.is_empty() && !server.names().is_empty() {
        return;
    }
    let mut found = match block.iter().find(|d| d.name == "return") {
        Some(answer) => vec![answered(answer, &hosts, &scope, ctx)],
        None => {
            let mut drafts = routes::read(block, &hosts, &scope, ctx);
            guards::close(&mut drafts, ctx.report);
            // What has no route is 404, as it was.
            let is_404 =
                |route: &Route| route.path == "/" && route.access == Access::Closed(Why::Returned);
            drafts.routes.retain(|route| !is_404(route));
            drafts.routes
        }
    };
    gateway.routes.append(&mut found);
}

/// A `return` of a whole server.
fn answered(
    answer: &Directive,
    hosts: &[String],
    scope: &Scope<'_>,
    ctx: &mut Context<'_>,
) -> Route {
    let led = match condition::redirect(answer) {
        Some((status, to)) => redirect(answer, &to, status, "/", ctx),
        None => {
            ctx.report
                .note(answer, Outcome::Moved, "no request is admitted");
            (Target::Nothing, Access::Closed(Why::AsBefore))
        }
    };
    let (target, access) = led;
    whole(
        hosts.to_vec(),
        (target, access.stricter(scope.access())),
        answer,
    )
}

fn whole(hosts: Vec<String>, led: Led, from: &Directive) -> Route {
    Route {
        hosts,
        path: "/".to_owned(),
        matching: Matching::Prefix,
        access: led.1,
        limited: false,
        target: led.0,
        extras: Extras::default(),
        place: from.place.clone(),
        from: from.shown(),
    }
}
