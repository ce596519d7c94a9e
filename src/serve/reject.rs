//! Why a request is rejected, and with which status.
//!
//! The client gets the status, a few fixed words and the request's id ([`super::render`]). The
//! cause goes to the log, with advice for the operator where there is something to do
//! ([`super::advice`]).

use std::time::Duration;

use http::StatusCode;

use super::judge::Withdrawn;
use super::login::LoginFailure;
use crate::files;
use crate::overload::Overload;
use crate::policy::Denied;
use crate::proxy;
use crate::proxy::client::SendError;
use crate::proxy::websocket::BadHandshake;
use crate::route::NoRoute;
use crate::route::local::BadLocal;
use crate::route::path::BadPath;
use crate::signalling::jitsi;
use crate::slot::Full;
use crate::tls::BadCertificate;
use crate::token::BadToken;
use crate::turn::NoCredential;

/// Why a request is rejected.
#[derive(Debug, thiserror::Error)]
pub(super) enum Rejection {
    /// A method that a gateway does not forward.
    #[error("method is not passed on")]
    Method,
    /// The connection has come during an overload.
    #[error(transparent)]
    Overload(Overload),
    /// No `Host`, more than one, or an invalid one.
    #[error("not exactly one valid host")]
    Host,
    /// The authority in the request target differs from `Host`.
    #[error("authority differs from Host")]
    Authority,
    /// A trusted proxy sent an address of the client, or a chain, that cannot be parsed.
    #[error(
        "X-Forwarded-For, Forwarded or listen.client_address_header from a trusted proxy cannot be \
         understood"
    )]
    ForwardedChain,
    /// Plain HTTP from a peer that is not a proxy in front.
    #[error("listen.plain is for proxies that end TLS")]
    NotAProxy,
    /// The TLS server name differs from `Host`.
    #[error("SNI differs from Host")]
    Misdirected,
    /// The policy needs a certificate, for which the client was not asked on this connection.
    #[error("the handshake of this connection has not asked for a certificate")]
    NotAsked,
    /// The path has more than one reading.
    #[error("ambiguous path")]
    Path(#[from] BadPath),
    /// More header fields than are accepted.
    #[error("more than 256 header fields")]
    HeadTooLarge,
    /// The request target is above the size limit.
    #[error("target is too long")]
    TargetTooLong,
    /// Too many requests; the client may retry after this time.
    #[error("limits.requests_per_client is reached")]
    Rate(Duration),
    /// Too many requests on this route; the client may retry after this time.
    #[error("requests of the route is reached")]
    RouteRate(Duration),
    /// As many requests of all clients under way on this route as there may be.
    #[error("concurrent of the route is reached")]
    RouteConcurrent,
    /// As many open WebSockets of the client as it may have.
    #[error("limits.tunnels_per_client is reached")]
    ClientTunnels,
    /// As many open WebSockets of the token's subject as it may have.
    #[error("limits.tunnels_per_subject is reached")]
    SubjectTunnels,
    /// As many long polls of the client as it may have.
    #[error("limits.polls_per_client is reached")]
    Polls,
    /// Too many concurrent streams of HTTP/2.
    #[error("as many streams of HTTP/2 as limits.connections_per_client")]
    Streams(Full),
    /// No route serves the host and path.
    #[error(transparent)]
    NoRoute(#[from] NoRoute),
    /// The page's origin is not allowed to use the route.
    #[error("the page is not of this host, and its origin is not in the route's cors")]
    Origin,
    /// Janus would read this path as one below another route's base path.
    #[error("Janus would find another route's base path in this path")]
    BasePath,
    /// Two tokens, or two `Authorization` headers.
    #[error("more than one token")]
    TwoTokens,
    /// Too many tokens that look forged; the client may retry after this time.
    #[error("limits.bad_tokens_per_client is reached")]
    BadTokens(Duration),
    /// The route's policy denies the request.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A browser that is not logged in is sent to sign in.
    #[error("the client is not logged in")]
    SignIn,
    /// It is not known whether the client is logged in.
    #[error(transparent)]
    Login(#[from] LoginFailure),
    /// The token is not for the room that the request names.
    #[error(transparent)]
    Jitsi(jitsi::Refusal),
    /// The request was admitted; then a reload removed its route or changed the target.
    #[error("{}", .0.reason())]
    Withdrawn(Withdrawn),
    /// A method that the server does not have at this path; these are the ones that it has.
    #[error("the server does not have this method at this path")]
    MessageMethod(&'static str),
    /// A method that WHIP and WHEP do not have.
    #[error("WHIP and WHEP do not have this method")]
    WhipMethod,
    /// A resource of WHIP or WHEP that is unknown or another client's.
    #[error("the client has created no such resource of WHIP or WHEP")]
    WhipResource,
    /// A path that has to name a bridge of its upstream, and names none.
    #[error("the path names no bridge of the upstream")]
    Bridge,
    /// A request to a server that speaks by WebSocket only.
    #[error("Kurento speaks by WebSocket only")]
    NotWebSocket,
    /// The client's last WebSocket was closed because too many of its messages were refused; it may
    /// retry after this time.
    #[error("limits.refusals_per_tunnel was reached on the WebSocket before")]
    RefusalFlood(Duration),
    /// A WebSocket at a path where Janus could read a session or a verb.
    #[error("a WebSocket at a path of Janus' REST")]
    MessagePath,
    /// A WebSocket to Kurento at a path below its own, where Kurento has none.
    #[error("a WebSocket to Kurento below the path of its route")]
    KurentoPath,
    /// A body of a request that Janus reads none of.
    #[error("a body in a request to Janus that is no POST")]
    MessageBody,
    /// The answer to a message cannot be read, so that it is not known what has become of it.
    #[error("the answer to a message is not JSON, is too large or breaks off")]
    MessageAnswer,
    /// The upstream gave no answer.
    #[error(transparent)]
    Proxy(#[from] proxy::Error),
    /// A new session, while the gateway is being stopped.
    #[error("no new sessions: the gateway is being stopped")]
    Stopping,
    /// The gateway has no file descriptor left for a file.
    #[error("no room for another open file")]
    OpenFiles,
    /// The file cannot be served.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// No TURN credential is issued.
    #[error(transparent)]
    Turn(#[from] NoCredential),
    /// A method that this internal URL does not have; these are the ones it has.
    #[error("the gateway's own URL does not have this method")]
    OwnMethod(&'static str),
    /// A form that was not sent from a page of this host.
    #[error("the form is not from a page of this host")]
    CrossSite,
    /// A body that is neither a form nor JSON.
    #[error("the body is neither a form nor JSON")]
    MediaType,
    /// A form that lacks a field, or has one twice.
    #[error("the form cannot be understood")]
    Form,
    /// The place to return to after signing in is not a URL of this host.
    #[error("no place of this host: {0}")]
    ReturnTo(BadLocal),
    /// The newer token has another subject than the current one, or none.
    #[error("the newer token has not the subject of the old one")]
    OtherSubject,
    /// The newer token does not expire later than the current one.
    #[error("the newer token does not end later than the old one")]
    NotLater,
    /// The token is larger than browsers allow a cookie to be.
    #[error("the token is too long for a cookie")]
    TokenForCookie,
}

impl From<Withdrawn> for Rejection {
    /// A request whose permission has ended gets the answer that it would get if it came now.
    fn from(why: Withdrawn) -> Self {
        match why {
            Withdrawn::Expired => Self::Denied(Denied::Token(BadToken::Expired)),
            Withdrawn::Denied(denied) => Self::Denied(denied),
            Withdrawn::Jitsi(why) => Self::Jitsi(why),
            Withdrawn::Route
            | Withdrawn::Target
            | Withdrawn::Messages
            | Withdrawn::Poll(_)
            | Withdrawn::Stopped
            | Withdrawn::Passthrough => Self::Withdrawn(why),
        }
    }
}

impl Rejection {
    /// The status, and the word for the reason in the access log.
    pub(super) fn verdict(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BasePath => (StatusCode::BAD_REQUEST, "base_path"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::Host => (StatusCode::BAD_REQUEST, "host"),
            Self::Authority => (StatusCode::BAD_REQUEST, "authority"),
            Self::ForwardedChain => (StatusCode::BAD_REQUEST, "forwarded_chain"),
            Self::NotAProxy => (StatusCode::FORBIDDEN, "not_a_proxy"),
            Self::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "sni"),
            Self::NotAsked => (StatusCode::MISDIRECTED_REQUEST, "certificate_not_asked"),
            Self::Path(why) => (StatusCode::BAD_REQUEST, why.word()),
            Self::HeadTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head_too_large",
            ),
            Self::Overload(Overload::Memory) => (StatusCode::SERVICE_UNAVAILABLE, "memory"),
            Self::Overload(Overload::Lag) => (StatusCode::SERVICE_UNAVAILABLE, "overload"),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "target_too_long"),
            Self::Rate(_) => (StatusCode::TOO_MANY_REQUESTS, "rate"),
            Self::RouteRate(_) => (StatusCode::TOO_MANY_REQUESTS, "route_requests"),
            Self::RouteConcurrent => (StatusCode::SERVICE_UNAVAILABLE, "route_concurrent"),
            Self::ClientTunnels => (StatusCode::TOO_MANY_REQUESTS, "tunnels_per_client"),
            Self::SubjectTunnels => (StatusCode::TOO_MANY_REQUESTS, "tunnels_per_subject"),
            Self::Polls => (StatusCode::TOO_MANY_REQUESTS, "polls_per_client"),
            Self::NoRoute(NoRoute::Host) => (StatusCode::MISDIRECTED_REQUEST, "no_host"),
            Self::NoRoute(NoRoute::EncodedSlash) => {
                (StatusCode::BAD_REQUEST, BadPath::EncodedSlash.word())
            }
            Self::NoRoute(NoRoute::Path) => (StatusCode::NOT_FOUND, "no_route"),
            Self::Origin => (StatusCode::FORBIDDEN, "origin"),
            Self::TwoTokens => (StatusCode::BAD_REQUEST, "two_tokens"),
            Self::BadTokens(_) => (StatusCode::TOO_MANY_REQUESTS, "bad_tokens"),
            Self::Denied(denied) => of_policy(denied),
            Self::SignIn => (StatusCode::FOUND, "sign_in"),
            Self::Login(failure) => failure.verdict(),
            Self::Jitsi(why) => of_jitsi(*why),
            Self::Withdrawn(
                why @ (Withdrawn::Target | Withdrawn::Messages | Withdrawn::Stopped),
            ) => (StatusCode::SERVICE_UNAVAILABLE, why.reason()),
            Self::Withdrawn(why @ Withdrawn::Poll(_)) => (StatusCode::FORBIDDEN, why.reason()),
            Self::Withdrawn(why) => (StatusCode::NOT_FOUND, why.reason()),
            Self::Proxy(error) => of_proxy(error),
            Self::MessageMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::WhipMethod => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::WhipResource => (StatusCode::NOT_FOUND, "whip_resource"),
            Self::Bridge => (StatusCode::NOT_FOUND, "bridge"),
            Self::NotWebSocket => (StatusCode::UPGRADE_REQUIRED, "not_websocket"),
            Self::RefusalFlood(_) => (StatusCode::TOO_MANY_REQUESTS, "refusal_flood"),
            Self::MessagePath | Self::KurentoPath => (StatusCode::NOT_FOUND, "message_path"),
            Self::MessageBody => (StatusCode::BAD_REQUEST, "message_body"),
            Self::MessageAnswer => (StatusCode::BAD_GATEWAY, "message_answer"),
            Self::Streams(_) => (StatusCode::SERVICE_UNAVAILABLE, "streams"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            Self::OpenFiles => (StatusCode::SERVICE_UNAVAILABLE, "open_files"),
            Self::Files(error) => of_files(error),
            Self::Turn(NoCredential::Method) => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::Turn(NoCredential::Service) => (StatusCode::BAD_REQUEST, "turn_service"),
            Self::Turn(NoCredential::NoUri) => (StatusCode::SERVICE_UNAVAILABLE, "turn_no_uri"),
            Self::OwnMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross_site"),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"),
            Self::Form => (StatusCode::BAD_REQUEST, "form"),
            Self::ReturnTo(_) => (StatusCode::BAD_REQUEST, "return_to"),
            Self::OtherSubject => (StatusCode::FORBIDDEN, "renewal_subject"),
            Self::NotLater => (StatusCode::CONFLICT, "renewal_not_later"),
            Self::TokenForCookie => (StatusCode::BAD_REQUEST, "token_for_cookie"),
        }
    }

    /// Whether the route's policy rejects the request or its token, so that another token may help.
    pub(super) fn is_of_policy(&self) -> bool {
        matches!(
            self,
            Self::TwoTokens | Self::BadTokens(_) | Self::Denied(_) | Self::Jitsi(_)
        )
    }
}

fn of_policy(denied: &Denied) -> (StatusCode, &'static str) {
    match denied {
        Denied::Address => (StatusCode::FORBIDDEN, "address"),
        Denied::Listed => (StatusCode::FORBIDDEN, "denied"),
        Denied::NoToken => (StatusCode::UNAUTHORIZED, "no_token"),
        Denied::Token(why @ BadToken::KeysUnavailable) => {
            (StatusCode::SERVICE_UNAVAILABLE, why.word())
        }
        Denied::Token(why) => (StatusCode::UNAUTHORIZED, why.word()),
        Denied::Claim(_) => (StatusCode::FORBIDDEN, "claim"),
        Denied::NoLogin => (StatusCode::UNAUTHORIZED, "no_login"),
        Denied::Forbidden => (StatusCode::FORBIDDEN, "login_forbidden"),
        Denied::Password => (StatusCode::UNAUTHORIZED, "password"),
        Denied::NoCertificate => (StatusCode::UNAUTHORIZED, "no_certificate"),
        Denied::Certificate(why @ (BadCertificate::Name | BadCertificate::OfProxy)) => {
            (StatusCode::FORBIDDEN, why.word())
        }
        Denied::Certificate(why) => (StatusCode::UNAUTHORIZED, why.word()),
        Denied::ApiKey => (StatusCode::FORBIDDEN, "api_key"),
    }
}

fn of_jitsi(refusal: jitsi::Refusal) -> (StatusCode, &'static str) {
    use jitsi::Refusal as R;
    match refusal {
        R::NoRoomClaim
        | R::RoomMissing
        | R::SeveralRooms
        | R::BadRoom
        | R::OtherRoom
        | R::Pattern(_) => (StatusCode::FORBIDDEN, "jitsi_room"),
        R::NoSubject | R::OtherTenant => (StatusCode::FORBIDDEN, "jitsi_tenant"),
        R::OtherDomain | R::UnconfirmedDomain => (StatusCode::FORBIDDEN, "jitsi_domain"),
    }
}

fn of_proxy(error: &proxy::Error) -> (StatusCode, &'static str) {
    use proxy::Error as P;
    match error {
        P::Handshake(BadHandshake::Version) => (StatusCode::UPGRADE_REQUIRED, "websocket_version"),
        P::Handshake(BadHandshake::Method) => (StatusCode::BAD_REQUEST, "websocket_method"),
        P::Handshake(BadHandshake::Body) => (StatusCode::BAD_REQUEST, "websocket_body"),
        P::Handshake(BadHandshake::Key) => (StatusCode::BAD_REQUEST, "websocket_key"),
        P::TransferCoding => (StatusCode::NOT_IMPLEMENTED, "transfer_coding"),
        P::TargetTooLong => (StatusCode::URI_TOO_LONG, "target_too_long"),
        P::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        P::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, "body_no_room"),
        P::BodyStalled => (StatusCode::REQUEST_TIMEOUT, "body_stalled"),
        P::BodySlow => (StatusCode::REQUEST_TIMEOUT, "body_slow"),
        P::BodyBroken => (StatusCode::BAD_REQUEST, "body_broken"),
        P::Length => (StatusCode::BAD_REQUEST, "length"),
        P::UnaskedUpgrade | P::NotUpgraded(_) | P::BadAccept => {
            (StatusCode::BAD_GATEWAY, "upstream_upgrade")
        }
        P::Send(SendError::Full) => (StatusCode::SERVICE_UNAVAILABLE, "upstream_sockets"),
        P::Send(SendError::ServerFull) => (StatusCode::SERVICE_UNAVAILABLE, "upstream_full"),
        P::Send(SendError::OverShare) => (StatusCode::SERVICE_UNAVAILABLE, "upstream_share"),
        P::Send(SendError::Connect(_)) => (StatusCode::BAD_GATEWAY, "upstream_unreachable"),
        P::Send(SendError::Broken(fault)) if fault.is_head_too_large() => {
            (StatusCode::BAD_GATEWAY, "upstream_head")
        }
        P::Send(SendError::HeadUnanswered { .. }) => {
            (StatusCode::BAD_GATEWAY, "upstream_request_head")
        }
        P::Send(SendError::Broken(_)) => (StatusCode::BAD_GATEWAY, "upstream_broken"),
        P::Send(SendError::Body(_)) => (StatusCode::BAD_REQUEST, "body_broken"),
        P::Send(SendError::Late(_)) => (StatusCode::GATEWAY_TIMEOUT, "upstream_late"),
    }
}

fn of_files(error: &files::Error) -> (StatusCode, &'static str) {
    match error {
        files::Error::Method => (StatusCode::METHOD_NOT_ALLOWED, "method"),
        files::Error::NotFound => (StatusCode::NOT_FOUND, "no_file"),
        files::Error::Forbidden(..) => (StatusCode::NOT_FOUND, "file_forbidden"),
        files::Error::Private(..) => (StatusCode::NOT_FOUND, "file_private"),
        files::Error::Unreadable(..) => (StatusCode::INTERNAL_SERVER_ERROR, "file_unreadable"),
    }
}
