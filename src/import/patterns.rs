//! Locations that are regular expressions: the few shapes that routes have, and what has to be
//! closed because of the others.

use super::access::Access;
use super::context::Context;
use super::drafts::{Drafts, add, route};
use super::guard::Guard;
use super::location::{self, Kind, Location};
use super::model::{Matching, Route, Target, Upstream};
use super::pass;
use super::proxied::to_upstream;
use super::regexp;
use super::report::Outcome;

impl Kind {
    /// Whether it keeps regular expressions from a path.
    fn hides(&self, path: &str) -> bool {
        matches!(self, Self::Path { matching: Matching::Priority, text }
            if format!("{path}/").starts_with(text.as_str()))
    }
}

/// Reads a location that is a regular expression.
pub(super) fn read(
    location: &Location<'_>,
    pattern: &str,
    any_case: bool,
    all: &[Location<'_>],
    hosts: &[String],
    drafts: &mut Drafts,
    ctx: &mut Context<'_>,
) {
    let block = location.directive.inner();
    let pass = block.iter().find(|d| d.name == "proxy_pass");
    let is_plain = !any_case
        && !block
            .iter()
            .any(|d| matches!(d.name.as_str(), "rewrite" | "return"));
    let shape = pass.filter(|_| is_plain).and_then(|pass| {
        let url = pass.arg(0);
        let (front, uri) = url.find("$1").and_then(|at| {
            let start = url[..at].find("://")? + 3;
            let slash = start + url[start..at].find('/')?;
            Some((&url[..slash], &url[slash..]))
        })?;
        let path = regexp::whole_path(pattern, uri)?;
        let parsed = pass::parse(&location.scope.expand(front)?)?;
        Some((pass, location::path(&path)?, parsed))
    });
    if let Some((directive, path, parsed)) = shape {
        let led = to_upstream(directive, &parsed, &path, None, false, location, ctx);
        let text = format!("path = \"{path}\": the server gets everything below it as it is");
        ctx.report
            .note(location.directive, Outcome::Moved, text.clone());
        ctx.report.differs(format!("below {path}"), text);
        let route = route(location, Matching::Regexp, path, led, hosts, ctx);
        let hidden = all.iter().any(|other| other.kind.hides(&route.path));
        if hidden {
            let text = "not moved: a location with ^~ is in front of it";
            ctx.report
                .drop_all(location.directive, Outcome::NotNeeded, text);
            return;
        }
        add(route, location.directive, drafts, ctx);
        return;
    }
    if let Some(path) = regexp::tenant(pattern).filter(|_| !any_case)
        && let Some(route) = tenant(location, path, drafts, &ctx.upstreams)
    {
        let text = format!("path = \"{}\", without what is below it", route.path);
        ctx.report
            .drop_all(location.directive, Outcome::Moved, &text);
        drafts.routes.push(route);
        return;
    }
    dropped(location, pattern, any_case, drafts, ctx);
}

/// The route of a tenant, beside the one without: `rewrite ^/(.*)$ /http-bind`.
fn tenant(
    location: &Location<'_>,
    path: &str,
    drafts: &Drafts,
    upstreams: &[Upstream],
) -> Option<Route> {
    let mut names = location
        .directive
        .inner()
        .iter()
        .filter(|d| d.name != "set");
    let rewrite = names
        .next()
        .filter(|d| d.name == "rewrite" && d.arg(1) == path)?;
    if names.next().is_some() || rewrite.args.len() > 3 {
        return None;
    }
    let beside = drafts.routes.iter().find(|route| route.path == path)?;
    let is_jitsi = matches!(beside.target, Target::Upstream { upstream, .. }
        if upstreams.get(upstream).is_some_and(|upstream| upstream.protocol == Some("jitsi")));
    if !is_jitsi || beside.access.is_closed() {
        return None;
    }
    let access = beside.access.clone().stricter(location.scope.access());
    let path = format!("/{{tenant}}{path}");
    Some(Route {
        path,
        access,
        place: location.directive.place.clone(),
        from: location.directive.shown(),
        matching: Matching::Regexp,
        ..beside.clone()
    })
}

/// A regular expression that is no route: other routes get its requests, which must not be open
/// where it was not.
fn dropped(
    location: &Location<'_>,
    pattern: &str,
    any_case: bool,
    drafts: &mut Drafts,
    ctx: &mut Context<'_>,
) {
    let block = location.directive.inner();
    let refuses = block
        .iter()
        .find(|d| d.name == "return" && !d.arg(0).starts_with('3'));
    // What it leads to inside may be limited.
    let leads_to_limit = block.iter().filter(|d| d.name == "rewrite").any(|rewrite| {
        let mut routes = drafts.routes.iter();
        routes.any(|route| route.path == rewrite.arg(1) && route.access != Access::Open)
    });
    let is_limit = location.scope.access() != Access::Open || refuses.is_some() || leads_to_limit;
    let runs = block
        .iter()
        .any(|d| d.name.ends_with("_pass") || d.name == "rewrite");
    let text = match (is_limit, runs) {
        (true, _) => {
            "not moved: routes have no patterns; it limits access, so routes that would get its \
             requests are closed until you write their policy"
        }
        (false, true) => {
            "not moved: routes have no patterns; write a route for each path. Files that it kept \
             from being served are closed"
        }
        (false, false) => "not moved: routes have no patterns; write a route for each path",
    };
    let variables = block
        .iter()
        .find(|d| d.name == "proxy_pass" && d.arg(0).contains("://$"));
    ctx.report
        .drop_all(location.directive, Outcome::NeedsYou, text);
    if let Some(pass) = variables {
        let why = "refused: a part of the path chooses the server, so clients reach any host that \
                   they name; write a route or a bridge for each server";
        ctx.report.note(pass, Outcome::WasWrong, why);
    }
    let front = regexp::prefix(pattern, any_case);
    ctx.report.differs(
        format!("pattern {front}"),
        format!("location ~ {pattern} is not moved"),
    );
    if is_limit {
        let mut guard = Guard::limits(location.directive, front);
        // Names that begin with a dot are never served as files.
        guard.spares_files = pattern.starts_with("/\\.");
        drafts.guards.push(guard);
    } else if runs {
        drafts
            .guards
            .push(Guard::hides_files(location.directive, front));
    }
}
