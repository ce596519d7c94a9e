//! One request on its way to an upstream, and the answer on its way back.

use std::rc::Rc;

use http::header::{self, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Version};

use super::client::{LoadGuard, Outgoing, SendError, UpstreamConn};
use super::cluster::{Answered, Cluster};
use super::error::Error;
use super::fields::Found;
use super::framing::{frame_h2, frame_once, upstream_target};
use super::headers;
use super::location::{self, Public};
use super::origin::{ClientFields, Origin};
use super::request_body::{self, ClientRequest, Progress, RequestBody};
use super::upstream_body::UpstreamBody;
use crate::host::Authority;
use crate::route::Forward;
use crate::route::tenant::Tenant;
use crate::slot::CountedClient;
use crate::telemetry::access::Exchange;

/// What is needed to forward one request.
#[derive(Debug)]
pub struct ForwardContext<'a> {
    /// Where it goes.
    pub upstream: &'a Cluster,
    /// The position of the only server that it may go to; `None`: any.
    pub server: Option<usize>,
    /// What the route changes.
    pub forward: &'a Forward,
    /// The tenant that the request's path names.
    pub tenant: Option<Tenant<'a>>,
    /// The connection that it came over, for the header fields that name the client.
    pub origin: &'a Origin,
    /// The gateway, as the client names it.
    pub authority: &'a Authority,
    /// The client, counted against its share of connections.
    pub counted: &'a CountedClient,
    /// The largest body that is allowed.
    pub body_limit: u64,
    /// Its line in the access log.
    pub exchange: &'a Rc<Exchange>,
    /// What the server learns of the client's certificate.
    pub told: &'a [(HeaderName, HeaderValue)],
}

impl ForwardContext<'_> {
    /// The names of the upstream in its answers, and the public ones.
    pub fn public(&self) -> Public<'_> {
        Public {
            servers: &self.upstream.spec().servers,
            host: self.forward.host.as_ref().map(|host| &host.authority),
            path: &self.forward.path,
            tenant: self.tenant,
            authority: self.authority,
        }
    }

    /// Whether the route changes fields, those about the client perhaps. Then [`prepare`] has added
    /// these to the others. Else they are written as they are.
    fn edits_headers(&self) -> bool {
        !self.forward.headers.is_none() || self.forward.host.is_some()
    }

    fn client_fields(&self) -> ClientFields<'_> {
        ClientFields {
            origin: self.origin,
            id: self.exchange.id(),
        }
    }

    pub(super) async fn send(
        &self,
        request: ClientRequest,
        alone: bool,
    ) -> Result<Answered, SendError> {
        let (timeout, protocol) = (
            self.forward.timeouts.response,
            self.upstream.spec().protocol,
        );
        let mut outgoing = Outgoing::new(*request, alone, timeout, protocol);
        if !self.edits_headers() {
            outgoing.add_client(self.client_fields());
        }
        self.upstream
            .send(
                self.server,
                self.exchange.client(),
                self.counted,
                &mut outgoing,
            )
            .await
    }
}

/// Forwards a request and returns the head of the answer, whose body streams; `None` for an empty
/// one.
///
/// # Errors
/// Why there is no answer.
pub async fn forward(
    mut request: ClientRequest,
    context: &ForwardContext<'_>,
) -> Result<Response<Option<Box<UpstreamBody>>>, Error> {
    let was_h2 = request.version() == Version::HTTP_2;
    prepare(&mut request, context)?;
    let body = request.body_mut();
    body.limit(context.body_limit, context.forward.timeouts.idle);
    if !context.forward.headers.is_none() {
        // A trailer could repeat a field that the route sets or removes.
        body.drop_trailers();
    }
    // First the body, then a connection to the upstream: it may have few of them.
    body.gather().await.map_err(|fault| Error::from(&fault))?;
    if was_h2 {
        frame_h2(&mut request);
    }
    let progress = request.body().progress();
    let (response, conn, load) = context.send(request, false).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::UnaskedUpgrade);
    }
    if progress
        .as_ref()
        .is_some_and(|progress| progress.was_given_up())
    {
        // The server closed right behind its answer, and the body noticed before the answer was
        // seen.
        request_body::note_unread(context.exchange);
    }
    Ok(answer(response, (conn, load), progress, context))
}

/// Makes the head of a request fit for the upstream.
pub(super) fn prepare(
    request: &mut Request<RequestBody>,
    context: &ForwardContext<'_>,
) -> Result<(), Error> {
    let found = Found::in_request(request.headers());
    if found.has_length || found.has_coding {
        frame_once(request.headers_mut())?;
    }
    if !context.upstream.spec().forward_cookies {
        request.headers_mut().remove(header::COOKIE);
    }
    headers::to_upstream(request.headers_mut(), found);
    for (name, value) in context.told {
        request.headers_mut().insert(name, value.clone());
    }
    if context.edits_headers() {
        context.client_fields().insert_into(request.headers_mut());
    }
    context
        .forward
        .headers
        .apply_to_request(request.headers_mut());
    if let Some(host) = &context.forward.host {
        request
            .headers_mut()
            .insert(header::HOST, host.value.clone());
    }
    *request.version_mut() = Version::HTTP_11;
    let (protocol, change) = (context.upstream.spec().protocol, &context.forward.path);
    if let Some(target) = upstream_target(request.uri(), protocol, change, context.tenant)? {
        *request.uri_mut() = target;
    }
    Ok(())
}

/// Makes the head of an answer fit for the client.
pub(super) fn answer(
    mut response: Response<()>,
    (conn, load): (Box<UpstreamConn>, LoadGuard),
    progress: Option<Rc<Progress>>,
    context: &ForwardContext<'_>,
) -> Response<Option<Box<UpstreamBody>>> {
    if headers::to_client(response.headers_mut()) {
        location::rewrite(response.headers_mut(), context.public());
    }
    if response.status() == StatusCode::NO_CONTENT {
        // It has no length (RFC 9110, section 8.6). Clients of HTTP/2 would wait for a body.
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    // An HTTP/1.0 upstream is no reason to answer the client in 1.0.
    *response.version_mut() = Version::HTTP_11;
    let idle = context.forward.timeouts.idle;
    response.map(|()| UpstreamBody::new(conn, load, idle, progress))
}
