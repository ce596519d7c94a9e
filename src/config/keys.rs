//! The keys that each table knows: the one list of names that `gateway.toml` has.

use super::suggest;

/// A kind of table and its keys.
#[derive(Debug)]
pub(super) struct Keys {
    /// How the documentation writes the table.
    pub(super) table: &'static str,
    /// What may stand in it.
    pub(super) names: &'static [&'static str],
}

pub(super) static ROOT: Keys = Keys {
    table: "the top level",
    names: &["listen", "log", "limits", "tls", "passthrough", "upstreams", "issuers", "policies", "routes"],
};
pub(super) static LISTEN: Keys = Keys {
    table: "[listen]",
    names: &["https", "http", "status", "public_port", "workers", "h2_websockets", "proxy_protocol", "trusted_proxies"],
};
pub(super) static LOG: Keys = Keys { table: "[log]", names: &["format", "access"] };
pub(super) static LIMITS: Keys = Keys {
    table: "[limits]",
    names: &[
        "connections",
        "connections_per_client",
        "requests_per_client",
        "bad_tokens_per_client",
        "exempt",
        "header_timeout",
        "idle_timeout",
        "body",
        "drain",
    ],
};
pub(super) static TLS: Keys =
    Keys { table: "[tls]", names: &["min_version", "certificates", "self_signed", "default"] };
pub(super) static PAIR: Keys = Keys { table: "tls.certificates", names: &["cert", "key"] };
pub(super) static UPSTREAM: Keys =
    Keys { table: "[upstreams.NAME]", names: &["servers", "protocol", "balance", "ca_file", "server_name"] };
pub(super) static ISSUER: Keys = Keys {
    table: "[issuers.NAME]",
    names: &[
        "algorithms",
        "key_file",
        "secret_file",
        "secret_env",
        "secret",
        "secret_base64",
        "jwks_url",
        "asap_url",
        "ca_file",
        "issuer",
        "audience",
        "sources",
        "leeway",
        "max_lifetime",
        "revoked_file",
    ],
};
pub(super) static POLICY: Keys = Keys {
    table: "[policies.NAME]",
    names: &["allow", "deny", "issuers", "claims", "satisfy", "on_expiry", "expiry_grace"],
};
pub(super) static ROUTE: Keys = Keys {
    table: "[[routes]]",
    names: &[
        "host",
        "path",
        "upstream",
        "files",
        "follow_symlinks",
        "redirect",
        "redirect_status",
        "policy",
        "body",
        "strip_prefix",
        "rewrite",
        "headers",
        "host_header",
        "timeouts",
        "hsts",
        "security_headers",
        "cors",
        "forward_token",
        "after_sign_in",
        "i_know_this_is_open",
    ],
};
pub(super) static ROUTE_HEADERS: Keys = Keys { table: "routes.headers", names: &["set", "remove", "response"] };
pub(super) static ANSWER_HEADERS: Keys = Keys { table: "routes.headers.response", names: &["set", "remove"] };
pub(super) static TIMEOUTS: Keys = Keys { table: "routes.timeouts", names: &["response", "idle"] };
pub(super) static CORS: Keys =
    Keys { table: "routes.cors", names: &["origins", "credentials", "methods", "headers", "max_age"] };

pub(super) static PASSTHROUGH: Keys = Keys { table: "[[passthrough]]", names: &["sni", "to", "proxy_protocol"] };

/// Every table.
pub(super) static ALL: [&Keys; 15] = [
    &ROOT,
    &LISTEN,
    &LOG,
    &LIMITS,
    &TLS,
    &PAIR,
    &PASSTHROUGH,
    &UPSTREAM,
    &ISSUER,
    &POLICY,
    &ROUTE,
    &ROUTE_HEADERS,
    &ANSWER_HEADERS,
    &TIMEOUTS,
    &CORS,
];

/// Keys of the full `gateway.toml`, in whatever table, that this version cannot keep its word on. A key moves from here
/// to its table when it is built.
#[rustfmt::skip]
const LATER: &[&str] = &[
    "acme", "deploy", "turn",
    "token_auth_secret_file",
    "messages", "rules",
];

/// Those that other tables have already.
const LATER_IN_UPSTREAMS: &[&str] = &["secret_file"];

/// The targets among them: a route with one of these does not lack a target, this version lacks the target.
pub(super) const LATER_TARGETS: [&str; 1] = ["turn"];

/// What to say of a key that the table does not know.
pub(super) fn unknown(keys: &Keys, word: &str) -> String {
    if LATER.contains(&word) || (std::ptr::eq(keys, &UPSTREAM) && LATER_IN_UPSTREAMS.contains(&word)) {
        return "not supported by this version; take it out".to_owned();
    }
    let owners: Vec<&str> = ALL.iter().filter(|other| other.names.contains(&word)).map(|other| other.table).collect();
    if !owners.is_empty() {
        return format!("unknown key here; it belongs to {}", owners.join(" or "));
    }
    match suggest::nearest(word, keys.names) {
        Some(meant) => format!("unknown key, did you mean \"{meant}\"?"),
        None => format!("unknown key; {} knows {}", keys.table, keys.names.join(", ")),
    }
}
