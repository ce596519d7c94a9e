//! The form to sign in that a rejected browser is offered.

use http::header;

use crate::policy::Denied;
use crate::route::local::LocalUrl;
use crate::serve::Routed;
use crate::serve::reject::Rejection;
use crate::token::BadToken;
use crate::token::location;

/// What the form says.
#[derive(Debug)]
pub(in crate::serve) struct SignIn {
    /// Where the browser goes after signing in.
    pub(in crate::serve) to: LocalUrl,
    /// Why the last attempt failed.
    pub(in crate::serve) message: Option<&'static str>,
}

const NOT_ACCEPTED: &str = "This token was not accepted.";

/// The form for a rejected request, where another token could change the answer.
pub(in crate::serve) fn offer(routed: &Routed, rejection: &Rejection) -> Option<SignIn> {
    let inbound = &routed.normal.inbound;
    let route = inbound.view.snapshot.routes.route(routed.route);
    let (rule, _) = route.sign_in()?;
    let message = message(rejection)?;
    // The browser must not return with the rejected token in the URL.
    let mut uri = inbound.request.uri().clone();
    location::remove(&mut header::HeaderMap::new(), &mut uri, &rule.sources);
    let asked = uri
        .path_and_query()
        .and_then(|target| target.as_str().parse().ok());
    Some(SignIn {
        to: asked.or_else(|| route.path.to_string().parse().ok())?,
        message,
    })
}

/// What the form says about a rejected token. The outer `None`: no token would help.
pub(super) fn message(rejection: &Rejection) -> Option<Option<&'static str>> {
    match rejection {
        Rejection::Denied(Denied::NoToken) => Some(None),
        Rejection::Denied(Denied::Token(BadToken::KeysUnavailable)) => None,
        Rejection::TwoTokens
        | Rejection::Denied(Denied::Token(_) | Denied::Claim(_))
        | Rejection::Jitsi(_) => Some(Some(NOT_ACCEPTED)),
        _ => None,
    }
}
