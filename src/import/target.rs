//! Where a location leads.

use super::access::{Access, Why};
use super::condition;
use super::http::Context;
use super::location::Location;
use super::model::{Target, Upstream};
use super::pass::{self, Change};
use super::regexp;
use super::report::Outcome;
use super::upstreams;
use crate::nginx::Directive;
use crate::route::path::PathPrefix;
use crate::route::redirect::RedirectSpec;

/// What `{tenant}` of a Jitsi is called in a query, and what it is followed by.
const PREFIX_QUERY: &str = "?prefix=$prefix&$args";

/// A target, and who may pass at most.
pub(super) type Led = (Target, Access);

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

/// The text of a location, and how it is compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    pub(super) is_exact: bool,
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

/// A `proxy_pass` of a location that is compared as text.
pub(super) fn proxied(
    directive: &Directive,
    path: &str,
    text: Text<'_>,
    location: &Location<'_>,
    ctx: &mut Context<'_>,
) -> Led {
    let raw = directive.arg(0);
    let is_xmpp = path.ends_with("/http-bind") || path.ends_with("/xmpp-websocket");
    let stripped = raw
        .strip_suffix(PREFIX_QUERY)
        .filter(|_| is_xmpp && text.is_exact);
    let plain = stripped.or_else(|| raw.strip_suffix("$is_args$args").filter(|_| text.is_exact));
    let Some(url) = location.scope.expand(plain.unwrap_or(raw)) else {
        return refused(directive, ctx);
    };
    let Some(pass) = pass::parse(&url) else {
        let why = "not moved: not an http:// or https:// URL; the route is closed";
        ctx.report.note(directive, Outcome::NeedsYou, why);
        return (Target::Nothing, Access::closed_by(directive));
    };
    let change = pass::change(text.text, text.is_exact, pass.uri.as_deref());
    // With variables, NGINX forwards every request to that one URI.
    let is_fixed = raw.contains('$') && pass.uri.is_some() && !text.is_exact;
    let rewrite = match change {
        Change::Unknown => None,
        _ if is_fixed => None,
        Change::Same => Some(None),
        Change::Rewrite(to) => Some(Some(to)),
        Change::Mended(to) => {
            let why = "a slash is at the end of the location or of the URI only, so NGINX joins \
                       them with two slashes or none; here there is one";
            ctx.report.note(directive, Outcome::WasWrong, why);
            ctx.report
                .differs(format!("joined {path}"), format!("below {path}: {why}"));
            Some(Some(to).filter(|to| to != path))
        }
    };
    let Some(rewrite) = rewrite else {
        let why = "not moved: it changes the path in a way that routes do not; the route is closed";
        ctx.report.note(directive, Outcome::NeedsYou, why);
        return (Target::Nothing, Access::closed_by(directive));
    };
    to_upstream(
        directive,
        &pass,
        path,
        rewrite,
        stripped.is_some(),
        location,
        ctx,
    )
}

fn refused(directive: &Directive, ctx: &mut Context<'_>) -> Led {
    let why = "refused: variables choose the server, and clients may write them; the route is \
               closed. Write a route for each server";
    ctx.report.note(directive, Outcome::WasWrong, why);
    (Target::Nothing, Access::closed_by(directive))
}

