//! `gateway.toml`, as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::access::{Access, Why};
use super::context;
use super::model::{Extras, Gateway, Route, Target, Upstream};
use crate::addr::Network;

/// An address that no client has: the policy admits no client.
const NO_CLIENT: &str = "0.0.0.0";
/// Where a closed route without a target of its own leads; no client is sent there.
const NO_TARGET: &str = "https://closed.invalid/closed";

/// The text, and which route each `[[routes]]` of it is.
pub(super) struct Written {
    pub(super) toml: String,
    pub(super) routes: Vec<usize>,
}

pub(super) fn write(gateway: &Gateway) -> Written {
    let mut out = String::from(
        "# Written by `ianitor import nginx`. Each route has the place that it comes from; its \
         report has a line for\n# every directive. Routes whose policy is closed-… admit no client \
         until you write that policy.\n",
    );
    listen(gateway, &mut out);
    certificates(gateway, &mut out);
    for upstream in used(gateway) {
        write_upstream(upstream, &mut out);
    }
    let policies = Policies::of(&gateway.routes);
    policies.write(&mut out);
    for passed in &gateway.passthrough {
        comment(&mut out, &format!("{} {}", passed.place, passed.sni));
        let _ = writeln!(out, "[[passthrough]]\nsni = {}", text(&passed.sni));
        let _ = writeln!(out, "to = {}", text(&passed.to));
        if passed.proxy_protocol {
            out.push_str("proxy_protocol = true\n");
        }
    }
    let mut written = Vec::new();
    for (at, route) in gateway.routes.iter().enumerate() {
        let every = [None];
        let hosts: Vec<Option<&String>> = match route.hosts.is_empty() {
            true => every.to_vec(),
            false => route.hosts.iter().map(Some).collect(),
        };
        for host in hosts {
            write_route(gateway, route, host, policies.name(route), &mut out);
            written.push(at);
        }
    }
    Written {
        toml: out,
        routes: written,
    }
}

