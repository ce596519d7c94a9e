//! What a client is sent when its request is rejected: a page for people, a problem document or a
//! line of text for programs, and the headers that its status calls for.

use http::Response;
use http::header::{self, HeaderName, HeaderValue};

use super::browser::offer::SignIn;
use super::judge::Withdrawn;
use super::login::LoginFailure;
use super::page;
use super::reject::Rejection;
use super::response_body::ResponseBody;
use crate::files;
use crate::policy::Denied;
use crate::proxy;
use crate::proxy::client::SendError;
use crate::proxy::websocket::BadHandshake;
use crate::telemetry::request_id::RequestId;
use crate::token::BadToken;
use crate::turn::{METHODS, NoCredential};

/// The answer for a program: a problem document where it may want to act on the cause, a line of
/// text everywhere else.
pub(super) fn answer(rejection: &Rejection, id: RequestId) -> Response<ResponseBody> {
    let (status, _) = rejection.verdict();
    let is_problem = rejection.is_of_policy()
        || matches!(rejection, Rejection::OtherSubject | Rejection::NotLater);
    let response = match is_problem {
        true => page::problem(status, id),
        false => page::words(status, id),
    };
    with_header(rejection, response)
}

/// The answer for a person: a page, with a form to sign in where that may help.
pub(super) fn page(
    rejection: &Rejection,
    form: Option<&SignIn>,
    id: RequestId,
) -> Response<ResponseBody> {
    let (status, _) = rejection.verdict();
    let response = match form {
        Some(form) => page::sign_in(status, form, id),
        None => page::refusal(status, id),
    };
    with_header(rejection, response)
}

fn with_header(
    rejection: &Rejection,
    mut response: Response<ResponseBody>,
) -> Response<ResponseBody> {
    if let Some((name, value)) = header(rejection) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The header that belongs to the status: when to retry, how to authenticate, what is allowed.
fn header(rejection: &Rejection) -> Option<(HeaderName, HeaderValue)> {
    use proxy::Error as P;
    match rejection {
        Rejection::Rate(wait)
        | Rejection::RouteRate(wait)
        | Rejection::BadTokens(wait)
        | Rejection::RefusalFlood(wait) => Some((
            header::RETRY_AFTER,
            HeaderValue::from(wait.as_secs().saturating_add(1)),
        )),
        // WebSockets stay open for long, and each attempt may cost a TLS handshake.
        Rejection::ClientTunnels | Rejection::SubjectTunnels => fixed(header::RETRY_AFTER, "10"),
        Rejection::Login(LoginFailure::Unanswered(_) | LoginFailure::Busy)
        | Rejection::Streams(_)
        | Rejection::Stopping
        | Rejection::RouteConcurrent
        | Rejection::Polls
        | Rejection::OpenFiles
        | Rejection::Withdrawn(Withdrawn::Target | Withdrawn::Messages | Withdrawn::Stopped)
        | Rejection::Proxy(P::NoRoom)
        | Rejection::Proxy(P::Send(
            SendError::Full | SendError::ServerFull | SendError::OverShare,
        )) => fixed(header::RETRY_AFTER, "1"),
        Rejection::Denied(Denied::Token(BadToken::KeysUnavailable)) => {
            fixed(header::RETRY_AFTER, "2")
        }
        Rejection::Overload(_) | Rejection::Turn(NoCredential::NoUri) => {
            fixed(header::RETRY_AFTER, "5")
        }
        Rejection::TwoTokens
        | Rejection::Denied(Denied::NoToken | Denied::Token(_) | Denied::Claim(_))
        | Rejection::Jitsi(_) => fixed(header::WWW_AUTHENTICATE, challenge(rejection)),
        Rejection::Method => fixed(
            header::ALLOW,
            "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        ),
        Rejection::Turn(NoCredential::Method) => fixed(header::ALLOW, METHODS),
        Rejection::Files(files::Error::Method) => fixed(header::ALLOW, "GET, HEAD"),
        Rejection::OwnMethod(methods) | Rejection::MessageMethod(methods) => {
            fixed(header::ALLOW, methods)
        }
        Rejection::WhipMethod => fixed(header::ALLOW, "GET, HEAD, POST, PATCH, DELETE, OPTIONS"),
        Rejection::NotWebSocket => fixed(header::UPGRADE, "websocket"),
        Rejection::Proxy(P::Handshake(BadHandshake::Version)) => {
            fixed(header::SEC_WEBSOCKET_VERSION, "13")
        }
        _ => None,
    }
}

fn fixed(name: HeaderName, value: &'static str) -> Option<(HeaderName, HeaderValue)> {
    Some((name, HeaderValue::from_static(value)))
}

/// The challenge of RFC 6750, section 3. It does not say which rule of the policy failed.
fn challenge(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::TwoTokens => "Bearer realm=\"ianitor\", error=\"invalid_request\"",
        Rejection::Denied(Denied::Token(_)) => "Bearer realm=\"ianitor\", error=\"invalid_token\"",
        Rejection::Denied(Denied::Claim(_)) | Rejection::Jitsi(_) => {
            "Bearer realm=\"ianitor\", error=\"insufficient_scope\""
        }
        _ => "Bearer realm=\"ianitor\"",
    }
}
