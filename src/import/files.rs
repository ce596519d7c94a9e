//! `root`, `alias` and `try_files`.

use super::access::Access;
use super::context::Context;
use super::led::{Led, Text};
use super::location::Kind;
use super::model::Target;
use super::proxied::proxied;
use super::report::Outcome;
use super::scope::Scope;
use crate::nginx::Directive;
use crate::route::files::PageFile;

/// What happens where a file is missing.
pub(super) enum Fallback {
    /// 404.
    None,
    /// A page in the folder of the files.
    Page(String),
    /// Something that is not moved, and may be a limit.
    Closed,
    /// A named location.
    Named(String),
}

pub(super) fn fallback(try_files: &Directive, path: &str, ctx: &mut Context<'_>) -> Fallback {
    let texts = try_files.texts();
    let (last, before) = texts.split_last().unwrap_or((&"", &[]));
    if before
        .iter()
        .any(|text| !matches!(*text, "$uri" | "$uri/" | "/$uri" | "/$uri/"))
    {
        let text = "not moved: files are looked for by the path alone; the route is closed";
        ctx.report.note(try_files, Outcome::NeedsYou, text);
        return Fallback::Closed;
    }
    match *last {
        "=404" => {
            ctx.report
                .note(try_files, Outcome::NotNeeded, "a missing file is 404");
            Fallback::None
        }
        name if name.starts_with('@') => Fallback::Named(name.to_owned()),
        page if page.starts_with('/') && !page.contains('$') => {
            page_of_app(page, try_files, path, ctx)
        }
        _ => {
            let text = "not moved: what happens to missing files has no counterpart; the route is \
                        closed";
            ctx.report.note(try_files, Outcome::NeedsYou, text);
            Fallback::Closed
        }
    }
}

/// `try_files $uri /index.html`: a page that a route names below its folder. NGINX looks for it
/// below the root, which is the folder of `/` alone.
fn page_of_app(page: &str, try_files: &Directive, path: &str, ctx: &mut Context<'_>) -> Fallback {
    let below = match path {
        "/" => page.strip_prefix('/'),
        path => page
            .strip_prefix(path)
            .and_then(|rest| rest.strip_prefix('/')),
    };
    let page = below.filter(|page| page.parse::<PageFile>().is_ok());
    let Some(page) = page else {
        let text = format!(
            "not moved: the page is not below {path}, and a missing file is 404; write spa = \
             \"index.html\" with a page in the folder"
        );
        ctx.report.note(try_files, Outcome::NeedsYou, text.clone());
        ctx.report.differs(format!("deep-links {path}"), text);
        return Fallback::None;
    };
    let text = format!("spa = \"{page}\": a missing file whose name has a dot is 404");
    ctx.report
        .note(try_files, Outcome::MovedBetter, text.clone());
    ctx.report.differs(format!("deep-links {path}"), text);
    Fallback::Page(page.to_owned())
}

/// The target of the named location, for all paths.
pub(super) fn named(
    name: &str,
    try_files: &Directive,
    path: &str,
    text: Text<'_>,
    ctx: &mut Context<'_>,
) -> Led {
    let is_it = |kind: &Kind| matches!(kind, Kind::Named(there) if there == name);
    let found = ctx
        .named
        .iter()
        .find(|location| is_it(&location.kind))
        .cloned();
    let pass = found.as_ref().and_then(|location| {
        let block = location.directive.inner();
        let is_plain = !block
            .iter()
            .any(|d| matches!(d.name.as_str(), "rewrite" | "return"));
        block
            .iter()
            .find(|d| d.name == "proxy_pass")
            .filter(|_| is_plain)
    });
    let (Some(location), Some(pass)) = (&found, pass) else {
        let why = "not moved: the named location is no plain proxy_pass; the route is closed";
        ctx.report.note(try_files, Outcome::NeedsYou, why);
        return (Target::Nothing, Access::closed_by(try_files));
    };
    let why = "not moved: every request goes to the server of the named location, and no file is \
               looked for; write a route with files for the folder of the files";
    ctx.report.note(try_files, Outcome::NeedsYou, why);
    ctx.report.differs(
        format!("files-first {path}"),
        format!("below {path} the server answers for files too"),
    );
    let (target, access) = proxied(pass, path, text, location, ctx);
    (target, access.stricter(location.scope.access()))
}

/// The folder or file of a route.
pub(super) fn folder(
    root: &Directive,
    path: &str,
    text: Text<'_>,
    scope: &Scope<'_>,
    ctx: &mut Context<'_>,
) -> Option<String> {
    let value = scope.expand(root.arg(0)).filter(|value| !value.is_empty());
    let Some(value) = value else {
        let why = "not moved: its path has variables; the route is closed";
        ctx.report.note(root, Outcome::NeedsYou, why);
        return None;
    };
    let base = ctx.absolute(&value);
    let base = base.trim_end_matches('/');
    // NGINX puts the path of the request behind a root, and the rest of it behind an alias.
    let folder = match root.name.as_str() {
        "root" => format!("{base}{}", text.text.trim_end_matches('/')),
        _ => base.to_owned(),
    };
    let is_alias = root.name == "alias" && !text.is_exact;
    let (ends, value_ends) = (text.text.ends_with('/'), value.ends_with('/'));
    if is_alias && !ends && value_ends {
        let why = "without a slash at the end of the location, /x../y left the folder; here it \
                   does not";
        ctx.report.note(root, Outcome::WasWrong, why);
    }
    let is_skewed = is_alias && ends && !value_ends;
    if folder.is_empty() || is_skewed || folder.contains("/../") || folder.ends_with("/..") {
        let why = "not moved: it leads out of its folder, or is the whole disk; the route is \
                   closed";
        ctx.report.note(root, Outcome::WasWrong, why);
        return None;
    }
    let is_default = scope
        .index
        .is_none_or(|index| index.texts().contains(&"index.html"));
    if let Some(index) = scope.index {
        let (outcome, text) = match is_default {
            true => (Outcome::NotNeeded, "index.html is the page of a folder"),
            false => (
                Outcome::NeedsYou,
                "not moved: the page of a folder is index.html",
            ),
        };
        ctx.report.note(index, outcome, text);
    }
    if !is_default {
        let text = format!("the page of a folder below {path} is index.html");
        ctx.report.differs(format!("index {path}"), text);
    }
    ctx.report.note(root, Outcome::Moved, "files of its routes");
    Some(folder)
}