/// A text of TOML.
fn text(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

/// A key of TOML: the names of most headers need no quotes.
fn key(name: &str) -> String {
    let is_bare = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if is_bare { name.to_owned() } else { text(name) }
}

fn list<T: ToString>(values: &[T]) -> String {
    let values: Vec<String> = values
        .iter()
        .map(|value| text(&value.to_string()))
        .collect();
    format!("[{}]", values.join(", "))
}

fn comment(out: &mut String, line: &str) {
    let plain: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let _ = writeln!(out, "\n# {plain}");
}

fn listen(gateway: &Gateway, out: &mut String) {
    let _ = writeln!(out, "\n[listen]\nhttps = {}", list(&gateway.https));
    for (key, values) in [
        ("http", &gateway.http),
        ("proxy_protocol", &gateway.proxy_protocol),
        ("trusted_proxies", &gateway.trusted_proxies),
    ] {
        if !values.is_empty() {
            let _ = writeln!(out, "{key} = {}", list(values));
        }
    }
    if let Some(header) = &gateway.client_address_header {
        let _ = writeln!(out, "client_address_header = {}", text(header));
    }
}

fn certificates(gateway: &Gateway, out: &mut String) {
    let has_none = gateway.certificates.is_empty() && gateway.acme.is_empty();
    if has_none || !gateway.certificates.is_empty() || gateway.min_version == Some("1.3") {
        out.push_str("\n[tls]\n");
    }
    if gateway.min_version == Some("1.3") {
        out.push_str("min_version = \"1.3\"\n");
    }
    if has_none {
        out.push_str("self_signed = [\"localhost\"]\n");
    }
    if !gateway.certificates.is_empty() {
        out.push_str("certificates = [\n");
        for (cert, key) in &gateway.certificates {
            let _ = writeln!(out, "    {{ cert = {}, key = {} }},", text(cert), text(key));
        }
        out.push_str("]\n");
    }
    if !gateway.acme.is_empty() {
        out.push_str(
            "\n[acme]                                 # using it accepts the CA's terms\n",
        );
        out.push_str("certificates = [\n");
        for hosts in &gateway.acme {
            let _ = writeln!(out, "    {{ hosts = {} }},", list(hosts));
        }
        out.push_str("]\n");
    }
}

/// The upstreams that a route leads to.
fn used(gateway: &Gateway) -> impl Iterator<Item = &Upstream> {
    let is_used = |at: usize| {
        gateway.routes.iter().any(
            |route| matches!(route.target, Target::Upstream { upstream, .. } if upstream == at),
        )
    };
    let all = gateway.upstreams.iter().enumerate();
    all.filter(move |(at, _)| is_used(*at))
        .map(|(_, upstream)| upstream)
}

fn write_upstream(upstream: &Upstream, out: &mut String) {
    let _ = writeln!(out, "\n[upstreams.{}]", upstream.name);
    let _ = writeln!(out, "servers = {}", list(&upstream.servers));
    if !upstream.backup.is_empty() {
        let _ = writeln!(out, "backup = {}", list(&upstream.backup));
    }
    let keys = [
        ("protocol", upstream.protocol),
        ("balance", upstream.balance),
        ("ca_file", upstream.ca_file.as_deref()),
        ("server_name", upstream.server_name.as_deref()),
    ];
    for (key, value) in keys {
        if let Some(value) = value {
            let _ = writeln!(out, "{key} = {}", text(value));
        }
    }
    if let Some(most) = upstream.max_connections {
        let _ = writeln!(out, "max_connections = {most}");
    }
}

/// The policies of all routes, by their names.
struct Policies(BTreeMap<String, (Access, String)>);

impl Policies {
    fn of(routes: &[Route]) -> Self {
        let mut policies = Self(BTreeMap::new());
        for route in routes {
            if route.access == Access::Open || policies.find(&route.access).is_some() {
                continue;
            }
            let wanted = match &route.access {
                Access::Closed(Why::AsBefore | Why::Returned) => "closed".to_owned(),
                Access::Closed(Why::ToBeWritten { .. }) => {
                    format!("closed-{}", context::name(path_words(&route.path)))
                }
                _ => context::name(path_words(&route.path)),
            };
            let numbered = (2..).map(|number| format!("{wanted}-{number}"));
            let mut names = std::iter::once(wanted.clone()).chain(numbered);
            let is_free = |name: &String| name != "open" && !policies.0.contains_key(name);
            if let Some(name) = names.find(is_free) {
                policies
                    .0
                    .insert(name, (route.access.clone(), route.path.clone()));
            }
        }
        policies
    }

    fn find(&self, access: &Access) -> Option<&str> {
        let is_closed =
            |access: &Access| matches!(access, Access::Closed(Why::AsBefore | Why::Returned));
        let is_same = |other: &Access| other == access || (is_closed(other) && is_closed(access));
        let mut all = self.0.iter();
        all.find(|(_, (other, _))| is_same(other))
            .map(|(name, _)| name.as_str())
    }

    fn name(&self, route: &Route) -> &str {
        match route.access {
            Access::Open => "open",
            _ => self.find(&route.access).unwrap_or("closed"),
        }
    }

    fn write(&self, out: &mut String) {
        for (name, (access, path)) in &self.0 {
            match access {
                Access::Closed(Why::ToBeWritten { place, limit }) => {
                    comment(
                        out,
                        &format!("To be written for {path}, in place of {limit}"),
                    );
                    comment_on(out, &format!("({place}): no client passes until then."));
                }
                Access::Closed(_) => comment(out, "No client passes, as before."),
                _ => out.push('\n'),
            }
            let (allow, deny) = match access {
                Access::Addresses { allow, deny } => (shown(allow), shown(deny)),
                _ => (vec![NO_CLIENT.to_owned()], Vec::new()),
            };
            let _ = writeln!(out, "[policies.{name}]\nallow = {}", list(&allow));
            if !deny.is_empty() {
                let _ = writeln!(out, "deny = {}", list(&deny));
            }
        }
    }
}

/// Networks, of which one with a single address is that address.
fn shown(networks: &[Network]) -> Vec<String> {
    let one = |network: &Network| {
        let text = network.to_string();
        let length = if text.contains(':') { "/128" } else { "/32" };
        text.strip_suffix(length)
            .map_or(text.clone(), str::to_owned)
    };
    networks.iter().map(one).collect()
}

fn path_words(path: &str) -> &str {
    match path.trim_matches('/') {
        "" => "all",
        words => words,
    }
}

fn comment_on(out: &mut String, line: &str) {
    let plain: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let _ = writeln!(out, "# {plain}");
}

fn write_route(
    gateway: &Gateway,
    route: &Route,
    host: Option<&String>,
    policy: &str,
    out: &mut String,
) {
    comment(out, &format!("{} {}", route.place, route.from));
    out.push_str("[[routes]]\n");
    if let Some(host) = host {
        let _ = writeln!(out, "host = {}", text(host));
    }
    let _ = writeln!(out, "path = {}", text(&route.path));
    match &route.target {
        Target::Upstream {
            upstream,
            rewrite,
            host_header,
        } => {
            let name = gateway
                .upstreams
                .get(*upstream)
                .map_or("", |upstream| &upstream.name);
            let _ = writeln!(out, "upstream = {}", text(name));
            for (key, value) in [("rewrite", rewrite), ("host_header", host_header)] {
                if let Some(value) = value {
                    let _ = writeln!(out, "{key} = {}", text(value));
                }
            }
        }
        Target::Files { folder, spa } => {
            let _ = writeln!(out, "files = {}", text(folder));
            if let Some(spa) = spa {
                let _ = writeln!(out, "spa = {}", text(spa));
            }
        }
        Target::Redirect { to, status } => {
            let _ = writeln!(out, "redirect = {}\nredirect_status = {status}", text(to));
        }
        Target::Nothing => {
            let _ = writeln!(out, "redirect = {}    # never reached", text(NO_TARGET));
        }
    }
    let _ = writeln!(out, "policy = {}", text(policy));
    write_extras(&route.extras, out);
}

fn write_extras(extras: &Extras, out: &mut String) {
    let keys = [
        ("body", &extras.body),
        ("requests", &extras.requests),
        ("hsts", &extras.hsts),
    ];
    for (key, value) in keys {
        if let Some(value) = value {
            let _ = writeln!(out, "{key} = {}", text(value));
        }
    }
    if let Some(time) = &extras.timeout {
        let time = text(time);
        let _ = writeln!(out, "timeouts = {{ response = {time}, idle = {time} }}");
    }
    if let Some(origin) = &extras.cors {
        let _ = writeln!(out, "cors = {{ origins = {} }}", list(&[origin]));
    }
    let request = edits(&extras.set, &extras.remove);
    let answer = edits(&extras.answer_set, &extras.answer_remove);
    let answer = answer.map(|answer| format!("response = {{ {answer} }}"));
    let both: Vec<String> = [request, answer].into_iter().flatten().collect();
    if !both.is_empty() {
        let _ = writeln!(out, "headers = {{ {} }}", both.join(", "));
    }
}

fn edits(set: &BTreeMap<String, String>, remove: &[String]) -> Option<String> {
    let pairs = set
        .iter()
        .map(|(name, value)| format!("{} = {}", key(name), text(value)));
    let pairs: Vec<String> = pairs.collect();
    let set = (!pairs.is_empty()).then(|| format!("set = {{ {} }}", pairs.join(", ")));
    let remove = (!remove.is_empty()).then(|| format!("remove = {}", list(remove)));
    let both: Vec<String> = [set, remove].into_iter().flatten().collect();
    (!both.is_empty()).then(|| both.join(", "))
}
