//! Routing: which `[[routes]]` entry a host and a path belong to, by whole path segments.

pub mod change;
pub mod cors;
pub mod edits;
pub mod files;
pub mod health;
pub mod initiator;
pub mod janus;
pub mod jitsi;
pub mod local;
pub mod passthrough;
pub mod path;
pub mod redirect;
pub mod tenant;
pub mod upstream;
pub mod web_origin;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::host::{Authority, HostName, HostPattern};
use crate::limits::Rate;
use crate::policy::{Policy, TokenRule};
use crate::telemetry::metrics::RouteName;
use crate::turn::TurnId;
use cors::Cors;
use edits::{Edits, Security};
use files::FilesSpec;
use janus::BasePaths;
use local::{LocalUrl, below_own};
use path::{BadPath, EncodedSlash, NormalPath};
use redirect::RedirectSpec;
use tenant::RoutePath;
use upstream::UpstreamSpec;

/// One `[[routes]]` entry, every name resolved.
#[derive(Clone, Debug)]
pub struct Route {
    /// Hosts that the route serves; `None`: every host.
    pub host: Option<HostPattern>,
    /// The path that the route serves.
    pub path: RoutePath,
    /// Which clients may use the route.
    pub policy: Arc<Policy>,
    /// What answers its requests.
    pub target: Target,
    /// Whether the token is passed on to the target.
    pub forward_token: bool,
    /// Largest request body in bytes.
    pub body_limit: u64,
    /// How many requests it takes.
    pub limits: RouteLimits,
    /// Which pages of other origins may use the route. Without it, the target's own CORS headers
    /// are passed on, and requests that are permitted by a cookie or an address must come from a
    /// page of the route's own host.
    pub cors: Option<Cors>,
    /// Changes to the headers of responses.
    pub answers: Edits,
    /// Security headers of responses.
    pub security: Security,
    /// Where a browser goes after signing in; `None`: the page that it asked for.
    pub after_sign_in: Option<LocalUrl>,
}

impl Route {
    /// The labels of its metrics.
    pub fn name(&self) -> RouteName {
        let host = self
            .host
            .as_ref()
            .map_or("*".to_owned(), ToString::to_string);
        RouteName {
            host: host.into(),
            path: self.path.to_string().into(),
        }
    }

    /// Whether the route serves the host.
    pub fn serves(&self, host: &HostName) -> bool {
        self.host
            .as_ref()
            .is_none_or(|pattern| pattern.matches(host))
    }

    /// Whether `%2F` may be in its paths.
    fn keeps_slashes(&self) -> bool {
        matches!(&self.target, Target::Forward(to) if to.encoded_slash == EncodedSlash::Keep)
    }

    /// Whether its policy may need a certificate of the client.
    fn asks_for_certificate(&self) -> bool {
        let login = self.policy.login();
        login.is_some_and(|login| login.certificate().is_some())
    }

    /// The token rule by which a browser can sign in here, and the index of the cookie among its
    /// sources. `None` if the policy does not accept tokens from the gateway's own cookie, or if
    /// the route's path cannot be a cookie path because it contains `;` or stands for the paths of
    /// tenants.
    pub fn sign_in(&self) -> Option<(&TokenRule, u32)> {
        let rule = self.policy.token_rule()?;
        let place = rule.cookie_place()?;
        let is_cookie_path = !self.path.has_tenant() && !self.path.front().as_str().contains(';');
        is_cookie_path.then_some((rule, place))
    }

    /// The tenant that one of the route's paths, normalised, names. `None` if its path has no
    /// `{tenant}`.
    pub fn tenant<'p>(&self, path: &'p str) -> Option<&'p str> {
        self.path.tenant(path)
    }
}

/// How many requests a route takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteLimits {
    /// Requests of one client; more get 429.
    pub requests: Option<Rate>,
    /// Requests of all clients under way at once; more get 503.
    pub concurrent: Option<usize>,
}

/// What answers the requests of a route.
#[derive(Clone, Debug)]
pub enum Target {
    /// A server of an upstream, by HTTP or WebSocket.
    Forward(Forward),
    /// Files on disk.
    Files(FilesSpec),
    /// A redirect to another URL.
    Redirect(RedirectSpec),
    /// Credentials for a TURN server.
    Turn(TurnId),
}

/// How a request is forwarded to its upstream.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The upstream.
    pub upstream: UpstreamId,
    /// The upstream of WebSockets, where it is another one.
    pub websocket: Option<UpstreamId>,
    /// How the path is rewritten.
    pub path: PathChange,
    /// What is done with `%2F` in the path.
    pub encoded_slash: EncodedSlash,
    /// Changes to the headers of requests.
    pub headers: Edits,
    /// The `Host` that the upstream gets; `None`: the one that the client sent.
    pub host: Option<HostHeader>,
    /// How long the upstream may take.
    pub timeouts: Timeouts,
    /// The largest message in bytes, where messages are judged.
    pub message_size: usize,
}

impl Forward {
    /// The default of `message_size`: an SDP of a large room is a fifth of it.
    pub const MESSAGE_SIZE: usize = 256 << 10;

