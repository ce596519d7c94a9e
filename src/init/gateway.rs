//! The text of `gateway.toml`.

use super::setup::{Service, Setup};

/// Writes `gateway.toml` for a set-up. Secrets are files in `secrets/` beside it.
pub fn gateway(setup: &Setup) -> String {
    let mut parts = vec![HEAD.to_owned(), certificates(setup)];
    parts.push(AUDIT.to_owned());
    if setup.has(Service::Janus) {
        parts.push(JANUS.to_owned());
    }
    if setup.has(Service::Kurento) {
        parts.push(KURENTO.to_owned());
    }
    if setup.has(Service::Jitsi) {
        parts.push(JITSI.to_owned());
    }
    if setup.has(Service::Coturn) {
        parts.push(coturn(setup));
    }
    parts.push(issuers(setup));
    parts.push(routes(setup));
    parts.join("\n").replace("HOST", setup.host.as_str())
}

const HEAD: &str = "\
#:schema /usr/share/ianitor/gateway.schema.json
# Written by `ianitor init`. Every key: /usr/share/doc/ianitor/reference.md
#
#   ianitor check --config FILE          every problem with its line, or what this file means
#   ianitor check --config FILE --live   also asks the servers
#   systemctl reload ianitor             applies the file, or changes nothing and says why
#
# Relative paths begin at the folder of this file. changes.md beside it has the lines to change in
# the files of the servers.

[listen]
https = [\"[::]:443\"]
http = [\"[::]:80\"]              # redirects every request to https
status = \"127.0.0.1:9900\"       # /healthz, /readyz and /metrics, for this machine
";

const AUDIT: &str = "\
[log]
audit = \"stdout\"               # refused messages, and what operators do
";

fn certificates(setup: &Setup) -> String {
    match &setup.mail {
        Some(mail) => format!(
            "# Using this accepts the terms of Let's Encrypt. HOST has to lead here, ports 80 and \
             443.\n[acme]\ncontact = [\"mailto:{mail}\"]\n\
             certificates = [{{ hosts = [\"HOST\"] }}]\n\
             store = \"/var/lib/ianitor/acme\"\n"
        ),
        None => "\
[tls]
self_signed = [\"HOST\"]         # made under certs/, for trying: browsers warn of it

#[acme]                         # instead of [tls]: using it accepts the terms of Let's Encrypt
#contact = [\"mailto:ops@example.com\"]
#certificates = [{ hosts = [\"HOST\"] }]
#store = \"/var/lib/ianitor/acme\"
"
        .to_owned(),
    }
}

const JANUS: &str = "\
[upstreams.janus]
servers = [\"http://127.0.0.1:8088\"]
protocol = \"janus\"
secret_file = \"secrets/janus-api\"
info = \"trim\"                  # no versions and addresses for callers

[upstreams.janus-ws]
servers = [\"http://127.0.0.1:8188\"]
protocol = \"janus\"
secret_file = \"secrets/janus-api\"
info = \"trim\"

[upstreams.janus-admin]
servers = [\"http://127.0.0.1:7088\"]
protocol = \"janus-admin\"
secret_file = \"secrets/janus-admin\"

[policies.operators]            # this machine; add your own networks, or sign-in by token
allow = [\"127.0.0.1\", \"::1\"]
messages = [\"janus-admin-observe\", \"janus-admin-operate\", \"janus-admin-debug\"]
";

const KURENTO: &str = "\
[upstreams.kurento]
servers = [\"http://127.0.0.1:8888\"]
protocol = \"kurento\"

[issuers.kurento-apps]          # application servers, whose tokens you sign
algorithms = [\"HS256\"]
secret_file = \"secrets/kurento-apps\"
audience = \"kurento\"
sources = [\"query:access_token\", \"header\"]

[policies.kurento-apps]
issuers = [\"kurento-apps\"]
messages = [\"kurento-app\"]      # own pipelines, without files and other hosts
";

const JITSI: &str = "\
[upstreams.prosody]
servers = [\"http://127.0.0.1:5280\"]
protocol = \"jitsi\"             # tokens are compared with room, tenant and domain

[upstreams.bridges]
bridges = { default-id = \"http://127.0.0.1:9090\" }     # by server-id

[issuers.jitsi]                 # your application signs tokens
algorithms = [\"HS256\"]
secret_file = \"secrets/jitsi-app\"
issuer = \"jitsi-app\"
audience = \"jitsi\"
sources = [\"query:token\"]

[policies.members]
issuers = [\"jitsi\"]
on_expiry = \"keep\"             # a meeting may last longer than its tokens
";

fn coturn(setup: &Setup) -> String {
    let turn = setup.turn.as_str();
    format!(
        "[turn.coturn]\nsecret_file = \"secrets/turn\"\n\
         uris = [\"turn:{turn}:3478?transport=udp\", \"turn:{turn}:3478?transport=tcp\"]\n"
    )
}

/// The issuer of the clients' tokens, and what these may do.
fn issuers(setup: &Setup) -> String {
    let mut out = String::new();
    if setup.has(Service::Janus) || setup.has(Service::Coturn) {
        out += "\
[issuers.app]                   # your application signs tokens: ianitor token mint --issuer app
algorithms = [\"HS256\"]
secret_file = \"secrets/app\"
audience = \"janus\"
sources = [\"header\", \"query:token\"]     # browsers can set no header on a WebSocket
";
    }
    if setup.has(Service::Janus) {
        out += "
[policies.callers]
issuers = [\"app\"]
messages = [\"janus-caller\"]     # calls in the rooms of the token, and nothing else
";
    }
    if setup.has(Service::Coturn) {
        out += "
[policies.relayed]
issuers = [\"app\"]
";
    }
    out
}

/// A route to an upstream.
fn route(path: &str, target: &str, policy: &str, more: &str) -> String {
    format!(
        "[[routes]]\nhost = \"HOST\"\npath = \"{path}\"\n{target}\npolicy = \"{policy}\"\n{more}"
    )
}

fn routes(setup: &Setup) -> String {
    let mut all = Vec::new();
    if setup.has(Service::Janus) {
        all.push(route("/janus", "upstream = \"janus\"", "callers", ""));
        all.push(route("/janus-ws", "upstream = \"janus-ws\"", "callers", ""));
        all.push(route(
            "/admin",
            "upstream = \"janus-admin\"",
            "operators",
            "",
        ));
    }
    if setup.has(Service::Kurento) {
        let target = "upstream = \"kurento\"";
        all.push(route("/kurento", target, "kurento-apps", ""));
    }
    if setup.has(Service::Jitsi) {
        let checked = "forward_token = true            # Prosody checks it too\n";
        for path in ["/http-bind", "/xmpp-websocket"] {
            all.push(route(path, "upstream = \"prosody\"", "members", checked));
        }
        // A bridge checks the password in each of its URLs.
        all.push(route("/colibri-ws", "upstream = \"bridges\"", "open", ""));
    }
    if setup.has(Service::Coturn) {
        all.push(route("/turn", "turn = \"coturn\"", "relayed", ""));
    }
    all.join("\n")
}
