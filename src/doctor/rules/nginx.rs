//! `nginx.conf`: locations that are open or do not work, and what is led where.

use super::super::finding::{Findings, Fix};
use super::super::machine::Machine;
use super::super::nginx_files::place;
use super::super::place::Place;
use super::forward::Forward;
use crate::nginx::Directive;

/// A directive with the blocks around it, the innermost last.
struct Found<'a> {
    directive: &'a Directive,
    around: Vec<&'a [Directive]>,
    /// The `location` that it is in.
    location: Option<&'a Directive>,
}

/// Every directive, in the order of the file.
fn all<'a>(directives: &'a [Directive]) -> Vec<Found<'a>> {
    fn walk<'a>(here: &'a [Directive], above: &Found<'a>, found: &mut Vec<Found<'a>>) {
        let mut around = above.around.clone();
        around.push(here);
        for directive in here {
            let within = Found {
                directive,
                around: around.clone(),
                location: above.location,
            };
            if let Some(block) = &directive.block {
                let is_location = directive.name == "location";
                let inner = Found {
                    location: is_location.then_some(directive).or(above.location),
                    around: around.clone(),
                    directive,
                };
                walk(block, &inner, found);
            }
            found.push(within);
        }
    }
    let mut found = Vec::new();
    let Some(first) = directives.first() else {
        return found;
    };
    let top = Found {
        directive: first,
        around: Vec::new(),
        location: None,
    };
    walk(directives, &top, &mut found);
    found
}

impl<'a> Found<'a> {
    /// The directives of a name in the innermost block that has any: lists are not joined.
    fn inherited(&self, name: &str) -> Vec<&'a Directive> {
        let named = |block: &&'a [Directive]| -> Vec<&'a Directive> {
            block.iter().filter(|it| it.name == name).collect()
        };
        let mut levels = self.around.iter().rev().map(named);
        levels.find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// A header that is sent to the server, by its name in small letters.
    fn header(&self, name: &str) -> Option<&'a Directive> {
        let mut headers = self.inherited("proxy_set_header").into_iter();
        headers.find(|it| it.arg(0).eq_ignore_ascii_case(name))
    }
}

/// The ports that a `proxy_pass` leads to: its own, or those of its `upstream`.
fn ports(directives: &[Directive], url: &str) -> Vec<u16> {
    let port = |authority: &str| match authority.rsplit_once(':') {
        Some((_, port)) => port.parse().ok(),
        None => None,
    };
    let Some((scheme, rest)) = url.split_once("://") else {
        return Vec::new();
    };
    let authority = rest.split('/').next().unwrap_or_default();
    if let Some(port) = port(authority) {
        return vec![port];
    }
    let found = all(directives);
    let upstreams = found.iter().map(|found| found.directive);
    let mut named = upstreams.filter(|it| it.name == "upstream" && it.arg(0) == authority);
    match named.next() {
        Some(upstream) => {
            let servers = upstream.inner().iter().filter(|it| it.name == "server");
            servers
                .filter_map(|server| port(server.arg(0)).or(Some(80)))
                .collect()
        }
        None => vec![if scheme == "https" { 443 } else { 80 }],
    }
}

const ADMIN: [u16; 2] = [7088, 7188];
const JANUS: [u16; 4] = [7088, 7188, 8088, 8188];
const WEBSOCKETS: [u16; 3] = [7188, 8188, 8888];

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    for file in &machine.nginx {
        let directives = &file.directives;
        for passed in all(directives)
            .iter()
            .filter(|it| it.directive.name == "proxy_pass")
        {
            let directive = passed.directive;
            let ports = ports(directives, directive.arg(0));
            semicolon(directive, found);
            host(directive, found);
            open_admin(passed, &ports, found);
            prefix(passed, &ports, found);
            upgrade(passed, &ports, found);
            appended(machine, passed, &ports, found);
        }
        for server in all(directives)
            .iter()
            .filter(|it| it.directive.name == "server")
        {
            shadowed(server.directive, found);
        }
        if let Some((place, text)) = &file.error {
            let why = format!("NGINX does not start: {text}");
            let fix = Fix::Run("correct the line, then: nginx -t".to_owned());
            found.add("nginx-syntax", place, why, fix);
        }
    }
}