    /// The default for Kurento, whose client for Java sends up to 1,000,000 bytes at once.
    pub const KURENTO_MESSAGE_SIZE: usize = 1 << 20;

    /// The upstream of a WebSocket handshake, or of any other request.
    pub fn upstream_of(&self, is_websocket: bool) -> UpstreamId {
        self.websocket
            .filter(|_| is_websocket)
            .unwrap_or(self.upstream)
    }

    /// The path at the upstream of a route's own path.
    pub fn path_at_upstream(&self, route: &RoutePath) -> String {
        self.path.to_upstream(route.without_variable().as_str())
    }

    /// Every upstream that requests may go to.
    pub fn upstreams(&self) -> impl Iterator<Item = UpstreamId> {
        std::iter::once(self.upstream).chain(self.websocket)
    }
}

/// A configured `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostHeader {
    /// The same as an authority: the upstream may redirect to it.
    pub authority: Authority,
    /// The header value.
    pub value: HeaderValue,
}

/// How long an upstream may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the response head.
    pub response: Duration,
    /// Until the next piece of a body, in either direction. Does not apply to WebSockets.
    pub idle: Duration,
}

impl Default for Timeouts {
    /// Longer than the 60 s of a BOSH poll, so that the server always answers first.
    fn default() -> Self {
        const LONG_POLL: Duration = Duration::from_secs(75);
        Self {
            response: LONG_POLL,
            idle: LONG_POLL,
        }
    }
}

/// Replaces the beginning of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathChange {
    /// The beginning that is removed: leading segments of the route's path. Empty: nothing.
    pub strip: Box<str>,
    /// What is put in front of the rest.
    pub add: Box<str>,
}

impl PathChange {
    /// Whether paths are not changed.
    pub fn is_none(&self) -> bool {
        self.strip.is_empty() && self.add.is_empty()
    }

    /// The path at the upstream, of a public path without its tenant. Paths below the route begin
    /// with `strip`.
    pub fn to_upstream(&self, path: &str) -> String {
        let rest = path.strip_prefix(&*self.strip).unwrap_or(path);
        let mut out = String::with_capacity(self.add.len() + rest.len() + 1);
        out.push_str(&self.add);
        out.push_str(rest);
        if out.is_empty() {
            out.push('/');
        }
        out
    }

    /// Whether a public path is the root at the upstream.
    pub fn is_root_at_upstream(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&*self.strip).unwrap_or(path);
        let is_root = |part: &str| matches!(part, "" | "/");
        is_root(&self.add) && is_root(rest)
    }

    /// The public path, without its tenant, of one that the upstream wrote in `Location`, or `None`
    /// if it is outside of this route.
    pub fn to_public(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&*self.add)?;
        if !(rest.is_empty() || rest.starts_with(['/', '?', '#'])) {
            return None;
        }
        let public = format!("{}{rest}", self.strip);
        // A browser reads `//name/` as another host.
        if public.starts_with("//") {
            return None;
        }
        Some(if public.starts_with('/') {
            public
        } else {
            format!("/{public}")
        })
    }
}

/// An index into the gateway's upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub usize);

/// An index into the table's routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteId(usize);

impl RouteId {
    /// The position in [`RouteTable::routes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// All routes. Of those that match a host and a path, the one with the most segments wins, and one
/// without a tenant before one with it; of two with the same path, the more exact host.
#[derive(Debug, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
    /// By [`RoutePath::rank`]; each list already has the routes without a host mixed in.
    by_host: HashMap<HostName, Vec<RouteId>>,
    by_parent: HashMap<HostName, Vec<RouteId>>,
    any_host: Vec<RouteId>,
    upstreams: Vec<Arc<UpstreamSpec>>,
    /// For each route, the Janus base paths that belong to other routes.
    base_paths: Vec<BasePaths>,
    /// Whether `%2F` may be in the paths of any route.
    keeps_slashes: bool,
    /// Whether a route may need a certificate of the client.
    asks_for_certificates: bool,
}

impl RouteTable {
    /// Sorts the routes, of which no two have the same host and path (the configuration checks
    /// that).
    pub fn new(routes: Vec<Route>, upstreams: Vec<Arc<UpstreamSpec>>) -> Self {
        let mut table = Self {
            base_paths: janus::base_paths(&routes, &upstreams),
            keeps_slashes: routes.iter().any(Route::keeps_slashes),
            asks_for_certificates: routes.iter().any(Route::asks_for_certificate),
            routes,
            upstreams,
            ..Self::default()
        };
        let mut ids: HashMap<Option<HostPattern>, Vec<RouteId>> = HashMap::new();
        for (at, route) in table.routes.iter().enumerate() {
            let of_host = ids.entry(route.host.clone()).or_default();
            of_host.push(RouteId(at));
        }
        let of = |host: Option<HostPattern>| ids.get(&host).map(Vec::as_slice).unwrap_or_default();
        for pattern in ids.keys().flatten() {
            let (own, every) = (of(Some(pattern.clone())), of(None));
            match pattern {
                HostPattern::Exact(host) => {
                    let wildcard = parent(host).map(HostPattern::Wildcard);
                    let wider = wildcard.map(|wildcard| of(Some(wildcard)));
                    let list = table.sorted(&[own, wider.unwrap_or_default(), every]);
                    table.by_host.insert(host.clone(), list);
                }
                HostPattern::Wildcard(parent) => {
                    let list = table.sorted(&[own, every]);
                    table.by_parent.insert(parent.clone(), list);
                }
            }
        }
        table.any_host = table.sorted(&[of(None)]);
        table
    }

