//! The headers by which a server knows who is logged in.

use http::Request;
use http::header::HeaderName;

use super::basic::remove_password;
use crate::policy::{LoggedIn, LoginRule};
use crate::proxy::body::RequestBody;
use crate::route::edits::reads_as;

/// Replaces what a request says of the client: only the service may, by `copy_headers`. The client
/// cannot name a certificate, and the password stays here.
pub(in crate::serve) fn replace_identity_headers(
    request: &mut Request<RequestBody>,
    rule: &LoginRule,
    login: Option<&LoggedIn>,
    forwards_password: bool,
) {
    let copied = rule.copied();
    let named = rule.certificate().map_or(&[][..], |rule| &rule.headers);
    if !copied.is_empty() || !named.is_empty() {
        // A trailer could say the same.
        request.body_mut().drop_trailers();
    }
    let headers = request.headers_mut();
    let is_forward = rule.forward().is_some();
    let is_claimed = |name: &HeaderName| {
        let name = name.as_str();
        let mut ours = copied.iter().chain(named.iter().map(|(name, _)| name));
        ours.any(|ours| reads_as(name, ours.as_str())) || (is_forward && says_who(name))
    };
    while let Some(name) = headers.keys().find(|name| is_claimed(name)).cloned() {
        headers.remove(name);
    }
    if rule.basic().is_some() && !forwards_password {
        remove_password(headers);
    }
    // Those about a certificate are added behind what removes such headers everywhere.
    let login = login.filter(|login| login.certificate.is_none());
    for (name, value) in login.iter().flat_map(|login| &login.headers) {
        headers.append(name, value.clone());
    }
}

/// Names by which Authelia, oauth2-proxy and authentik say who a client is. Applications that know
/// them believe them.
fn says_who(name: &str) -> bool {
    const NAMES: [&str; 4] = [
        "remote-user",
        "remote-groups",
        "remote-name",
        "remote-email",
    ];
    const FAMILIES: [&str; 2] = ["x-auth-request-", "x-authentik-"];
    let is_of = |family: &&str| {
        name.get(..family.len())
            .is_some_and(|start| reads_as(start, family))
    };
    NAMES.iter().any(|ours| reads_as(name, ours)) || FAMILIES.iter().any(is_of)
}
