//! The locations of a server as routes, and what has to be closed because it is no route.

use super::access::{Access, Why};
use super::context::Context;
use super::drafts::{Drafts, add, route};
use super::files::{Fallback, fallback, folder};
use super::guard::Guard;
use super::led::Text;
use super::location::{self, Kind, Location};
use super::model::{Extras, Matching, Route, Target};
use super::patterns;
use super::redirect::{redirect, redirected};
use super::regexp;
use super::report::Outcome;
use super::scope::Scope;
use super::target;
use crate::nginx::Directive;

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
            patterns::read(location, pattern, *any_case, &all, hosts, &mut drafts, ctx);
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

/// A `rewrite` of the server as a whole.
fn by_rewrite(
    rewrite: &Directive,
    scope: &Scope<'_>,
    hosts: &[String],
    drafts: &mut Drafts,
    ctx: &mut Context<'_>,
) {
    if let Some((from, to, status)) = redirected(rewrite)
        && let Some(path) = location::path(&from).filter(|path| path != "/")
    {
        let (target, access) = redirect(rewrite, &to, status, &path, ctx);
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
    let found = folder(root, "/", text, scope, ctx);
    let fallen = match other {
        Some(other) if other.name == "try_files" => fallback(other, "/", ctx),
        Some(_) => Fallback::Closed,
        None => Fallback::None,
    };
    let (target, access) = match (found, fallen, other) {
        (Some(folder), Fallback::None, _) => (Target::Files { folder, spa: None }, scope.access()),
        (Some(folder), Fallback::Page(page), _) => {
            let spa = Some(page);
            (Target::Files { folder, spa }, scope.access())
        }
        (_, _, Some(other)) => (Target::Nothing, Access::closed_by(other)),
        (None, _, None) => (Target::Nothing, Access::Closed(Why::AsBefore)),
        (Some(_), _, None) => (Target::Nothing, Access::closed_by(root)),
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
