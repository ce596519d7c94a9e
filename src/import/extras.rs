//! Keys of a route that have nothing to do with access: headers, sizes, times and rates.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::access::Access;
use super::context::Context;
use super::model::{Extras, Target};
use super::report::Outcome;
use super::scope::Scope;
use super::units;
use crate::nginx::Directive;
use crate::route::edits::{Direction, reserved};

/// What holds without `timeouts`.
const USUAL: Duration = Duration::from_secs(75);
/// No answer is waited for so long: it is meant for WebSockets.
const FOR_WEBSOCKETS: Duration = Duration::from_secs(600);
/// What `hsts` can say.
const LONGEST_HSTS: u32 = 365 * 86_400;
/// What `client_max_body_size 0` becomes.
const UNLIMITED: u64 = 1 << 30;

pub(super) fn read(
    scope: &Scope<'_>,
    target: &Target,
    access: &Access,
    path: &str,
    ctx: &mut Context<'_>,
) -> Extras {
    let mut extras = Extras::default();
    for header in &scope.add_headers {
        add_header(header, target, access, &mut extras, ctx);
    }
    for limit in &scope.requests {
        requests(limit, &mut extras, ctx);
    }
    let Target::Upstream { .. } = target else {
        return extras;
    };
    for header in &scope.set_headers {
        set_header(header, scope, path, &mut extras, ctx);
    }
    for header in &scope.hide_headers {
        let is_edit = may_edit(header.arg(0), Direction::Answer);
        if let Some(name) = is_edit.filter(|name| !extras.answer_set.contains_key(name)) {
            extras.answer_remove.push(name);
        }
        ctx.report
            .note(header, Outcome::Moved, "headers.response.remove");
    }
    extras.answer_remove.sort();
    extras.answer_remove.dedup();
    if let Some(body) = scope.body {
        extras.body = body_size(body, ctx);
    }
    if let Some(timeout) = scope.read_timeout {
        extras.timeout = read_timeout(timeout, ctx);
    }
    extras
}

/// The name of a header that can be edited, as it was written.
fn may_edit(name: &str, direction: Direction) -> Option<String> {
    let parsed: HeaderName = name.parse().ok()?;
    reserved(&parsed, direction)
        .is_none()
        .then(|| parsed.as_str().to_owned())
}

fn add_header(
    header: &Directive,
    target: &Target,
    access: &Access,
    extras: &mut Extras,
    ctx: &mut Context<'_>,
) {
    let (name, value) = (header.arg(0).to_ascii_lowercase(), header.arg(1));
    if name == "strict-transport-security" {
        return hsts(header, value, extras, ctx);
    }
    if name.starts_with("access-control-") {
        return cors(header, &name, value, target, access, extras, ctx);
    }
    let is_value = !value.contains('$') && HeaderValue::from_str(value).is_ok();
    match may_edit(header.arg(0), Direction::Answer).filter(|_| is_value && !value.is_empty()) {
        Some(name) => {
            extras.answer_set.insert(name, value.to_owned());
            ctx.report.note(
                header,
                Outcome::MovedBetter,
                "headers.response.set: never doubled",
            );
        }
        None => {
            let text =
                "not moved: values have no variables, and some headers are the gateway's own";
            ctx.report.note(header, Outcome::NeedsYou, text);
        }
    }
}

fn hsts(header: &Directive, value: &str, extras: &mut Extras, ctx: &mut Context<'_>) {
    let seconds = value
        .trim()
        .strip_prefix("max-age=")
        .map(|age| age.trim_matches('"'));
    let seconds: Option<u32> = seconds.and_then(|age| age.parse().ok());
    let seconds = seconds.filter(|seconds| *seconds <= LONGEST_HSTS);
    if let Some(seconds) = seconds {
        extras.hsts = Some(format!("{seconds}s"));
        let text = "hsts, on error responses too";
        ctx.report.note(header, Outcome::MovedBetter, text);
    } else if !value.contains('$') && HeaderValue::from_str(value).is_ok() && !value.is_empty() {
        let name = "Strict-Transport-Security".to_owned();
        extras.answer_set.insert(name, value.to_owned());
        let text = "headers.response.set, as hsts is max-age alone and at most a year: not on \
                    error responses";
        ctx.report.note(header, Outcome::NeedsYou, text);
    } else {
        ctx.report
            .note(header, Outcome::NeedsYou, "not moved: it is not understood");
    }
}

fn cors(
    header: &Directive,
    name: &str,
    value: &str,
    target: &Target,
    access: &Access,
    extras: &mut Extras,
    ctx: &mut Context<'_>,
) {
    if name != "access-control-allow-origin" {
        let text = "not moved: cors of a route answers preflights itself; see its keys";
        return ctx.report.note(header, Outcome::NeedsYou, text);
    }
    let is_control = match target {
        Target::Upstream { upstream, .. } => ctx
            .upstreams
            .get(*upstream)
            .is_some_and(|upstream| upstream.is_control()),
        _ => false,
    };
    let is_origin = value
        .split_once("://")
        .is_some_and(|(_, host)| host.parse::<crate::host::Authority>().is_ok());
    if is_control || value.contains('$') || (value == "*" && *access != Access::Open) {
        let text = "not moved: pages of every origin could use what an address or a control port \
                    protects; write cors with the origins of your pages";
        return ctx.report.note(header, Outcome::WasWrong, text);
    }
    if value != "*" && !is_origin {
        return ctx
            .report
            .note(header, Outcome::NeedsYou, "not moved: it is no origin");
    }
    extras.cors = Some(value.to_ascii_lowercase());
    let text = "cors, in place of what the server says: two values break browsers";
    ctx.report.note(header, Outcome::MovedBetter, text);
}

