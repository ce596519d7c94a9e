//! Where a location leads.

use super::access::{Access, Why};
use super::condition;
use super::context::Context;
use super::files::{Fallback, fallback, folder, named};
use super::led::{Led, Text};
use super::location::Location;
use super::model::Target;
use super::pass;
use super::proxied::proxied;
use super::redirect::{redirect, redirected};
use super::regexp;
use super::report::Outcome;
use crate::nginx::Directive;

/// Where a location leads that has this path in `gateway.toml`. `text` is the location as NGINX
/// has it.
pub(super) fn of(
    location: &Location<'_>,
    path: &str,
    text: Text<'_>,
    ctx: &mut Context<'_>,
) -> Led {
    let block = location.directive.inner();
    let find = |name: &str| block.iter().find(|d| d.name == name);
    if let Some(answer) = find("return") {
        return returned(answer, path, text.is_exact, location, ctx);
    }
    if let Some(other) = block.iter().find(|d| is_other_pass(&d.name)) {
        let text = "not moved: servers are spoken to by HTTP only; its routes are closed";
        ctx.report.note(other, Outcome::NeedsYou, text);
        return (Target::Nothing, Access::closed_by(other));
    }
    let rewrites: Vec<&Directive> = block.iter().filter(|d| d.name == "rewrite").collect();
    match (find("proxy_pass"), rewrites.as_slice()) {
        (Some(pass), []) => return proxied(pass, path, text, location, ctx),
        (Some(pass), [rewrite]) => return rewritten(rewrite, pass, path, text, location, ctx),
        (None, [rewrite]) if redirected(rewrite).is_some() => {
            let (from, to, status) = redirected(rewrite).unwrap_or_default();
            if super::location::path(&from).as_deref() == Some(path) {
                return redirect(rewrite, &to, status, path, ctx);
            }
        }
        (None, []) => return files(location, block, path, text, ctx),
        _ => {}
    }
    for rewrite in rewrites {
        let text = "not moved: only ^/x/(.*)$ and ^/x$ are; the route is closed";
        ctx.report.note(rewrite, Outcome::NeedsYou, text);
    }
    let limit = find("rewrite").unwrap_or(location.directive);
    (Target::Nothing, Access::closed_by(limit))
}

pub(super) fn is_other_pass(name: &str) -> bool {
    name.ends_with("_pass") && !matches!(name, "proxy_pass")
}

fn returned(
    answer: &Directive,
    path: &str,
    is_exact: bool,
    location: &Location<'_>,
    ctx: &mut Context<'_>,
) -> Led {
    if let Some((status, to)) = condition::redirect(answer) {
        let to = location.scope.expand(&to).unwrap_or(to);
        let led = redirect(answer, &to, status, path, ctx);
        if let (Target::Redirect { to, .. }, false) = (&led.0, is_exact)
            && to.ends_with('/')
            && !answer.shown().contains("_uri")
        {
            let text = format!("what is below {path} is put behind {to}; it was not before");
            ctx.report.differs(format!("redirect-rest {path}"), text);
        }
        return led;
    }
    let status: u16 = answer.arg(0).parse().unwrap_or(0);
    match status {
        400..=599 => {
            let text = "no request is admitted there; the status is 403, or 404 without a route";
            ctx.report.note(answer, Outcome::Moved, text);
            ctx.report.differs(
                format!("closed {path}"),
                format!("{path} was {status}; it is 403, or 404 where no route is"),
            );
            (Target::Nothing, Access::Closed(Why::Returned))
        }
        _ => {
            let text = "not moved: the gateway has no answers of its own; the route is closed";
            ctx.report.note(answer, Outcome::NeedsYou, text);
            (Target::Nothing, Access::closed_by(answer))
        }
    }
}

/// `rewrite ^/media/(.*)$ /$1 break` before a `proxy_pass` without URI.
fn rewritten(
    rewrite: &Directive,
    pass: &Directive,
    path: &str,
    text: Text<'_>,
    location: &Location<'_>,
    ctx: &mut Context<'_>,
) -> Led {
    let folder = regexp::folder(rewrite.arg(0));
    let to = rewrite
        .arg(1)
        .strip_suffix("$1")
        .filter(|to| to.ends_with('/'));
    let is_same = folder
        .as_deref()
        .is_some_and(|folder| folder.trim_end_matches('/') == text.text.trim_end_matches('/'));
    let has_uri = pass::parse(pass.arg(0)).is_none_or(|pass| pass.uri.is_some());
    match (to, rewrite.arg(2)) {
        (Some(to), "break") if is_same && !has_uri => {
            ctx.report
                .note(rewrite, Outcome::Moved, "rewrite of the route");
            let (mut target, access) = proxied(pass, path, text, location, ctx);
            let to = match to.trim_end_matches('/') {
                "" => "/",
                trimmed => trimmed,
            };
            if let Target::Upstream { rewrite, .. } = &mut target {
                *rewrite = Some(to.to_owned()).filter(|to| to != path);
            }
            (target, access)
        }
        _ => {
            let why = "not moved: only ^/x/(.*)$ of the location itself is; the route is closed";
            ctx.report.note(rewrite, Outcome::NeedsYou, why);
            let (target, _) = proxied(pass, path, text, location, ctx);
            (target, Access::closed_by(rewrite))
        }
    }
}

/// A folder of files.
fn files(
    location: &Location<'_>,
    block: &[Directive],
    path: &str,
    text: Text<'_>,
    ctx: &mut Context<'_>,
) -> Led {
    let (mut access, mut spa) = (Access::Open, None);
    if let Some(try_files) = block.iter().find(|d| d.name == "try_files") {
        match fallback(try_files, path, ctx) {
            Fallback::None => {}
            Fallback::Page(page) => spa = Some(page),
            Fallback::Closed => access = Access::closed_by(try_files),
            Fallback::Named(name) => {
                return named(&name, try_files, path, text, ctx);
            }
        }
    }
    let Some(root) = location.scope.root else {
        let why = "it leads nowhere, so no request is admitted";
        ctx.report.note(location.directive, Outcome::NeedsYou, why);
        return (Target::Nothing, Access::Closed(Why::AsBefore));
    };
    // An alias is the folder of its own location.
    if root.name == "alias" && !block.iter().any(|d| d.place == root.place) {
        return (Target::Nothing, Access::closed_by(root));
    }
    let folder = folder(root, path, text, &location.scope, ctx);
    match folder {
        Some(folder) => (Target::Files { folder, spa }, access),
        None => (Target::Nothing, Access::closed_by(root)),
    }
}
