//! What forwarding a request needs, for plain requests and WebSocket handshakes alike.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::host::Authority;
use crate::policy::{LoggedIn, Permit};
use crate::proxy::ForwardContext;
use crate::proxy::body::ClientRequest;
use crate::proxy::origin::Origin;
use crate::route::path::PathPrefix;
use crate::route::tenant::Tenant;
use crate::route::upstream::{NoBridge, Protocol};
use crate::route::{Forward, Route, UpstreamId};
use crate::serve::cleaning::Cleaning;
use crate::serve::handoff::OpenTunnel;
use crate::serve::messages::user;
use crate::serve::observer::MessageObserver;
use crate::serve::reject::Rejection;
use crate::serve::under_way::Key;
use crate::serve::view::WorkerView;
use crate::serve::{ConnInfo, Inbound, Normal};
use crate::signalling::Backend;
use crate::signalling::audit::Transport;
use crate::signalling::janus::rest::Place;
use crate::signalling::owners::Owners;
use crate::slot::{ClientUse, CountedClient};
use crate::telemetry::access::Exchange;

/// A request on its way to its upstream, without the request itself.
pub(super) struct Forwarding<'r> {
    pub(super) conn: Rc<ConnInfo>,
    pub(super) exchange: Rc<Exchange>,
    pub(super) key: Key,
    /// What the answer must not say.
    pub(super) cleaning: Cleaning,
    pub(super) body_limit: u64,
    /// It is a WebSocket handshake.
    pub(super) is_websocket: bool,
    /// Whether its messages are judged.
    is_judged: bool,
    pub(super) route: &'r Route,
    /// The path of its route; where that has a tenant, what stands before it.
    pub(super) path: &'r PathPrefix,
    /// The tenant that its path names.
    tenant: Option<Box<str>>,
    pub(super) forward: &'r Forward,
    upstream: UpstreamId,
    /// The position of the only server that it may go to.
    server: Option<usize>,
    view: Rc<WorkerView>,
    origin: Rc<Origin>,
    authority: Rc<Authority>,
    counted: CountedClient,
    login: Option<Rc<LoggedIn>>,
}

impl<'r> Forwarding<'r> {
    /// The request, and the rest.
    ///
    /// # Errors
    /// If the path has to name a bridge and names none.
    pub(super) fn new(
        normal: Normal,
        route: &'r Route,
        forward: &'r Forward,
        permit: &Permit,
    ) -> Result<(ClientRequest, Self), Rejection> {
        let Normal { inbound, authority } = normal;
        let counted = inbound.counted();
        let Inbound {
            request,
            is_websocket,
            conn,
            view,
            exchange,
            key,
            origin,
            ..
        } = inbound;
        let upstream = forward.upstream_of(is_websocket);
        let path = request.uri().path();
        let tenant = route.tenant(path).map(Box::from);
        let spec = view.upstream(upstream).spec();
        let rest = route.path.front().rest(path).unwrap_or_default();
        let server = spec.server_of(rest).map_err(|NoBridge| Rejection::Bridge)?;
        let protocol = spec.protocol;
        let forwarding = Self {
            conn,
            exchange,
            key,
            cleaning: Cleaning::of(permit, protocol.is_control(), route.cors.is_some()),
            body_limit: route.body_limit,
            is_websocket,
            is_judged: view.backend(upstream, permit).is_some(),
            route,
            path: route.path.front(),
            tenant,
            forward,
            upstream,
            server,
            view,
            origin,
            authority,
            counted,
            login: permit.login().map(Rc::clone),
        };
        Ok((request, forwarding))
    }

    /// Sees the messages of the request, or of the WebSocket that it begins.
    pub(super) fn observer(&self, transport: Transport) -> MessageObserver {
        MessageObserver {
            shared: Arc::clone(&self.conn.worker.shared),
            metrics: Arc::clone(&self.conn.worker.metrics),
            exchange: Rc::clone(&self.exchange),
            authority: Rc::clone(&self.authority),
            transport,
            counts: Arc::clone(self.view.upstream(self.upstream).counts()),
            flood_key: None,
        }
    }

    /// What its upstream speaks.
    pub(super) fn protocol(&self) -> Protocol {
        self.view.upstream(self.upstream).spec().protocol
    }

    /// What its messages are judged by, if they are. Not a reference of its own, which would be
    /// counted where every worker counts.
    pub(super) fn backend(&self) -> Option<&Arc<Backend>> {
        let backend = self.view.snapshot.upstreams[self.upstream.0]
            .backend
            .as_ref();
        backend.filter(|_| self.is_judged)
    }

    /// Whose sessions its upstream has.
    pub(super) fn owners(&self) -> Option<&Arc<Owners>> {
        self.view.owners(self.upstream)
    }

    /// Counts a long poll of the client until its answer has ended.
    ///
    /// # Errors
    /// If the client has as many as it may have.
    pub(super) fn begin_poll(&self) -> Result<(), Rejection> {
        let most = self.view.snapshot.limits.polls_per_client;
        let poll = self.counted.begin(ClientUse::Poll, most);
        self.exchange.hold_poll(poll.ok_or(Rejection::Polls)?);
        Ok(())
    }

    /// Counts a WebSocket of the client, and of the subject of its token.
    ///
    /// # Errors
    /// If there are as many as there may be.
    pub(super) fn begin_tunnel(&self, permit: &Permit) -> Result<OpenTunnel, Rejection> {
        let limits = &self.view.snapshot.limits;
        let of_client = self
            .counted
            .begin(ClientUse::Tunnel, limits.tunnels_per_client)
            .ok_or(Rejection::ClientTunnels)?;
        let of_subject = match limits
            .tunnels_per_subject
            .and_then(|most| Some((most, user(permit)?)))
        {
            None => None,
            Some((most, subject)) => {
                let tunnels = &self.conn.worker.shared.subject_tunnels;
                Some(
                    tunnels
                        .begin(subject, most)
                        .ok_or(Rejection::SubjectTunnels)?,
                )
            }
        };
        Ok(OpenTunnel::new(of_client, of_subject))
    }

    /// What a path stands for at a Janus.
    pub(super) fn place(&self, path: &str) -> Option<Place> {
        let is_base_known = !self.forward.path.is_root_at_upstream(self.path.as_str());
        Place::find(self.path.rest(path)?, is_base_known)
    }

    /// The permit by the configuration in force, of a request whose body had to be waited for.
    pub(super) fn permit(&self) -> Result<Permit, Rejection> {
        let worker = &self.conn.worker;
        Ok(worker.under_way.permit(self.key, &worker.view())?)
    }

    /// What the proxy is asked with.
    pub(super) fn context(&self) -> ForwardContext<'_> {
        ForwardContext {
            upstream: self.view.upstream(self.upstream),
            server: self.server,
            forward: self.forward,
            tenant: self.tenant.as_deref().map(|name| Tenant {
                route: &self.route.path,
                name,
            }),
            origin: &self.origin,
            authority: &self.authority,
            counted: &self.counted,
            body_limit: self.body_limit,
            exchange: &self.exchange,
            told: self.told(),
        }
    }

    /// What the server learns of the client's certificate.
    fn told(&self) -> &[(HeaderName, HeaderValue)] {
        let login = self.login.as_deref();
        let login = login.filter(|login| login.certificate.is_some());
        login.map_or(&[], |login| &login.headers)
    }
}
