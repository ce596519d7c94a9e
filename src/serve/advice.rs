//! What the log says about a rejected request, with advice where the operator can do something.

use super::reject::Rejection;
use crate::files;
use crate::policy::Denied;
use crate::proxy;
use crate::proxy::client::SendError;
use crate::telemetry::access::Exchange;
use crate::telemetry::{Chain, summed};
use crate::turn::NoCredential;

/// Logs why a request is rejected. `upstream` is the name of its route's upstream, if it has one.
pub(super) fn log(rejection: &Rejection, exchange: &Exchange, upstream: Option<&str>) {
    let id = exchange.id();
    tracing::debug!(%id, error = %Chain(rejection), "request refused");
    let Some(advice) = advice(rejection) else {
        return;
    };
    let what = match rejection {
        Rejection::Login(_) => "a login is not decided",
        _ if upstream.is_some() => "no answer from upstream",
        Rejection::Turn(_) => "no TURN credential is given",
        Rejection::Denied(_) => "a client's certificate is rejected",
        Rejection::NotAProxy => "a request on listen.plain is rejected",
        _ => "a file is not shown",
    };
    let mut subject = upstream.map(str::to_owned);
    exchange.note(|line| subject = subject.take().or(line.route.as_deref().map(str::to_owned)));
    let (upstream, error) = (upstream.map(str::to_owned), Chain(rejection).to_string());
    let (_, reason) = rejection.verdict();
    summed(
        reason,
        subject.as_deref().unwrap_or_default(),
        move |times| {
            tracing::warn!(%id, upstream, times, error, advice, "{what}");
        },
    );
}

/// What an operator can do about it; `None` where it is the client's fault.
fn advice(rejection: &Rejection) -> Option<&'static str> {
    match rejection {
        Rejection::Files(error) => about_file(error),
        Rejection::Proxy(error) => about_upstream(error),
        Rejection::Login(failure) => failure.advice(),
        Rejection::Denied(Denied::Certificate(why)) if why.is_of_files() => Some(
            "have the CA make a new list, with the lists of all CAs in one file; it is read within \
             seconds",
        ),
        Rejection::NotAProxy => Some(
            "if a proxy in front sent it, write the address of that proxy in \
             listen.trusted_proxies; if everything that reaches this port comes by TLS, \
             listen.plain_for_everybody = true",
        ),
        Rejection::Turn(NoCredential::NoUri) => Some(
            "Janus can be given IPv4 addresses, and names that resolve to one now, and ends if it \
             is given anything else: see uris of the route's [turn], and the name server of this \
             machine",
        ),
        _ => None,
    }
}

fn about_file(error: &files::Error) -> Option<&'static str> {
    match error {
        files::Error::Forbidden(..) => {
            Some("may the user of this process read the file, and enter the folders above it?")
        }
        files::Error::Private(..) => {
            Some("something in the route's folder leads to a secret of the gateway; take it out")
        }
        files::Error::Unreadable(..) => Some("see the disk, and the limit of open files"),
        files::Error::Method | files::Error::NotFound => None,
    }
}

fn about_upstream(error: &proxy::Error) -> Option<&'static str> {
    use proxy::Error as P;
    match error {
        P::Send(SendError::Connect(error)) if error.is_distrust() => {
            Some("see ca_file and server_name of the upstream, or write its pin")
        }
        P::Send(SendError::Connect(_)) => Some(
            "is the server running, and does it listen on this address? `ianitor check --live` \
             asks it",
        ),
        P::Send(SendError::Broken(fault)) if fault.is_head_too_large() => Some(
            "the head of the server's answer is larger than 32 KiB, or has more than 256 header \
             fields: have the server send fewer, cookies for instance",
        ),
        P::Send(SendError::HeadUnanswered { .. }) => Some(
            "servers that accept only small heads close the connection; Janus' WebSockets do so \
             above 4 KiB. Most of a head are cookies: see forward_cookies of the upstream, and \
             headers of the route",
        ),
        P::Send(SendError::Broken(_)) => Some(
            "the server closed the connection or sent something that is not HTTP; Janus does so \
             for an empty POST, for PUT, for a wrong WebSocket subprotocol and for an address that \
             its acl refuses: see the server's log",
        ),
        P::Send(SendError::Late(_)) => {
            Some("the server took the request and did not answer: see its log and its load")
        }
        P::NotUpgraded(_) => Some("does the server have a WebSocket at this path and port?"),
        P::UnaskedUpgrade | P::BadAccept => {
            Some("the server does not speak WebSocket as RFC 6455 says: is it the right port?")
        }
        // The server's pool logs these, summed up: clients could flood the log with them.
        P::Send(SendError::Full | SendError::ServerFull | SendError::OverShare) => None,
        P::Send(SendError::Body(_))
        | P::Handshake(_)
        | P::TransferCoding
        | P::Length
        | P::TargetTooLong
        | P::BodyTooLarge
        | P::NoRoom
        | P::BodyStalled
        | P::BodySlow
        | P::BodyBroken => None,
    }
}
