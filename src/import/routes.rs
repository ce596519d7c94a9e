//! The locations of a server as routes, and what has to be closed because it is no route.

use super::access::{Access, Why};
use super::extras;
use super::guards::Guard;
use super::http::Context;
use super::location::{self, Kind, Location};
use super::model::{Extras, Matching, Route, Target, Upstream};
use super::pass;
use super::regexp;
use super::report::Outcome;
use super::scope::Scope;
use super::target::{self, Text};
use crate::nginx::Directive;

/// The routes of a server, before guards have closed some.
pub(super) struct Drafts {
    pub(super) routes: Vec<Route>,
    pub(super) guards: Vec<Guard>,
}

/// Reads all locations of a server.
pub(super) fn read<'t>(
    block: &'t [Directive],
    hosts: &[String],
    scope: &Scope<'t>,
    ctx: &mut Context<'t>,
) -> Drafts {
    let all = location::all(block, scope, ctx.report);
    let (named, all): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|location| matches!(location.kind, Kind::Named(_)));
    ctx.named = named;
    let mut drafts = Drafts {
        routes: Vec::new(),
        guards: Vec::new(),
    };
    for location in &all {
        if let Kind::Path { matching, text } = &location.kind {
            let has_all = all.iter().any(|other| other.kind.is_everything());
            match (*matching, text.as_str()) {
                (Matching::Exact, "/") => root_alone(location, has_all, &mut drafts, ctx),
                _ => by_path(location, *matching, text, hosts, &mut drafts, ctx),
            }
        }
    }
    for location in &all {
        if let Kind::Regexp { pattern, any_case } = &location.kind {
            by_regexp(location, pattern, *any_case, &all, hosts, &mut drafts, ctx);
        }
    }
    for rewrite in block.iter().filter(|d| d.name == "rewrite") {
        by_rewrite(rewrite, scope, hosts, &mut drafts, ctx);
    }
    if !all.iter().any(|location| location.kind.is_everything()) {
        by_root(block, scope, hosts, &mut drafts, ctx);
    }
    drafts
}

impl Kind {
    fn is_everything(&self) -> bool {
        matches!(self, Self::Path { matching, text } if text == "/" && *matching != Matching::Exact)
    }
}

/// `location = /`, which no route can be, since a route is what is below it, too.
fn root_alone(location: &Location<'_>, has_all: bool, drafts: &mut Drafts, ctx: &mut Context<'_>) {
    let access = location.scope.access();
    let text = "not moved: there is no route for / without what is below it";
    ctx.report
        .drop_all(location.directive, Outcome::NeedsYou, text);
    ctx.report
        .differs("root-alone /", "location = / is not moved");
    if access != Access::Open && has_all {
        drafts
            .guards
            .push(Guard::limits(location.directive, String::new()));
    }
}

fn by_path(
    location: &Location<'_>,
    matching: Matching,
    text: &str,
    hosts: &[String],
    drafts: &mut Drafts,
    ctx: &mut Context<'_>,
) {
    if text.starts_with("/.well-known/acme-challenge") && location.scope.access() == Access::Open {
        let why = "the gateway answers the CA itself where [acme] orders; certbot with --webroot \
                   needs operating.md";
        ctx.report
            .drop_all(location.directive, Outcome::NotNeeded, why);
        ctx.report.differs(
            "challenges",
            "files below /.well-known/acme-challenge are not served",
        );
        return;
    }
    let Some(path) = location::path(text) else {
        let why = "not moved: no route can have its path, and what it was about is closed";
        ctx.report
            .drop_all(location.directive, Outcome::NeedsYou, why);
        // What is literal in it: as far as a path can have it.
        let front = parent(text).to_owned();
        drafts.guards.push(Guard::limits(location.directive, front));
        return;
    };
    let is_exact = matching == Matching::Exact;
    let led = target::of(location, &path, Text { text, is_exact }, ctx);
    note(location, matching, text, &path, &led.0, ctx);
    let route = route(location, matching, path, led, hosts, ctx);
    add(route, location.directive, drafts, ctx);
}

/// The longest folder in front of a text that a route can have.
fn parent(text: &str) -> &str {
    let mut front = text;
    while let Some(at) = front.rfind('/') {
        front = &front[..at];
        let folder = &text[..=at];
        if location::path(folder).is_some() {
            return folder;
        }
    }
    ""
}

fn note(
    location: &Location<'_>,
    matching: Matching,
    text: &str,
    path: &str,
    to: &Target,
    ctx: &mut Context<'_>,
) {
    let is_upstream = matches!(to, Target::Upstream { .. });
    let (outcome, why) = match matching {
        Matching::Exact => {
            let why = format!("what is below {path} is led there too");
            ctx.report.differs(format!("below {path}"), why.clone());
            (Outcome::Moved, format!("path = \"{path}\": {why}"))
        }
        _ if text.ends_with('/') => {
            let why = format!("{path} itself is led there too, and not redirected to the slash");
            ctx.report.differs(format!("slash {path}"), why);
            (Outcome::Moved, format!("path = \"{path}\""))
        }
        _ => {
            let why =
                format!("{path}whatever was matched too, and {path}/ and what is below is now");
            ctx.report.differs(format!("prefix {path}"), why.clone());
            let outcome = if is_upstream {
                Outcome::WasWrong
            } else {
                Outcome::MovedBetter
            };
            (outcome, format!("path = \"{path}\": {why}"))
        }
    };
    match path {
        "/" => ctx
            .report
            .note(location.directive, Outcome::Moved, "path = \"/\""),
        _ => ctx.report.note(location.directive, outcome, why),
    }
}