/// The next directive is taken for another argument.
fn semicolon(directive: &Directive, found: &mut Findings) {
    if directive.args.len() > 1 {
        let why = "NGINX does not start: the ; is missing, and the next directive is taken for \
                   arguments";
        let fix = Fix::write(format!("proxy_pass {};", directive.arg(0)));
        found.add("nginx-semicolon", &place(&directive.place), why, fix);
    }
}

/// The address of the server.
fn host(directive: &Directive, found: &mut Findings) {
    let url = directive.arg(0);
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let variable = rest.strip_prefix('$').unwrap_or_default();
    let is_clients = variable.starts_with(|c: char| c.is_ascii_digit())
        || ["arg_", "http_", "uri", "request_uri"]
            .iter()
            .any(|it| variable.starts_with(it));
    if is_clients {
        let why = "the client chooses the server: this is an open way into the network";
        let fix =
            Fix::Run("write a location with an address of its own for each server".to_owned());
        found.add("nginx-host-from-url", &place(&directive.place), why, fix);
    }
    if rest.starts_with("localhost:") {
        let why = "localhost is ::1 first, where nothing listens that is bound to 127.0.0.1: each \
                   request begins with a refused connection";
        let fix = Fix::write(format!(
            "proxy_pass {};",
            url.replacen("localhost", "127.0.0.1", 1)
        ));
        found.add("nginx-localhost", &place(&directive.place), why, fix);
    }
}

fn open_admin(passed: &Found<'_>, ports: &[u16], found: &mut Findings) {
    const PROTECTIONS: [&str; 6] = [
        "deny",
        "auth_basic",
        "auth_request",
        "auth_jwt",
        "internal",
        "ssl_verify_client",
    ];
    let is_admin = ports.iter().any(|port| ADMIN.contains(port));
    let is_protected = PROTECTIONS
        .iter()
        .any(|it| !passed.inherited(it).is_empty());
    let is_inner = passed.around.iter().any(|block| {
        let mut listens = block.iter().filter(|it| it.name == "listen").peekable();
        let is_local =
            |it: &Directive| it.arg(0).starts_with("127.") || it.arg(0).contains("unix:");
        listens.peek().is_some() && listens.all(is_local)
    });
    if is_admin && !is_protected && !is_inner {
        let why =
            "everybody reaches the admin API of Janus by this location: nothing denies anything";
        let fix = Fix::add_to("location", "allow 127.0.0.1;\ndeny all;");
        found.add(
            "proxy-admin-open",
            &place(&passed.directive.place),
            why,
            fix,
        );
    }
}

/// `location /janus` is also the beginning of `/janusx`.
fn prefix(passed: &Found<'_>, ports: &[u16], found: &mut Findings) {
    let Some(location) = passed.location else {
        return;
    };
    let path = location.arg(0);
    let is_plain = location.args.len() == 1 && path.len() > 1 && !path.ends_with('/');
    if is_plain && path.starts_with('/') && ports.iter().any(|port| JANUS.contains(port)) {
        let why = format!("{path} also matches paths that only begin so, such as {path}x");
        let fix = Fix::write(format!("location ~ ^{path}(/|$) {{"));
        found.add("nginx-prefix", &place(&location.place), why, fix);
    }
}

fn upgrade(passed: &Found<'_>, ports: &[u16], found: &mut Findings) {
    let is_websocket = ports.iter().any(|port| WEBSOCKETS.contains(port));
    if is_websocket && passed.header("upgrade").is_none() {
        let why = "WebSockets do not get through: NGINX leaves Upgrade out";
        let lines = "proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\n\
                     proxy_set_header Connection upgrade;";
        let fix = Fix::add_to("location", lines);
        found.add(
            "nginx-no-upgrade",
            &place(&passed.directive.place),
            why,
            fix,
        );
    }
}

