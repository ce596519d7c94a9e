//! How routes address the servers of an upstream.

use http::HeaderValue;

use crate::host::{HostName, HostPattern};
use crate::route::{Forward, Route, RouteTable, Target, UpstreamId};

/// How the routes to an upstream address it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The paths that they lead to, without a slash at the end.
    pub paths: Vec<String>,
    /// The `Host` that they set.
    pub host: Option<HeaderValue>,
    /// A host that they are for.
    pub site: Option<HostName>,
}

impl Routed {
    /// How the routes of a table address one of its upstreams.
    pub fn to(routes: &RouteTable, upstream: UpstreamId) -> Self {
        let forward = |route: &Route| match &route.target {
            Target::Forward(forward) if forward.upstreams().any(|id| id == upstream) => {
                Some((route.clone(), forward.clone()))
            }
            _ => None,
        };
        let routes: Vec<(Route, Forward)> = routes.routes().iter().filter_map(forward).collect();
        let mut paths: Vec<String> = Vec::new();
        for (route, forward) in &routes {
            let path = forward.path_at_upstream(&route.path);
            let path = path.trim_end_matches('/').to_owned();
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            paths.push(String::new());
        }
        let site = routes.iter().find_map(|(route, _)| match &route.host {
            Some(HostPattern::Exact(host)) => Some(host.clone()),
            _ => None,
        });
        let host = routes
            .into_iter()
            .find_map(|(_, forward)| forward.host)
            .map(|host| host.value);
        Self { paths, host, site }
    }
}