fn route(
    location: &Location<'_>,
    matching: Matching,
    path: String,
    led: target::Led,
    hosts: &[String],
    ctx: &mut Context<'_>,
) -> Route {
    let (to, at_most) = led;
    let access = location.scope.access().stricter(at_most);
    let limited = location.scope.access() != Access::Open
        || matches!(access, Access::Closed(Why::AsBefore | Why::Returned));
    let extras = extras::read(&location.scope, &to, &access, &path, ctx);
    Route {
        hosts: hosts.to_vec(),
        path,
        matching,
        access,
        limited,
        target: to,
        extras,
        place: location.directive.place.clone(),
        from: location.directive.shown(),
    }
}

/// Adds a route; of two with one path, what is stricter in either.
fn add(route: Route, directive: &Directive, drafts: &mut Drafts, ctx: &mut Context<'_>) {
    let Some(there) = drafts
        .routes
        .iter_mut()
        .find(|there| there.path == route.path)
    else {
        drafts.routes.push(route);
        return;
    };
    if there.target != route.target {
        let text = format!(
            "two locations have the path {}, and a route has one target",
            route.path
        );
        ctx.report.note(directive, Outcome::NeedsYou, text.clone());
        ctx.report
            .differs(format!("same-path {}", route.path), text);
    }
    let access = there.access.clone().stricter(route.access.clone());
    if there.matching == Matching::Exact {
        *there = route;
    }
    there.access = access;
}

fn by_regexp(
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
        let led = target::to_upstream(directive, &parsed, &path, None, false, location, ctx);
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

impl Kind {
    /// Whether it keeps regular expressions from a path.
    fn hides(&self, path: &str) -> bool {
        matches!(self, Self::Path { matching: Matching::Priority, text }
            if format!("{path}/").starts_with(text.as_str()))
    }
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

/// A `rewrite` of the server as a whole.
fn by_rewrite(
    rewrite: &Directive,
    scope: &Scope<'_>,
    hosts: &[String],
    drafts: &mut Drafts,
    ctx: &mut Context<'_>,
) {
    if let Some((from, to, status)) = target::redirected(rewrite)
        && let Some(path) = location::path(&from).filter(|path| path != "/")
    {
        let (target, access) = target::redirect(rewrite, &to, status, &path, ctx);
        drafts.routes.retain(|route| route.path != path);
        for (kind, text) in [
            ("below", "what is below it is redirected, too"),
            ("slash", "it is redirected itself"),
            (
                "query",
                "the query goes along only where the target ends with a slash",
            ),
        ] {
            ctx.report
                .differs(format!("{kind} {path}"), format!("{path}: {text}"));
        }
        drafts.routes.push(Route {
            hosts: hosts.to_vec(),
            path,
            matching: Matching::Priority,
            access: access.stricter(scope.access()),
            limited: false,
            target,
            extras: Extras::default(),
            place: rewrite.place.clone(),
            from: rewrite.shown(),
        });
        return;
    }
    let text = "not moved: paths are not changed by patterns; routes that would get its requests \
                are closed";
    ctx.report.note(rewrite, Outcome::NeedsYou, text);
    let front = regexp::prefix(rewrite.arg(0), false);
    ctx.report
        .differs(format!("pattern {front}"), "a rewrite is not moved");
    let mut guard = Guard::limits(rewrite, front);
    guard.is_first = true;
    drafts.guards.push(guard);
}

/// The files of a server without `location /`.
fn by_root(
    block: &[Directive],
    scope: &Scope<'_>,
    hosts: &[String],
    drafts: &mut Drafts,
    ctx: &mut Context<'_>,
) {
    let Some(root) = scope.root.filter(|root| root.name == "root") else {
        // What no location is about is limited all the same.
        if let (Some(first), access) = (block.first(), scope.access())
            && access != Access::Open
        {
            drafts
                .routes
                .push(everything(first, hosts, Access::Closed(Why::AsBefore)));
        }
        return;
    };
    let text = Text {
        text: "/",
        is_exact: false,
    };
    let other = block
        .iter()
        .find(|d| target::is_other_pass(&d.name) || d.name == "try_files");
    let folder = super::files::folder(root, "/", text, scope, ctx);
    let (target, access) = match (folder, other) {
        (Some(folder), None) => (Target::Files(folder), scope.access()),
        (_, Some(other)) => {
            let plain = other.name == "try_files"
                && matches!(
                    super::files::fallback(other, "/", ctx),
                    super::files::Fallback::None
                );
            let folder = super::files::folder(root, "/", text, scope, ctx);
            match folder.filter(|_| plain) {
                Some(folder) => (Target::Files(folder), scope.access()),
                None => (Target::Nothing, Access::closed_by(other)),
            }
        }
        (None, None) => (Target::Nothing, Access::Closed(Why::AsBefore)),
    };
    drafts.routes.push(Route {
        target,
        ..everything(root, hosts, access)
    });
}

fn everything(from: &Directive, hosts: &[String], access: Access) -> Route {
    Route {
        hosts: hosts.to_vec(),
        path: "/".to_owned(),
        matching: Matching::Prefix,
        access,
        limited: false,
        target: Target::Nothing,
        extras: Extras::default(),
        place: from.place.clone(),
        from: from.shown(),
    }
}
