//! Findings in the files of Prosody and Jitsi.

use super::Severity::{Danger, Warning};
use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "prosody-c2s-plain",
        Danger,
        "`c2s_require_encryption = false`, globally or for a host: port 5222 takes logins \
         without TLS.",
        "Documentation of Prosody.",
    ),
    entry(
        "prosody-plain-auth",
        Danger,
        "`allow_unencrypted_plain_auth = true`: passwords may be sent in clear.",
        "Documentation of Prosody.",
    ),
    entry(
        "prosody-trusted-proxies",
        Danger,
        "`trusted_proxies` has a network of all addresses: every client says itself what its \
         address is and that it has TLS.",
        "mod_http of Prosody 0.12.3.",
    ),
    entry(
        "prosody-http-public",
        Warning,
        "`http_interfaces` opens BOSH and WebSockets without TLS to all addresses. The default \
         is this machine.",
        "portmanager of Prosody 0.12.3.",
    ),
    entry(
        "prosody-not-secure",
        Warning,
        "BOSH or WebSockets are on without `consider_bosh_secure` or \
         `consider_websocket_secure`, and the proxy does not send `X-Forwarded-Proto`: Prosody \
         refuses logins, because encryption is required.",
        "mod_bosh, mod_websocket and mod_http of Prosody 0.12.3.",
    ),
    entry(
        "jitsi-empty-token",
        Danger,
        "`allow_empty_token` is true for a host with tokens, and no host is for guests: a user \
         without a token is a host.",
        "Documentation of Jitsi (tokens.md).",
    ),
    entry(
        "jitsi-token-forever",
        Danger,
        "A token that stands in a configuration has no `exp`, or one beyond 2100.",
        "RFC 7519, 4.1.4, counts seconds.",
    ),
    entry(
        "jitsi-secret-weak",
        Danger,
        "`app_secret`, `component_secret` or the secret of TURN is shorter than 16 characters, \
         or made of the words of examples. A person who guesses `app_secret` can make tokens for \
         every room.",
        "`SHORTEST` in src/doctor/rules/strength.rs.",
    ),
    entry(
        "jitsi-token-lists",
        Warning,
        "`asap_accepted_issuers` or `asap_accepted_audiences` is missing for a host with \
         tokens. Without the second, tokens for any audience are taken.",
        "mod_auth_token of Jitsi.",
    ),
    entry(
        "jitsi-turn-secret-differs",
        Warning,
        "Prosody makes TURN credentials with one secret, and the coturn of the same name has \
         another.",
        "mod_external_services of Prosody; draft-uberti-behave-turn-rest-00.",
    ),
    entry(
        "jitsi-plain-address",
        Warning,
        "`bosh` or `websocket` of `config.js` is an address without TLS, which a page with TLS \
         must not use.",
        "W3C, Mixed Content.",
    ),
];
