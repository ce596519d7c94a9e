//! Findings in the files of Janus.

use super::Severity::{Danger, Hint, Warning};
use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "janus-admin-public",
        Danger,
        "A transport of the admin API is on and listens on all addresses without `admin_acl`. \
         The admin API lists and ends sessions, captures packets and configures plugins; `GET \
         /admin/info` needs no secret at all.",
        "Tried with Janus 1.1.2; the comments of janus.transport.http.jcfg.",
    ),
    entry(
        "janus-admin-secret-default",
        Danger,
        "The admin API is on, and `admin_secret` is still `janusoverlord`, as in the file that \
         Janus comes with.",
        "janus.jcfg of Janus 1.1.2.",
    ),
    entry(
        "janus-api-open",
        Danger,
        "A transport of the API listens on all addresses without `acl`, and there is neither \
         `api_secret` nor `token_auth`: everybody can open sessions and rooms, past any gateway \
         in front.",
        "Tried with Janus 1.1.2.",
    ),
    entry(
        "janus-syntax",
        Danger,
        "libconfig cannot read `janus.jcfg`. Janus then looks for a file of the old kind \
         (`janus.cfg`), finds none, and does not start.",
        "Tried with Janus 1.1.2 and libconfig 1.5.",
    ),
    entry(
        "janus-file-unread",
        Warning,
        "libconfig cannot read a file of a plugin or transport, which then has none of its \
         settings, or is left out. Debian's `janus.transport.mqtt.jcfg` is such a one: two of \
         its paths have no quotes.",
        "Tried with Janus 1.1.2 and libconfig 1.5.",
    ),
    entry(
        "janus-turn-brackets",
        Danger,
        "`turn_server` or `stun_server` is an IPv6 address in brackets. Janus looks it up as a \
         name and ends with `Invalid TURN address`.",
        "Tried with Janus 1.1.2.",
    ),
    entry(
        "janus-turn-unresolved",
        Danger,
        "With `--live`: the name in `turn_server` or `stun_server` has no address. Janus ends \
         with `Invalid TURN address`.",
        "Tried with Janus 1.1.2.",
    ),
    entry(
        "janus-turn-rest-http",
        Danger,
        "`turn_rest_api` is an `http://` address on another network: Janus sends its key in the \
         query, and the answer has a password.",
        "Tried with Janus 1.1.2.",
    ),
    entry(
        "janus-acl-forwarded",
        Warning,
        "`acl_forwarded` and its kin are ignored by Janus before 1.1.3, so that an `acl` sees \
         the address of the proxy for every client. The version is that of the installed \
         package.",
        "Sources of Janus 1.1.2 and 1.1.3.",
    ),
    entry(
        "janus-acl-prefix",
        Warning,
        "An entry of `acl` is a number without its final dot. Janus compares texts: `10` admits \
         10.…, 100.… and 101.… as well.",
        "Sources of Janus 1.1.2.",
    ),
    entry(
        "janus-wrong-block",
        Warning,
        "A key of the admin API stands in `general`, or one of the API in `admin`, where Janus \
         does not look for it: the restriction that it was meant for does not exist.",
        "Sources of Janus 1.1.2.",
    ),
    entry(
        "janus-secret-reused",
        Warning,
        "`admin_secret` is the same as `api_secret` or `token_auth_secret`. Applications have \
         the latter, and with it the admin API.",
        "janus.jcfg of Janus 1.1.2.",
    ),
    entry(
        "janus-secret-weak",
        Warning,
        "A secret is shorter than 16 characters, or made of the words of examples. \
         `admin_secret` counts only where the admin API is on.",
        "`SHORTEST` in src/doctor/rules/strength.rs.",
    ),
    entry(
        "janus-token-nowhere",
        Warning,
        "`token_auth` is on without `token_auth_secret`, and every transport of the admin API \
         is off. Stored tokens are added by the admin API, so that no client can ever have one.",
        "janus.jcfg of Janus 1.1.2; tried.",
    ),
    entry(
        "janus-room-no-secret",
        Warning,
        "A room or mountpoint of a configuration file has no `secret`: every client can edit \
         and destroy it.",
        "janus.plugin.videoroom.jcfg of Janus 1.1.2.",
    ),
    entry(
        "janus-room-secret-default",
        Warning,
        "A room or mountpoint has the secret of the examples, `adminpwd`.",
        "Files of Janus 1.1.2.",
    ),
    entry(
        "janus-record-open",
        Hint,
        "A VideoRoom has no `lock_record`: each publisher may have its media written to the \
         disk of the server, under a name that it chooses.",
        "janus.plugin.videoroom.jcfg of Janus 1.1.2.",
    ),
    entry(
        "janus-pingpong-off",
        Warning,
        "Janus sends no pings on WebSockets (`pingpong_trigger`), and the proxy in front closes \
         what is silent for a minute.",
        "Documentation of HAProxy (timeout tunnel) and Janus.",
    ),
    entry(
        "janus-reclaim-zero",
        Hint,
        "`reclaim_session_timeout` is 0, and a proxy is in front of the WebSockets: a restart \
         of the proxy ends every call, because sessions end with their connection.",
        "Tried with Janus 1.1.2.",
    ),
];
