//! Logins, and what else a browser sends by itself.

use crate::policy::{Policy, TokenRule};

pub(super) const ADDRESS: &str = "an address";

/// Who a policy admits, with its login.
pub(super) fn with_login(policy: &Policy, who: String) -> String {
    match (policy.login(), policy.is_login_alone()) {
        (None, _) => who,
        (Some(login), true) => format!("{who}: {login}"),
        (Some(login), false) if login.is_enough => format!("{who}; or {login}"),
        (Some(login), false) => format!("{who}; with {login}"),
    }
}

/// What a policy accepts of that which a browser sends by itself.
pub(super) fn ambient(policy: &Policy) -> Vec<&'static str> {
    let by_cookie = policy.token_rule().is_some_and(TokenRule::takes_cookies);
    let kinds = [
        (policy.takes_addresses(), ADDRESS),
        (by_cookie, "a cookie"),
        (policy.login().is_some(), "a login"),
    ];
    let taken = kinds.into_iter().filter(|(is_taken, _)| *is_taken);
    taken.map(|(_, kind)| kind).collect()
}