/// The upstream behind a `proxy_pass`.
pub(super) fn to_upstream(
    directive: &Directive,
    pass: &pass::Pass,
    path: &str,
    rewrite: Option<String>,
    is_jitsi: bool,
    location: &Location<'_>,
    ctx: &mut Context<'_>,
) -> Led {
    let Some(mut upstream) = upstreams::behind(&pass.scheme, &pass.authority, &ctx.groups) else {
        let why = "not moved: its server cannot be written; the route is closed";
        ctx.report.note(directive, Outcome::NeedsYou, why);
        return (Target::Nothing, Access::closed_by(directive));
    };
    upstream.protocol = upstreams::protocol(&upstream.servers, path);
    if is_jitsi && upstream.protocol.is_none() {
        upstream.protocol = Some("jitsi");
    }
    if pass.scheme == "https" {
        verified(&mut upstream, directive, location, ctx);
    }
    let mut access = Access::Open;
    let mut outcome = Outcome::Moved;
    let mut text = String::from("upstream of the route");
    if upstream.is_control() && location.scope.access() == Access::Open {
        access = Access::loopback();
        outcome = Outcome::WasWrong;
        text = format!(
            "everybody could control the server there; {path} admits this machine alone until you \
             write its policy"
        );
    } else if let Some(protocol) = upstream.protocol.filter(|word| *word != "http") {
        text = format!("upstream of the route, protocol = \"{protocol}\" by its port");
    }
    ctx.report.note(directive, outcome, text);
    if upstream.protocol.is_some_and(|word| word != "http") {
        let text = format!("below {path} the server gets no cookies (forward_cookies)");
        ctx.report.differs(format!("cookies {path}"), text);
    }
    if upstream.servers.len() > 1 {
        let text = format!("below {path} a client may come to another of the servers");
        ctx.report.differs(format!("balance {path}"), text);
    }
    let host_header = host_header(pass, path, location, ctx);
    let upstream = ctx.upstream(upstream, &pass.authority);
    let target = Target::Upstream {
        upstream,
        rewrite,
        host_header,
    };
    (target, access)
}

fn verified(
    upstream: &mut Upstream,
    directive: &Directive,
    location: &Location<'_>,
    ctx: &mut Context<'_>,
) {
    let why = "the server's certificate is verified from now on; write ca_file or pin in the \
               upstream if it is its own";
    ctx.report.note(directive, Outcome::NeedsYou, why);
    if let Some(ca) = location.scope.ca_file {
        ctx.report
            .note(ca, Outcome::Moved, "ca_file of the upstream");
        upstream.ca_file = Some(ctx.absolute(ca.arg(0)));
    }
    if let Some(name) = location.scope.server_name {
        let is_name = name.arg(0).parse::<crate::host::HostName>().is_ok();
        upstream.server_name = is_name.then(|| name.arg(0).to_owned());
        ctx.report
            .note(name, Outcome::Moved, "server_name of the upstream");
    }
}

/// The `Host` that the server gets, where it is not the client's.
fn host_header(
    pass: &pass::Pass,
    path: &str,
    location: &Location<'_>,
    ctx: &mut Context<'_>,
) -> Option<String> {
    let mut hosts = location.scope.set_headers.iter();
    let set = hosts.find(|d| d.arg(0).eq_ignore_ascii_case("host"));
    let own = || Some(pass.authority.clone());
    let value = match set.map(|set| set.arg(1)) {
        Some(value) if value.starts_with("$host") || value == "$http_host" => return None,
        Some("$proxy_host") => own(),
        Some(value) => location.scope.expand(value),
        // NGINX sends the name of its upstream, which is of use only if it is a real one.
        None => own().filter(|name| {
            let host = name.split(':').next().unwrap_or_default();
            let is_group = ctx.groups.iter().any(|group| group.name == *name);
            !is_group && host.contains('.') && host.parse::<std::net::IpAddr>().is_err()
        }),
    };
    let value = value.filter(|value| value.parse::<crate::host::Authority>().is_ok());
    if value.is_none() {
        let text = format!("below {path} the server gets the Host of the client");
        ctx.report.differs(format!("host-header {path}"), text);
    }
    value
}

/// A folder of files.
fn files(
    location: &Location<'_>,
    block: &[Directive],
    path: &str,
    text: Text<'_>,
    ctx: &mut Context<'_>,
) -> Led {
    let mut access = Access::Open;
    if let Some(try_files) = block.iter().find(|d| d.name == "try_files") {
        match super::files::fallback(try_files, path, ctx) {
            super::files::Fallback::None => {}
            super::files::Fallback::Closed => access = Access::closed_by(try_files),
            super::files::Fallback::Named(name) => {
                return super::files::named(&name, try_files, path, text, ctx);
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
    let folder = super::files::folder(root, path, text, &location.scope, ctx);
    match folder {
        Some(folder) => (Target::Files(folder), access),
        None => (Target::Nothing, Access::closed_by(root)),
    }
}
