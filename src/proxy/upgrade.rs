//! WebSocket handshakes: a handshake is forwarded, and if the upstream accepts it, its socket is
//! returned for a tunnel. The upstream is asked by HTTP/1.1. The client may have asked by HTTP/1.1
//! (RFC 6455) or on a stream of HTTP/2 (RFC 8441).

use std::rc::Rc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};

use super::client::{LoadGuard, Pool};
use super::connect::UpstreamStream;
use super::error::Error;
use super::forward::{ForwardContext, answer, prepare};
use super::headers;
use super::request_body::{ClientRequest, RequestBody};
use super::upstream_body::UpstreamBody;
use super::websocket::{self, BadHandshake};
use crate::slot::SocketSlot;

/// An upstream that has accepted a WebSocket.
#[derive(Debug)]
pub struct UpgradedUpstream {
    /// Its socket.
    pub stream: UpstreamStream,
    /// What it has sent behind its 101.
    pub early: Bytes,
    /// Counts the tunnel at its server.
    pub load: LoadGuard,
    /// Counts its socket.
    pub socket: SocketSlot,
}

impl UpgradedUpstream {
    /// The pool of its server.
    pub fn server(&self) -> &Rc<Pool> {
        self.load.pool()
    }
}

/// The upstream's answer to a handshake. It has a body if the handshake was rejected.
type Handshake = Response<Option<Box<UpstreamBody>>>;

/// Forwards a WebSocket handshake. If the upstream accepts, its socket is returned beside the
/// answer.
///
/// # Errors
/// Why there is no answer.
pub async fn open_websocket(
    mut request: ClientRequest,
    context: &ForwardContext<'_>,
) -> Result<(Handshake, Option<UpgradedUpstream>), Error> {
    let is_h2 = request.version() == Version::HTTP_2;
    let key = if is_h2 {
        fresh_key(&mut request)?
    } else {
        websocket::check_request(&request)?
    };
    websocket::settle(request.headers_mut());
    prepare(&mut request, context)?;
    set_upgrade(request.headers_mut());
    *request.body_mut() = RequestBody::empty();
    let (mut response, conn, load) = context.send(request, true).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        if is_h2 && response.status().is_success() {
            // By HTTP/2 it would mean that the WebSocket is open (RFC 8441, section 5).
            return Err(Error::NotUpgraded(response.status()));
        }
        return Ok((answer(response, (conn, load), None, context), None));
    }
    if !websocket::is_accepted(response.headers(), &key) {
        return Err(Error::BadAccept);
    }
    let Some((stream, early, socket)) = conn.into_stream() else {
        return Err(Error::BadAccept);
    };
    headers::to_client(response.headers_mut());
    // An answer that opens a tunnel has no length (RFC 9110, section 8.6).
    response.headers_mut().remove(header::CONTENT_LENGTH);
    if is_h2 {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
    } else {
        set_upgrade(response.headers_mut());
    }
    *response.version_mut() = Version::HTTP_11;
    Ok((
        response.map(|_| None),
        Some(UpgradedUpstream {
            stream,
            early,
            load,
            socket,
        }),
    ))
}

/// Makes an HTTP/1.1 handshake of one in HTTP/2, which has no key (RFC 8441, section 5). There,
/// even a length of 0 is an error: the frames of the tunnel would be more (RFC 9113, 8.1.1).
fn fresh_key(request: &mut Request<RequestBody>) -> Result<HeaderValue, Error> {
    websocket::check_version(request.headers())?;
    if request.headers().contains_key(header::CONTENT_LENGTH) {
        return Err(BadHandshake::Body.into());
    }
    *request.method_mut() = Method::GET;
    let key = websocket::new_key();
    request
        .headers_mut()
        .insert(header::SEC_WEBSOCKET_KEY, key.clone());
    Ok(key)
}

fn set_upgrade(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}