/// Janus compares the beginning of the header, which the client wrote.
fn appended(machine: &Machine, passed: &Found<'_>, ports: &[u16], found: &mut Findings) {
    let is_appended = |it: &&Directive| it.arg(1).contains("$proxy_add_x_forwarded_for");
    let Some(header) = passed.header("x-forwarded-for").filter(is_appended) else {
        return;
    };
    let files = machine.janus.iter().flat_map(|janus| janus.files.values());
    let keys = [
        ["general", "acl_forwarded"],
        ["admin", "admin_acl_forwarded"],
        ["general", "ws_acl_forwarded"],
        ["admin", "admin_ws_acl_forwarded"],
    ];
    let mut on = files.flat_map(|tree| keys.iter().filter_map(move |key| tree.find(key)));
    let Some(on) = on.find(|member| member.node.is_true()) else {
        return;
    };
    let is_janus = ports.iter().any(|port| JANUS.contains(port));
    if is_janus && machine.is_older("janus", &[1, 1, 3]) != Some(true) {
        let why = format!(
            "every client passes the access list of Janus ({}): it compares the beginning of \
             X-Forwarded-For, and the client writes that",
            on.place
        );
        let fix = Fix::write("proxy_set_header X-Forwarded-For $remote_addr;");
        found.add("nginx-forwarded-appended", &place(&header.place), why, fix);
    }
}

/// A `return` of the server comes before its locations.
fn shadowed(server: &Directive, found: &mut Findings) {
    let returns = server.inner().iter().find(|it| it.name == "return");
    let is_acme = |it: &&Directive| {
        it.name == "location" && it.args.iter().any(|arg| arg.text.contains(".well-known"))
    };
    let location = server.inner().iter().find(is_acme);
    if let (Some(returns), Some(location)) = (returns, location) {
        let why = format!(
            "the location for {} is never used, and renewals by webroot fail: a return of the \
             server comes first",
            location.args.last().map_or("", |arg| arg.text.as_str())
        );
        let text = format!("location / {{ {}; }}", returns.shown());
        found.add(
            "nginx-return-first",
            &place(&returns.place),
            why,
            Fix::write(text),
        );
    }
}

/// Where it forwards to.
pub(super) fn forwards(machine: &Machine) -> Vec<Forward> {
    let mut found = Vec::new();
    for file in &machine.nginx {
        for passed in all(&file.directives)
            .iter()
            .filter(|it| it.directive.name == "proxy_pass")
        {
            let timeout = passed.inherited("proxy_read_timeout");
            let timeout = match timeout.last() {
                Some(directive) => milliseconds(directive.arg(0)),
                None => Some(60_000),
            };
            let says_https = passed.header("x-forwarded-proto").is_some();
            for port in ports(&file.directives, passed.directive.arg(0)) {
                found.push(Forward {
                    proxy: "NGINX",
                    place: place(&passed.directive.place),
                    port,
                    says_https,
                    request: timeout,
                    tunnel: timeout,
                    lines: ["proxy_read_timeout 90s;", "proxy_read_timeout 1h;"],
                });
            }
        }
    }
    found
}

/// `60`, `60s`, `1h`, `1d`.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// The addresses that it listens on, as they are written.
pub(super) fn listens(machine: &Machine) -> Vec<(Place, String, u16)> {
    let mut listens = Vec::new();
    for file in &machine.nginx {
        for found in all(&file.directives)
            .iter()
            .filter(|it| it.directive.name == "listen")
        {
            let text = found.directive.arg(0);
            let is_udp = found.directive.args.iter().any(|arg| arg.text == "udp");
            let (address, port) = match text.rsplit_once(':') {
                Some((address, port)) if !text.ends_with(']') => (address, port),
                _ if text.bytes().all(|byte| byte.is_ascii_digit()) => ("", text),
                _ => (text, "80"),
            };
            if let (Ok(port), false) = (port.parse(), is_udp || text.starts_with("unix:")) {
                listens.push((place(&found.directive.place), address.to_owned(), port));
            }
        }
    }
    listens
}

/// The files of certificates and keys.
pub(super) fn certificates(machine: &Machine) -> Vec<(Place, String, [&'static str; 2])> {
    let mut found = Vec::new();
    for file in &machine.nginx {
        for directive in all(&file.directives).iter().map(|found| found.directive) {
            let line = match directive.name.as_str() {
                "ssl_certificate" => ["ssl_certificate ", ";"],
                "ssl_certificate_key" => ["ssl_certificate_key ", ";"],
                _ => continue,
            };
            found.push((place(&directive.place), directive.arg(0).to_owned(), line));
        }
    }
    found
}