fn requests(limit: &Directive, extras: &mut Extras, ctx: &mut Context<'_>) {
    let texts = limit.texts();
    let value = |key: &str| texts.iter().find_map(|text| text.strip_prefix(key));
    let rate = value("zone=").and_then(|zone| ctx.zones.get(zone)).cloned();
    let burst: Option<u32> = value("burst=").map_or(Some(0), |burst| burst.parse().ok());
    let (Some(rate), Some(burst)) = (rate, burst) else {
        let text = "not moved: its zone is not one by client address; see requests of a route";
        return ctx.report.note(limit, Outcome::NeedsYou, text);
    };
    // NGINX admits one and as many as burst at once; a rate without burst admits its number.
    let written = format!("{rate} burst {}", burst.saturating_add(1));
    if extras.requests.is_some() {
        let text = "not moved: a route has one rate, and this is the second";
        return ctx.report.note(limit, Outcome::NeedsYou, text);
    }
    let waits = !texts.contains(&"nodelay") && burst > 0;
    let text = match waits {
        true => "requests of the route: nothing waits, and more get 429",
        false => "requests of the route: more get 429, and not 503",
    };
    extras.requests = Some(written);
    ctx.report.note(limit, Outcome::Moved, text);
}

fn set_header(
    header: &Directive,
    scope: &Scope<'_>,
    path: &str,
    extras: &mut Extras,
    ctx: &mut Context<'_>,
) {
    let (name, value) = (header.arg(0), header.arg(1));
    if let Some((outcome, text)) = own_header(&name.to_ascii_lowercase(), value) {
        return ctx.report.note(header, outcome, text);
    }
    let Some(name) = may_edit(name, Direction::Request) else {
        let text = "the gateway sets or removes it itself";
        return ctx.report.note(header, Outcome::NotNeeded, text);
    };
    let value = scope
        .expand(value)
        .filter(|value| HeaderValue::from_str(value).is_ok());
    match value.as_deref() {
        Some("") => {
            extras.remove.push(name);
            ctx.report.note(header, Outcome::Moved, "headers.remove");
        }
        Some(value) => {
            extras.set.insert(name, value.to_owned());
            ctx.report.note(header, Outcome::Moved, "headers.set");
        }
        // The client's own must not come through in its place.
        None => {
            let text = "not moved: values have no variables; the client's own is taken out";
            ctx.report.note(header, Outcome::NeedsYou, text);
            ctx.report
                .differs(format!("header {path}"), format!("below {path}: no {name}"));
            extras.remove.push(name);
        }
    }
    extras.remove.retain(|name| !extras.set.contains_key(name));
    extras.remove.sort();
    extras.remove.dedup();
}

/// Headers that the gateway sets by itself.
fn own_header(name: &str, value: &str) -> Option<(Outcome, &'static str)> {
    match name {
        "host" => Some(match value.starts_with("$host") || value == "$http_host" {
            true => (Outcome::NotNeeded, "the server gets the Host of the client"),
            false => (Outcome::Moved, "host_header"),
        }),
        "upgrade" | "connection" => Some((
            Outcome::NotNeeded,
            "the handshake of a WebSocket is forwarded, and connections are kept",
        )),
        "x-forwarded-for" if value == "$proxy_add_x_forwarded_for" => Some((
            Outcome::WasWrong,
            "it was appended to what the client sent, who could write any address; now it is the \
             client's address alone",
        )),
        name if name.starts_with("x-forwarded-") || name == "x-real-ip" || name == "forwarded" => {
            Some((Outcome::NotNeeded, "always set, and never from the client"))
        }
        _ => None,
    }
}

fn body_size(body: &Directive, ctx: &mut Context<'_>) -> Option<String> {
    match units::size(body.arg(0)) {
        Some(0) => {
            let text = "there is no word for \"without limit\": 1 GiB; write what is large enough";
            ctx.report.note(body, Outcome::NeedsYou, text);
            Some(units::shown_size(UNLIMITED))
        }
        Some(size) => {
            ctx.report.note(body, Outcome::Moved, "body of its routes");
            Some(units::shown_size(size))
        }
        None => {
            ctx.report
                .note(body, Outcome::NeedsYou, "not moved: it is no size");
            None
        }
    }
}

fn read_timeout(timeout: &Directive, ctx: &mut Context<'_>) -> Option<String> {
    let time = units::time(timeout.arg(0));
    let (outcome, text) = match time {
        None => (Outcome::NeedsYou, "not moved: it is no time"),
        Some(time) if time <= Duration::from_secs(60) => (
            Outcome::WasWrong,
            "long polls and quiet WebSockets were cut; answers have 75 s, and WebSockets are not \
             cut for being idle",
        ),
        Some(time) if time <= USUAL => (Outcome::NotNeeded, "75 s are the default"),
        Some(time) if time > FOR_WEBSOCKETS => (
            Outcome::NotNeeded,
            "WebSockets are not cut for being idle; other answers have 75 s (timeouts)",
        ),
        Some(_) => (Outcome::Moved, "timeouts"),
    };
    ctx.report.note(timeout, outcome, text);
    let time = time.filter(|time| *time > USUAL && *time <= FOR_WEBSOCKETS);
    time.map(|time| format!("{}s", time.as_secs()))
}
