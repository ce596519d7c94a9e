//! Keys that a table does not know, and what was probably meant.

use super::schema::{Form, Keys};
use super::suggest;

/// What to say of a key that the table does not know.
pub(super) struct Unknown {
    pub(super) text: String,
    /// The key of the table that was meant, if there is hardly a doubt.
    pub(super) meant: Option<&'static str>,
}

impl From<String> for Unknown {
    fn from(text: String) -> Self {
        Self { text, meant: None }
    }
}

/// What other servers call a key, or have a key for.
struct Foreign {
    table: &'static str,
    words: &'static [&'static str],
    here: Here,
}

enum Here {
    /// This key of the same table.
    Is(&'static str),
    /// Advice, after "unknown key; ".
    Advice(&'static str),
}

const fn is(table: &'static str, words: &'static [&'static str], key: &'static str) -> Foreign {
    let here = Here::Is(key);
    Foreign { table, words, here }
}

const fn advice(
    table: &'static str,
    words: &'static [&'static str],
    text: &'static str,
) -> Foreign {
    let here = Here::Advice(text);
    Foreign { table, words, here }
}

const FOREIGN: &[Foreign] = &[
    is("tls.certificates", &["file"], "cert"),
    is("[policies.NAME]", &["auth_request"], "forward_auth"),
    is("[policies.NAME]", &["auth_basic", "basic_auth"], "basic"),
    is(
        "[policies.NAME]",
        &["client_cert", "mtls", "ssl_verify_client", "client_auth"],
        "client_certificate",
    ),
    is(
        "[tls]",
        &["ssl_client_certificate", "client_certificate", "client_cas"],
        "client_ca",
    ),
    is("[tls]", &["ssl_crl", "crl", "crl_file"], "client_crl"),
    is(
        "policies.client_certificate",
        &["cn", "subjects"],
        "subject",
    ),
    is("policies.client_certificate", &["sans", "names"], "san"),
    is("policies.forward_auth", &["address", "uri"], "url"),
    is("the top level", &["policy", "acl"], "policies"),
    is(
        "the top level",
        &["server", "servers", "location"],
        "routes",
    ),
    advice(
        "[listen]",
        &["http3", "h3", "quic"],
        "HTTP/3 is not served, only HTTP/2 and HTTP/1.1; take it out",
    ),
    advice(
        "[listen]",
        &["http2", "h2"],
        "HTTP/2 is always served; take it out",
    ),
    advice(
        "[listen]",
        &[
            "port", "ports", "address", "addr", "bind", "listen", "tls", "ssl",
        ],
        "write https = [\"[::]:443\"]",
    ),
    advice(
        "[listen]",
        &["server_name", "host", "hosts"],
        "names are the host of [[routes]]; take it out",
    ),
    is("[listen]", &["metrics", "prometheus"], "status"),
    is("[listen]", &["control_socket", "socket"], "control"),
    is("[log]", &["filter", "verbosity"], "level"),
    advice(
        "[log]",
        &["file", "path", "output"],
        "the log goes to standard output, where systemd or the shell takes it; take it out",
    ),
    advice(
        "[tls]",
        &[
            "cert",
            "cert_file",
            "certificate",
            "key",
            "key_file",
            "fullchain",
            "privkey",
        ],
        "write certificates = [{ cert = \"fullchain.pem\", key = \"privkey.pem\" }]",
    ),
    advice(
        "[tls]",
        &["ciphers", "cipher_suites", "curves", "protocols"],
        "only min_version can be chosen; take it out",
    ),
    advice(
        "[[passthrough]]",
        &["tls", "cert", "key"],
        "TLS ends at the server in \"to\", not here; take it out",
    ),
    is(
        "[[passthrough]]",
        &["host", "hosts", "server_name", "hostname", "name", "domain"],
        "sni",
    ),
    is(
        "[[passthrough]]",
        &["server", "servers", "upstream", "address", "target"],
        "to",
    ),
    is("[[routes]]", &["location", "prefix", "path_prefix"], "path"),
    is(
        "[[routes]]",
        &["server_name", "hostname", "domain", "vhost"],
        "host",
    ),
    advice(
        "[[routes]]",
        &[
            "proxy_pass",
            "backend",
            "server",
            "servers",
            "target",
            "to",
            "url",
            "proxy",
        ],
        "write the server in [upstreams.NAME], servers = [\"http://127.0.0.1:8088\"], and here \
         upstream = \"NAME\"",
    ),
    is(
        "[[routes]]",
        &["root", "alias", "folder", "directory", "static", "file"],
        "files",
    ),
    is("[[routes]]", &["gzip", "encode", "compression"], "compress"),
    is("[[routes]]", &["try_files", "fallback"], "spa"),
    is("[[routes]]", &["error_page", "errors"], "error_pages"),
    is("[[routes]]", &["limit_conn", "max_conn"], "concurrent"),
    is("[[routes]]", &["return", "redirect_to"], "redirect"),
    is(
        "[[routes]]",
        &["client_max_body_size", "max_body", "max_body_size"],
        "body",
    ),
    is("[[routes]]", &["add_header", "proxy_set_header"], "headers"),
    is(
        "[[routes]]",
        &["limit_req", "rate", "rate_limit", "ratelimit"],
        "requests",
    ),
    advice(
        "[[routes]]",
        &["methods", "method", "limit_except"],
        "a route is for every method, and its server decides; take it out",
    ),
    advice(
        "[[routes]]",
        &["auth", "auth_basic", "auth_request", "basic_auth"],
        "a policy decides who passes; docs/logins.md has forward_auth and basic",
    ),
    advice(
        "[[routes]]",
        &["expires"],
        "it has no counterpart here; docs/from-nginx.md says what to do instead",
    ),
    is(
        "[upstreams.NAME]",
        &["url", "urls", "address", "addresses", "host", "to", "hosts"],
        "servers",
    ),
    advice(
        "[upstreams.NAME]",
        &[
            "verify",
            "insecure",
            "tls_verify",
            "skip_verify",
            "insecure_skip_verify",
        ],
        "certificates of servers are always verified; name their CA or the certificate itself, \
         ca_file = \"ca.pem\", or its key, pin = \"sha256/…\"",
    ),
    advice(
        "[upstreams.NAME]",
        &["weight"],
        "every server takes part, by balance; leave it out",
    ),
    advice(
        "[upstreams.NAME]",
        &["timeout", "timeouts", "read_timeout", "proxy_read_timeout"],
        "time limits are those of routes, timeouts = { response = \"75s\" }",
    ),
    advice(
        "[upstreams.NAME]",
        &["apisecret", "api_secret", "admin_secret"],
        "write the secret into a file of its own, secret_file = \"secrets/janus-api\"",
    ),
    advice(
        "[upstreams.NAME]",
        &["token_auth_secret"],
        "write the secret into a file of its own, \
         token_auth_secret_file = \"secrets/janus-tokens\"",
    ),
    is("[issuers.NAME]", &["jwks_uri", "jwks", "url"], "jwks_url"),
    advice(
        "[issuers.NAME]",
        &[
            "discovery",
            "discovery_url",
            "openid_configuration",
            "metadata",
        ],
        "write the jwks_uri that is in that document, jwks_url = \"https://…\"",
    ),
    is("[issuers.NAME]", &["aud", "client_id"], "audience"),
    is("[issuers.NAME]", &["iss"], "issuer"),
    is("[issuers.NAME]", &["alg", "algs"], "algorithms"),
    is(
        "[issuers.NAME]",
        &["key", "public_key", "public_key_file"],
        "key_file",
    ),
    advice(
        "[acme]",
        &["email", "mail"],
        "write contact = [\"mailto:ops@example.com\"]",
    ),
    advice(
        "[acme]",
        &["host", "hosts", "domain", "domains", "names"],
        "write certificates = [{ hosts = [\"media.example.com\"] }]",
    ),
    is("[acme]", &["server", "ca", "url"], "directory"),
    is("[turn.NAME]", &["urls", "url", "uri", "servers"], "uris"),
    is(
        "[turn.NAME]",
        &["static_auth_secret", "static-auth-secret"],
        "secret",
    ),
];

/// What to say of a key that the table does not know; `None` if the table knows it. `root`
/// describes the whole file; `is_table` says that the value is a table or several.
pub(super) fn unknown(
    root: &'static Keys,
    keys: &Keys,
    word: &str,
    is_table: bool,
) -> Option<Unknown> {
    if keys.has(word) {
        return None;
    }
    Some(match foreign(keys, word) {
        Some(Here::Is(key)) => did_you_mean(keys, key, is_table),
        Some(Here::Advice(text)) => format!("unknown key; {text}").into(),
        None => misspelt_or_misplaced(root, keys, word, is_table),
    })
}

fn foreign(keys: &Keys, word: &str) -> Option<&'static Here> {
    let mut all = FOREIGN.iter();
    let found = all.find(|one| one.table == keys.table && one.words.contains(&word));
    found.map(|one| &one.here)
}

fn did_you_mean(keys: &Keys, key: &'static str, is_table: bool) -> Unknown {
    Unknown {
        text: format!("unknown key, did you mean \"{key}\"?"),
        meant: Some(key).filter(|key| fits(keys, key, is_table)),
    }
}

/// Whether the table has such a key for such a value.
fn fits(keys: &Keys, name: &str, is_table: bool) -> bool {
    let mut all = keys.keys.iter();
    all.any(|key| key.name == name && opens_table(key.form) == is_table)
}

fn opens_table(form: Form) -> bool {
    form.keys().is_some() || matches!(form, Form::Values(_))
}

fn misspelt_or_misplaced(root: &'static Keys, keys: &Keys, word: &str, is_table: bool) -> Unknown {
    let names: Vec<&'static str> = keys.names().collect();
    let near = suggest::nearest(word, &names);
    let mut owners = root.all();
    owners.retain(|other| fits(other, word, is_table));
    let mut owners: Vec<&str> = owners.iter().map(|table| table.table).collect();
    // `[defaults]` has tables of routes.
    owners.dedup();
    let owners = owners.join(" or ");
    match near {
        Some(near) if owners.is_empty() || is_other_number(word, near) => {
            did_you_mean(keys, near, is_table)
        }
        Some(near) => {
            format!("unknown key, did you mean \"{near}\"? \"{word}\" belongs to {owners}").into()
        }
        None if owners == root.table && !is_table => {
            let text = "unknown key here; write it above the first table of the file";
            text.to_owned().into()
        }
        None if !owners.is_empty() => format!("unknown key here; it belongs to {owners}").into(),
        None => format!("unknown key; {} knows {}", keys.table, names.join(", ")).into(),
    }
}

/// Whether one is the plural of the other.
fn is_other_number(one: &str, other: &str) -> bool {
    one.strip_suffix('s') == Some(other) || other.strip_suffix('s') == Some(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read::Section as _;
    use crate::config::tables::Raw;

    #[test]
    fn words_of_other_servers_name_tables_and_keys_that_exist() {
        let tables = Raw::KEYS.all();
        for Foreign { table, words, here } in FOREIGN {
            let keys = tables.iter().find(|keys| keys.table == *table);
            let keys = keys.unwrap_or_else(|| panic!("{table} does not exist"));
            for word in *words {
                assert!(!keys.has(word), "{table} has {word} itself");
            }
            if let Here::Is(key) = here {
                assert!(keys.has(key), "{table} has no {key}");
            }
        }
    }
}
