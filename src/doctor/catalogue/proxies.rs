//! Findings in the files of HAProxy and NGINX.

use super::Severity::{Danger, Hint, Warning};
use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "nginx-syntax",
        Danger,
        "NGINX cannot read its configuration, and does not start.",
        "The reader of src/nginx, which follows NGINX's own.",
    ),
    entry(
        "nginx-semicolon",
        Danger,
        "`proxy_pass` has more than one argument: its `;` is missing, and NGINX does not start \
         (`invalid number of arguments`).",
        "Tried with NGINX 1.22.1.",
    ),
    entry(
        "nginx-host-from-url",
        Danger,
        "The host of `proxy_pass` is a part of the URL, of the query or of a header, so that \
         every client chooses where NGINX connects to.",
        "Configuration of Jitsi Meet for several bridges.",
    ),
    entry(
        "nginx-forwarded-appended",
        Danger,
        "`X-Forwarded-For` is appended to what the client sent, and Janus compares the \
         beginning of the value with its access list.",
        "Sources of Janus 1.1.3.",
    ),
    entry(
        "nginx-return-first",
        Warning,
        "A `return` of a server comes before all its locations, so that the one for `/.well- \
         known` is never used: renewals by webroot fail.",
        "Documentation of NGINX (ngx_http_rewrite_module).",
    ),
    entry(
        "nginx-no-upgrade",
        Warning,
        "A location leads to the port of WebSockets without `proxy_set_header Upgrade`.",
        "Documentation of NGINX (WebSocket proxying).",
    ),
    entry(
        "nginx-prefix",
        Hint,
        "`location /janus` also matches `/janusx`, which Janus answers as well.",
        "Tried with NGINX 1.22.1 and Janus 1.1.2.",
    ),
    entry(
        "nginx-localhost",
        Hint,
        "`localhost` is ::1 first; Janus listens on IPv4, and each request costs a refused \
         connection.",
        "Tried with NGINX 1.22.1.",
    ),
    entry(
        "proxy-admin-open",
        Danger,
        "The proxy leads to the admin API of Janus, and no rule denies anything.",
        "Tried with HAProxy 2.6, NGINX 1.22.1 and Janus 1.1.2.",
    ),
    entry(
        "haproxy-forwarded-acl",
        Danger,
        "A condition asks for `X-Forwarded-For`, which every client can write, and nothing has \
         taken the header away before.",
        "Documentation of HAProxy (hdr_ip).",
    ),
    entry(
        "haproxy-raw-path",
        Danger,
        "A rule denies by `path` or `path_beg`. HAProxy compares the path as it was sent, and \
         Janus decodes it: `/%61dmin` gets by.",
        "Tried with HAProxy 2.6 and Janus 1.1.2.",
    ),
    entry(
        "haproxy-verify-none",
        Warning,
        "`verify none` towards a server that is not on this machine.",
        "Documentation of HAProxy.",
    ),
    entry(
        "proxy-timeout",
        Warning,
        "The proxy gives up before the server would answer: BOSH waits for 60 s, and Kurento's \
         Java client pings once in 240 s.",
        "Tried with Prosody 0.12.3; sources of kurento-client.",
    ),
];
