use std::path::Path;

use super::keys::{self, Keys};
use super::*;

fn problems(text: &str) -> Vec<String> {
    let report = parse(Path::new("t"), text).map(|loaded| loaded.warnings).unwrap_or_else(|report| report);
    report.to_string().lines().map(str::to_owned).collect()
}

/// How each kind of table is opened, and what its keys are called then.
const HEADERS: [(&Keys, &str, &str); 15] = [
    (&keys::ROOT, "", ""),
    (&keys::LISTEN, "[listen]", "listen."),
    (&keys::LOG, "[log]", "log."),
    (&keys::LIMITS, "[limits]", "limits."),
    (&keys::TLS, "[tls]", "tls."),
    (&keys::PAIR, "[[tls.certificates]]", "tls.certificates[0]."),
    (&keys::PASSTHROUGH, "[[passthrough]]", "passthrough[0]."),
    (&keys::UPSTREAM, "[upstreams.a]", "upstreams.a."),
    (&keys::ISSUER, "[issuers.a]", "issuers.a."),
    (&keys::POLICY, "[policies.a]", "policies.a."),
    (&keys::ROUTE, "[[routes]]", "routes[0]."),
    (&keys::ROUTE_HEADERS, "[[routes]]\n[routes.headers]", "routes[0].headers."),
    (&keys::ANSWER_HEADERS, "[[routes]]\n[routes.headers.response]", "routes[0].headers.response."),
    (&keys::TIMEOUTS, "[[routes]]\n[routes.timeouts]", "routes[0].timeouts."),
    (&keys::CORS, "[[routes]]\n[routes.cors]", "routes[0].cors."),
];

/// The line below the header.
fn line_below(header: &str) -> usize {
    2 + header.matches('\n').count()
}

/// A key that is in the list and read by nobody would be taken and have no effect.
#[test]
fn every_known_key_is_read() {
    assert_eq!(HEADERS.len(), keys::ALL.len());
    for (keys, header, prefix) in HEADERS {
        for key in keys.names {
            let want = format!("t:{}:{} {prefix}{key}: expected ", line_below(header), key.len() + 4);
            let got = problems(&format!("{header}\n{key} = 1979-05-27\n"));
            assert!(got.iter().any(|line| line.starts_with(&want)), "{want}\n{got:#?}");
        }
    }
}

#[test]
fn every_later_key_is_refused_without_advice_that_misleads() {
    for word in ["acme", "deploy", "token_auth_secret_file"] {
        for (keys, header, prefix) in HEADERS {
            let want = format!("t:{}:1 {prefix}{word}: not supported by this version; take it out", line_below(header));
            let got = problems(&format!("{header}\n{word} = 1\n"));
            assert!(got.contains(&want), "{}: {got:#?}", keys.table);
        }
    }
}

#[test]
fn integers_in_every_spelling() {
    for (written, wrong) in [
        ("0", false),
        ("+4", false),
        ("0x10", false),
        ("1_000", false),
        ("1024", false),
        ("1025", true),
        ("-0", true),
        ("-1", true),
        ("99999999999999999999999999", true),
        ("4.0", true),
        ("true", true),
    ] {
        let got = problems(&format!("[listen]\nworkers = {written}\n"));
        assert_eq!(got.iter().any(|line| line.starts_with("t:2:11 listen.workers: ")), wrong, "{written}: {got:#?}");
    }
}

#[test]
fn wrong_elements_do_not_shorten_a_list() {
    let got = problems("[upstreams.a]\nservers = [1]\n");
    assert!(got.contains(&"t:2:12 upstreams.a.servers[0]: expected a string, found an integer".to_owned()), "{got:#?}");
    assert!(!got.iter().any(|line| line.contains("is empty")), "{got:#?}");
    let got = problems("[policies.a]\nallow = [1]\n");
    assert!(!got.iter().any(|line| line.contains("empty list")), "{got:#?}");
}

#[test]
fn what_is_wrong_is_not_missing_too() {
    let got =
        problems("[listen]\nhttps = 1\n[tls]\ncertificates = 1\n[[routes]]\npath = 1\nupstream = 1\npolicy = 1\n");
    assert_eq!(got.len(), 5, "{got:#?}");
    assert!(got.iter().all(|line| line.contains("expected")), "{got:#?}");
}

#[test]
fn after_a_syntax_error_nothing_is_called_missing() {
    assert_eq!(problems("x ="), ["t:1:4 string values must be quoted, expected literal string"]);
}