    /// The routes of several lists, the more exact host first.
    fn sorted(&self, lists: &[&[RouteId]]) -> Vec<RouteId> {
        let mut ids = lists.concat();
        // Stable: of two with paths of one rank, the first list is the more exact host.
        ids.sort_by_key(|id| Reverse(self.route(*id).path.rank()));
        ids
    }

    /// The route by its index.
    pub fn route(&self, id: RouteId) -> &Route {
        &self.routes[id.0]
    }

    /// The upstream by its index.
    pub fn upstream(&self, id: UpstreamId) -> &Arc<UpstreamSpec> {
        &self.upstreams[id.0]
    }

    /// Whether the route leads to a control port of a media server.
    pub fn is_control(&self, route: &Route) -> bool {
        match &route.target {
            Target::Forward(to) => to
                .upstreams()
                .any(|id| self.upstream(id).protocol.is_control()),
            _ => false,
        }
    }

    /// Whether Janus would find in this path the base path of another route with another policy.
    pub fn is_of_another_route(&self, id: RouteId, path: &str) -> bool {
        let route = self.route(id);
        let Target::Forward(to) = &route.target else {
            return false;
        };
        let base_paths = &self.base_paths[id.0];
        !base_paths.is_empty() && {
            let path = route.path.without_tenant(path);
            base_paths.are_in(&match to.path.is_none() {
                true => path,
                false => to.path.to_upstream(&path).into(),
            })
        }
    }

    /// All routes, in the order of `gateway.toml`.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The hosts of all routes in the order of `gateway.toml`, with duplicates.
    pub fn hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.routes.iter().filter_map(|route| route.host.as_ref())
    }

    /// Whether a route of the host may need a certificate of the client; `None` is a client that
    /// may ask for any host.
    pub fn asks_for_certificate(&self, host: Option<&HostName>) -> bool {
        let serves = |route: &Route| host.is_none_or(|host| route.serves(host));
        let mut routes = self.routes.iter();
        self.asks_for_certificates
            && routes.any(|route| route.asks_for_certificate() && serves(route))
    }

    /// All upstreams.
    pub fn upstreams(&self) -> &[Arc<UpstreamSpec>] {
        &self.upstreams
    }

    /// Normalises the path of a request target, without its query. Only [`Self::find`] shows
    /// whether `%2F` may be in it.
    ///
    /// # Errors
    /// What makes the path ambiguous.
    pub fn normalize<'p>(&self, raw: &'p str) -> Result<NormalPath<'p>, BadPath> {
        let slash = match self.keeps_slashes {
            true => EncodedSlash::Keep,
            false => EncodedSlash::Reject,
        };
        NormalPath::parse_with(raw, slash)
    }

    /// Finds the route of a normalised path.
    ///
    /// # Errors
    /// No route has the host, or none of the host's routes has the path, or the route does not
    /// accept the `%2F` in it.
    pub fn find(&self, host: &HostName, path: &str) -> Result<RouteId, NoRoute> {
        let ids = self.candidates(host);
        if ids.is_empty() {
            return Err(NoRoute::Host);
        }
        let covers = |path: &str| {
            let mut ids = ids.iter().copied();
            ids.find(|id| self.route(*id).path.covers(path))
        };
        let found = covers(path).ok_or(NoRoute::Path)?;
        // A server may read `%2F` as a slash. The path must not be one of another route then.
        if self.keeps_slashes
            && let Some(decoded) = path::decode_slashes(path)
        {
            let is_same = below_own(&decoded).is_none() && covers(&decoded) == Some(found);
            if !is_same || !self.route(found).keeps_slashes() {
                return Err(NoRoute::EncodedSlash);
            }
        }
        Ok(found)
    }

    fn candidates(&self, host: &HostName) -> &[RouteId] {
        if let Some(ids) = self.by_host.get(host) {
            return ids;
        }
        if self.by_parent.is_empty() {
            return &self.any_host;
        }
        parent(host)
            .and_then(|parent| self.by_parent.get(&parent))
            .unwrap_or(&self.any_host)
    }
}

/// The name that a wildcard for this host is of.
fn parent(host: &HostName) -> Option<HostName> {
    host.parent()?.parse().ok()
}

/// Why no route was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// No route serves the host.
    #[error("no route for this host")]
    Host,
    /// Routes of the host exist, but none for this path.
    #[error("no route for this path")]
    Path,
    /// The path has `%2F`, and its route does not keep that, or another route has the path that it
    /// would be with a slash.
    #[error("encoded slash")]
    EncodedSlash,
}

#[cfg(test)]
mod tests;
