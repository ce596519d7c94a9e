//! Redirects: `return 301`, and `rewrite … permanent`.

use super::access::Access;
use super::context::Context;
use super::led::Led;
use super::model::Target;
use super::regexp;
use super::report::Outcome;
use crate::nginx::Directive;
use crate::route::path::PathPrefix;
use crate::route::redirect::RedirectSpec;

/// A redirect whose target has variables for the rest of the path only.
pub(super) fn redirect(
    from: &Directive,
    to: &str,
    status: u16,
    path: &str,
    ctx: &mut Context<'_>,
) -> Led {
    let written = redirect_target(to, path);
    let status = if status == 303 { 302 } else { status };
    match written {
        Some(to) => {
            let text = format!("redirect = \"{to}\" of {path}");
            ctx.report.note(from, Outcome::Moved, text);
            (Target::Redirect { to, status }, Access::Open)
        }
        None => {
            let text = "not moved: targets have no variables, and none leads to itself; the route \
                        is closed";
            ctx.report.note(from, Outcome::NeedsYou, text);
            (Target::Nothing, Access::closed_by(from))
        }
    }
}

/// The target as `gateway.toml` has it.
fn redirect_target(to: &str, path: &str) -> Option<String> {
    let own = [
        "$scheme://$host",
        "$scheme://$http_host",
        "https://$host",
        "https://$http_host",
    ];
    let to = own
        .iter()
        .find_map(|own| to.strip_prefix(own))
        .unwrap_or(to);
    let rest = ["$request_uri", "$uri$is_args$args", "$uri"];
    let to = match rest.iter().find_map(|rest| to.strip_suffix(rest)) {
        Some(origin) if origin.matches('/').count() == 2 && origin.contains("://") => match path {
            "/" => format!("{origin}/"),
            path => format!("{origin}{path}/"),
        },
        Some(_) => return None,
        None => to.to_owned(),
    };
    if to.contains(['$', '*', '{', '}', ':']) && to.contains(['$', '*', '{', '}']) {
        return None;
    }
    let spec: RedirectSpec = to.parse().ok()?;
    let route: PathPrefix = path.parse().ok()?;
    let loops = spec.own_path().is_some_and(|own| route.covers(own));
    (!loops).then_some(to)
}

/// `rewrite ^/old/(.*)$ /new/$1 permanent`: path, target and status.
pub(super) fn redirected(rewrite: &Directive) -> Option<(String, String, u16)> {
    let status = match rewrite.arg(2) {
        "permanent" => 301,
        "redirect" => 302,
        _ => return None,
    };
    let (pattern, to) = (rewrite.arg(0), rewrite.arg(1));
    if let Some(folder) = regexp::folder(pattern) {
        let to = to.strip_suffix("$1").filter(|to| to.ends_with('/'))?;
        return Some((folder, to.to_owned(), status));
    }
    let path = regexp::exact(pattern)?;
    Some((path, to.to_owned(), status))
}
