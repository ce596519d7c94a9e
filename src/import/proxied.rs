//! `proxy_pass`: the upstream behind a location, and the path that it gets.

use super::access::Access;
use super::context::Context;
use super::led::{Led, Text};
use super::location::Location;
use super::model::{Target, Upstream};
use super::pass::{self, Change};
use super::report::Outcome;
use super::upstreams;
use crate::nginx::Directive;

/// What `{tenant}` of a Jitsi is called in a query, and what it is followed by.
const PREFIX_QUERY: &str = "?prefix=$prefix&$args";

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
