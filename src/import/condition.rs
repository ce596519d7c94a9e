//! `if`: the few that are known, and all others.

use crate::nginx::Directive;

/// What an `if` is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Plain HTTP is redirected to https.
    ToHttps,
    /// Requests of one host are redirected.
    HostRedirect {
        host: String,
        to: String,
        status: u16,
    },
    /// It decides neither who passes nor where to.
    Harmless,
    /// Anything else, which may limit access.
    Limit,
}

/// Directives in an `if` that neither answer nor forward a request.
const HARMLESS: [&str; 5] = ["set", "expires", "add_header", "break", "access_log"];

pub(super) fn of(directive: &Directive) -> Condition {
    let words = directive.texts().join(" ");
    let words = words.trim_start_matches('(').trim_end_matches(')').trim();
    let parts: Vec<&str> = words.split_whitespace().collect();
    let inner = directive.inner();
    if inner.iter().all(|d| HARMLESS.contains(&d.name.as_str())) {
        return Condition::Harmless;
    }
    let ([answer], [left, sign, right]) = (inner, parts.as_slice()) else {
        return Condition::Limit;
    };
    let Some((status, to)) = redirect(answer) else {
        return Condition::Limit;
    };
    let is_plain = matches!(
        (*left, *sign, *right),
        ("$scheme", "!=", "https") | ("$scheme", "=", "http") | ("$https", "!=", "on")
    );
    if is_plain && leads_to_https(&to) {
        return Condition::ToHttps;
    }
    match (*left, *sign) {
        ("$host" | "$http_host" | "$server_name", "=") => Condition::HostRedirect {
            host: right.to_ascii_lowercase(),
            to,
            status,
        },
        _ => Condition::Limit,
    }
}

/// `return 301 URL` and `return URL`: the status and the URL.
pub(super) fn redirect(directive: &Directive) -> Option<(u16, String)> {
    if directive.name != "return" {
        return None;
    }
    match directive.texts().as_slice() {
        [status, to] => {
            let status = status
                .parse()
                .ok()
                .filter(|status| matches!(status, 301..=303 | 307 | 308));
            Some((status?, (*to).to_owned()))
        }
        [to] if to.contains("://") => Some((302, (*to).to_owned())),
        _ => None,
    }
}

/// Whether it is the same URL by https.
pub(super) fn leads_to_https(to: &str) -> bool {
    let Some(rest) = to.strip_prefix("https://") else {
        return false;
    };
    let ending = ["$request_uri", "$uri", "$uri$is_args$args"];
    ending.iter().any(|ending| {
        rest.strip_suffix(ending)
            .is_some_and(|host| !host.contains('/'))
    })
}
