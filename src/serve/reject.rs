//! Refusals. The stranger gets a status, a few fixed words and the request id; the reason goes to
//! the log.

use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::browser::SignIn;
use super::judge::Withdrawn;
use super::page;
use super::response_headers::Clothes;
use super::target::turn;
use crate::files;
use crate::policy::Denied;
use crate::proxy;
use crate::proxy::body::ResponseBody;
use crate::proxy::client::SendError;
use crate::proxy::websocket::BadHandshake;
use crate::route::NoRoute;
use crate::route::local::BadLocal;
use crate::route::path::BadPath;
use crate::slot::Full;
use crate::telemetry::Chain;
use crate::telemetry::access::Exchange;
use crate::token::BadToken;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Rejection {
    /// The client's fault: a method that a gateway does not pass on.
    #[error("method is not passed on")]
    Method,
    /// The client's fault: no `Host`, several, or one that is none.
    #[error("not exactly one valid host")]
    Host,
    /// The client's fault: the target's authority is not the `Host`.
    #[error("authority differs from Host")]
    Authority,
    /// A trusted proxy's fault: a chain of addresses that cannot be understood.
    #[error("X-Forwarded-For or Forwarded from a trusted proxy cannot be understood")]
    ForwardedChain,
    /// The client's fault: the TLS name is not the `Host`.
    #[error("SNI differs from Host")]
    Misdirected,
    /// The client's fault: a path with two readings.
    #[error("ambiguous path: {0}")]
    Path(#[from] BadPath),
    /// The client's fault: a target above the size limit.
    #[error("target is too long")]
    TargetTooLong,
    /// The client's fault: too many requests.
    #[error("limits.requests_per_client is reached")]
    Rate(Duration),
    /// The client's fault: too many streams of HTTP/2 at once.
    #[error("as many streams of HTTP/2 as limits.connections_per_client")]
    Streams(Full),
    /// Nothing is here.
    #[error(transparent)]
    NoRoute(#[from] NoRoute),
    /// The client's fault, or its page's: an origin that is not among the route's.
    #[error("the page is not of this host, and its origin is not in the route's cors")]
    Origin,
    /// The client's fault: a path in which Janus would find what another route shows.
    #[error("Janus would find another route's base path in this path")]
    BasePath,
    /// The client's fault: two tokens, or two `Authorization` headers.
    #[error("more than one token")]
    TwoTokens,
    /// The client's fault: one token after the other that nobody can have given it.
    #[error("limits.bad_tokens_per_client is reached")]
    BadTokens(Duration),
    /// The policy says no.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It was let in, and then its route was removed or given another target.
    #[error("{}", .0.reason())]
    Withdrawn(Withdrawn),
    /// It got no answer.
    #[error(transparent)]
    Proxy(#[from] proxy::Error),
    /// The gateway has no descriptor left for a file.
    #[error("no room for another open file")]
    OpenFiles,
    /// No file is shown.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// No credential is given.
    #[error(transparent)]
    Turn(#[from] turn::Refusal),
    /// The client's fault: a method that one of the gateway's own URLs does not have; these it has.
    #[error("the gateway's own URL does not have this method")]
    OwnMethod(&'static str),
    /// A page's fault that is not ours: it sends a form here.
    #[error("the form is not from a page of this host")]
    CrossSite,
    /// The client's fault: a body that is neither a form nor JSON.
    #[error("the body is neither a form nor JSON")]
    MediaType,
    /// The client's fault: a form that does not say what it has to, or says it twice.
    #[error("the form cannot be understood")]
    Form,
    /// The client's fault: no place to go to after that.
    #[error("no place of this host: {0}")]
    ReturnTo(BadLocal),
    /// The newer token's fault: it is another's, or nobody's.
    #[error("the newer token has not the subject of the old one")]
    OtherSubject,
    /// The newer token's fault: it is none.
    #[error("the newer token does not end later than the old one")]
    NotLater,
    /// The token's fault: no browser keeps it.
    #[error("the token is too long for a cookie")]
    TokenForCookie,
    /// Any that a person sees, with the form to sign in where that may help.
    #[error("{0}")]
    OnPage(Box<Rejection>, Option<Box<SignIn>>),
    /// Any of these, with what the route says of its answers.
    #[error("{0}")]
    Dressed(Box<Rejection>, Clothes),
}

impl From<Withdrawn> for Rejection {
    /// A request whose permission has ended gets the answer that it would get now.
    fn from(why: Withdrawn) -> Self {
        match why {
            Withdrawn::Expired => Self::Denied(Denied::Token(BadToken::Expired)),
            Withdrawn::Denied(denied) => Self::Denied(denied),
            Withdrawn::Route | Withdrawn::Target | Withdrawn::Passthrough => Self::Withdrawn(why),
        }
    }
}

/// What a refusal looks like.
enum Looks<'r> {
    /// A few words.
    Text,
    /// What a program can read: the policy's refusals, of which a client may have to make
    /// something.
    Problem,
    /// What a person can read.
    Page(Option<&'r SignIn>),
}

impl Rejection {
    /// The status, and the word that the log has for the reason.
    pub(super) fn verdict(&self) -> (StatusCode, &'static str) {
        use proxy::Error as P;
        match self {
            Self::BasePath => (StatusCode::BAD_REQUEST, "base_path"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::Host => (StatusCode::BAD_REQUEST, "host"),
            Self::Authority => (StatusCode::BAD_REQUEST, "authority"),
            Self::ForwardedChain => (StatusCode::BAD_REQUEST, "forwarded_chain"),
            Self::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "sni"),
            Self::Path(_) => (StatusCode::BAD_REQUEST, "path"),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "target_too_long"),
            Self::Rate(_) => (StatusCode::TOO_MANY_REQUESTS, "rate"),
            Self::NoRoute(NoRoute::Host) => (StatusCode::MISDIRECTED_REQUEST, "no_host"),
            Self::NoRoute(NoRoute::Path) => (StatusCode::NOT_FOUND, "no_route"),
            Self::Origin => (StatusCode::FORBIDDEN, "origin"),
            Self::TwoTokens => (StatusCode::BAD_REQUEST, "two_tokens"),
            Self::BadTokens(_) => (StatusCode::TOO_MANY_REQUESTS, "bad_tokens"),
            Self::Denied(Denied::Address) => (StatusCode::FORBIDDEN, "address"),
            Self::Denied(Denied::Listed) => (StatusCode::FORBIDDEN, "denied"),
            Self::Denied(Denied::NoToken) => (StatusCode::UNAUTHORIZED, "no_token"),
            Self::Denied(Denied::Token(why @ BadToken::KeysUnavailable)) => {
                (StatusCode::SERVICE_UNAVAILABLE, why.word())
            }
            Self::Denied(Denied::Token(why)) => (StatusCode::UNAUTHORIZED, why.word()),
            Self::Denied(Denied::Claim) => (StatusCode::FORBIDDEN, "claim"),
            Self::Denied(Denied::ApiKey) => (StatusCode::FORBIDDEN, "api_key"),
            Self::Withdrawn(Withdrawn::Target) => {
                (StatusCode::SERVICE_UNAVAILABLE, Withdrawn::Target.reason())
            }
            Self::Withdrawn(why) => (StatusCode::NOT_FOUND, why.reason()),
            Self::Proxy(P::Handshake(BadHandshake::Version)) => {
                (StatusCode::UPGRADE_REQUIRED, "websocket_version")
            }
            Self::Proxy(P::Handshake(_)) => (StatusCode::BAD_REQUEST, "websocket_handshake"),
            Self::Proxy(P::TransferCoding) => (StatusCode::NOT_IMPLEMENTED, "transfer_coding"),
            Self::Proxy(P::BodyTooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::Proxy(P::BodyStalled) => (StatusCode::REQUEST_TIMEOUT, "body_stalled"),
            Self::Proxy(P::BodySlow) => (StatusCode::REQUEST_TIMEOUT, "body_slow"),
            Self::Proxy(P::BodyBroken) => (StatusCode::BAD_REQUEST, "body_broken"),
            Self::Proxy(P::Length) => (StatusCode::BAD_REQUEST, "length"),
            Self::Streams(_) => (StatusCode::SERVICE_UNAVAILABLE, "streams"),
            Self::OpenFiles => (StatusCode::SERVICE_UNAVAILABLE, "open_files"),
            Self::Proxy(P::Send(SendError::Full)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "upstream_sockets")
            }
            Self::Proxy(P::Send(SendError::ServerFull)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "upstream_full")
            }
            Self::Proxy(P::Send(SendError::OverShare)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "upstream_share")
            }
            Self::Proxy(P::Send(SendError::Connect(_))) => {
                (StatusCode::BAD_GATEWAY, "upstream_unreachable")
            }
            Self::Proxy(P::Send(SendError::Http(_))) => {
                (StatusCode::BAD_GATEWAY, "upstream_broken")
            }
            Self::Proxy(P::Send(SendError::Late(_))) => {
                (StatusCode::GATEWAY_TIMEOUT, "upstream_late")
            }
            Self::Proxy(P::UnaskedUpgrade | P::BadAccept) => {
                (StatusCode::BAD_GATEWAY, "upstream_upgrade")
            }
            Self::Files(files::Error::Method) => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::Files(files::Error::NotFound) => (StatusCode::NOT_FOUND, "no_file"),
            Self::Files(files::Error::Forbidden(..)) => (StatusCode::NOT_FOUND, "file_forbidden"),
            Self::Files(files::Error::Private(..)) => (StatusCode::NOT_FOUND, "file_private"),
            Self::Files(files::Error::Unreadable(..)) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "file_unreadable")
            }
            Self::Turn(turn::Refusal::Method) => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::Turn(turn::Refusal::Service) => (StatusCode::BAD_REQUEST, "turn_service"),
            Self::Turn(turn::Refusal::NoUri) => (StatusCode::SERVICE_UNAVAILABLE, "turn_no_uri"),
            Self::OwnMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross_site"),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"),
            Self::Form => (StatusCode::BAD_REQUEST, "form"),
            Self::ReturnTo(_) => (StatusCode::BAD_REQUEST, "goal"),
            Self::OtherSubject => (StatusCode::FORBIDDEN, "renewal_subject"),
            Self::NotLater => (StatusCode::CONFLICT, "renewal_not_later"),
            Self::TokenForCookie => (StatusCode::BAD_REQUEST, "token_for_cookie"),
            Self::OnPage(rejection, _) | Self::Dressed(rejection, _) => rejection.verdict(),
        }
    }

    /// What an operator can do about it, where it is not the client's fault.
    fn advice(&self) -> Option<&'static str> {
        use proxy::Error as P;
        let error = match self {
            Self::Proxy(error) => error,
            Self::Files(files::Error::Forbidden(..)) => {
                return Some(
                    "may the user of this process read the file, and enter the folders above it?",
                );
            }
            Self::Files(files::Error::Private(..)) => {
                return Some(
                    "something in the route's folder leads to a secret of the gateway; take it out",
                );
            }
            Self::Files(files::Error::Unreadable(..)) => {
                return Some("see the disk, and the limit of open files");
            }
            Self::Turn(turn::Refusal::NoUri) => {
                return Some(
                    "Janus can be given IPv4 addresses, and names that resolve to one now, and ends if it is given \
                     anything else: see uris of the route's [turn], and the name server of this machine",
                );
            }
            _ => return None,
        };
        match error {
            P::Send(SendError::Connect(error)) if error.is_distrust() => Some(
                "the server's certificate is not trusted: see ca_file and server_name of the upstream",
            ),
            P::Send(SendError::Connect(_)) => Some(
                "is the server running, and does it listen on this address? `ianitor check --live` asks it",
            ),
            P::Send(SendError::Http(_)) => Some(
                "the server closed the connection or sent something that is not HTTP; Janus does so for an empty POST, \
                 for PUT, for a wrong WebSocket subprotocol and for an address that its acl refuses: see the server's log",
            ),
            P::Send(SendError::Late(_)) => {
                Some("the server took the request and did not answer: see its log and its load")
            }
            P::UnaskedUpgrade | P::BadAccept => {
                Some("the server does not speak WebSocket as RFC 6455 says: is it the right port?")
            }
            // Summed up by the server's pool: clients could fill the log with them.
            P::Send(SendError::Full | SendError::ServerFull | SendError::OverShare) => None,
            P::Handshake(_)
            | P::TransferCoding
            | P::Length
            | P::BodyTooLarge
            | P::BodyStalled
            | P::BodySlow
            | P::BodyBroken => None,
        }
    }

    /// Logs the reason, for the operator, where there is something to do.
    pub(super) fn log(&self, exchange: &Exchange, upstream: Option<&str>) {
        if let Self::Dressed(rejection, _) | Self::OnPage(rejection, _) = self {
            return rejection.log(exchange, upstream);
        }
        let id = exchange.id();
        let error = Chain(self);
        match self.advice() {
            Some(advice) if upstream.is_some() => {
                tracing::warn!(%id, upstream, %error, advice, "no answer from upstream")
            }
            Some(advice) if matches!(self, Self::Turn(_)) => {
                tracing::warn!(%id, %error, advice, "no TURN credential is given")
            }
            Some(advice) => tracing::warn!(%id, %error, advice, "a file is not shown"),
            None => tracing::debug!(%id, %error, "request refused"),
        }
    }

    /// What the stranger gets.
    pub(super) fn answer(&self, exchange: &Exchange) -> Response<ResponseBody> {
        let ((status, _), id) = (self.verdict(), exchange.id());
        let mut response = match self.looks() {
            Looks::Text => page::words(status, id),
            Looks::Problem => page::problem(status, id),
            Looks::Page(Some(form)) => page::sign_in(status, form, id),
            Looks::Page(None) => page::refusal(status, id),
        };
        let headers = response.headers_mut();
        if let Some((name, value)) = self.extra_header() {
            headers.insert(name, value);
        }
        if let Self::Dressed(_, clothes) = self {
            clothes.on_refusal(headers);
        }
        response
    }

    /// Whether it is the policy that says no.
    pub(super) fn is_of_policy(&self) -> bool {
        matches!(self, Self::TwoTokens | Self::BadTokens(_) | Self::Denied(_))
    }

    fn looks(&self) -> Looks<'_> {
        match self {
            Self::Dressed(rejection, _) => rejection.looks(),
            Self::OnPage(_, form) => Looks::Page(form.as_deref()),
            Self::OtherSubject | Self::NotLater => Looks::Problem,
            rejection if rejection.is_of_policy() => Looks::Problem,
            _ => Looks::Text,
        }
    }

    /// What RFC 6750, section 3, has a client told. Which rule it was is not said.
    fn challenge(&self) -> &'static str {
        match self {
            Self::TwoTokens => "Bearer realm=\"ianitor\", error=\"invalid_request\"",
            Self::Denied(Denied::Token(_)) => "Bearer realm=\"ianitor\", error=\"invalid_token\"",
            Self::Denied(Denied::Claim) => "Bearer realm=\"ianitor\", error=\"insufficient_scope\"",
            _ => "Bearer realm=\"ianitor\"",
        }
    }

    fn extra_header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Rate(wait) | Self::BadTokens(wait) => {
                let seconds = wait.as_secs().saturating_add(1);
                Some((header::RETRY_AFTER, HeaderValue::from(seconds)))
            }
            Self::Streams(_)
            | Self::OpenFiles
            | Self::Withdrawn(Withdrawn::Target)
            | Self::Proxy(proxy::Error::Send(
                SendError::Full | SendError::ServerFull | SendError::OverShare,
            )) => Some((header::RETRY_AFTER, HeaderValue::from_static("1"))),
            Self::Denied(Denied::Token(BadToken::KeysUnavailable)) => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("2")))
            }
            Self::TwoTokens | Self::Denied(Denied::NoToken | Denied::Token(_) | Denied::Claim) => {
                Some((
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static(self.challenge()),
                ))
            }
            Self::Method => {
                let methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
                Some((header::ALLOW, HeaderValue::from_static(methods)))
            }
            Self::Proxy(proxy::Error::Handshake(BadHandshake::Version)) => Some((
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static("13"),
            )),
            Self::Turn(turn::Refusal::Method) => {
                Some((header::ALLOW, HeaderValue::from_static(turn::METHODS)))
            }
            Self::Turn(turn::Refusal::NoUri) => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("5")))
            }
            Self::Files(files::Error::Method) => {
                Some((header::ALLOW, HeaderValue::from_static("GET, HEAD")))
            }
            Self::OwnMethod(methods) => Some((header::ALLOW, HeaderValue::from_static(methods))),
            Self::OnPage(rejection, _) | Self::Dressed(rejection, _) => rejection.extra_header(),
            _ => None,
        }
    }
}
