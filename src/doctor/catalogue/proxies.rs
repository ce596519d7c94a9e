//! Findings in `haproxy.cfg`.

use super::Severity::{Danger, Warning};
use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "proxy-admin-open",
        Danger,
        "The proxy leads to the admin API of Janus, and no rule denies anything.",
        "Tried with HAProxy 2.6 and Janus 1.1.2.",
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
