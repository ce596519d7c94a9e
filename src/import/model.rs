//! What `gateway.toml` will say.

use std::collections::BTreeMap;

use super::access::Access;
use crate::nginx::Place;

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct Gateway {
    pub(super) https: Vec<String>,
    pub(super) http: Vec<String>,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) client_address_header: Option<String>,
    pub(super) proxy_protocol: Vec<String>,
    pub(super) min_version: Option<&'static str>,
    pub(super) certificates: Vec<(String, String)>,
    pub(super) acme: Vec<Vec<String>>,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) passthrough: Vec<Passthrough>,
    pub(super) routes: Vec<Route>,
}

/// `[[passthrough]]`.
#[derive(Clone, Debug)]
pub(super) struct Passthrough {
    pub(super) sni: String,
    pub(super) to: String,
    pub(super) proxy_protocol: bool,
    pub(super) place: Place,
}

/// `[upstreams.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) servers: Vec<String>,
    pub(super) backup: Vec<String>,
    pub(super) protocol: Option<&'static str>,
    pub(super) balance: Option<&'static str>,
    pub(super) max_connections: Option<u32>,
    pub(super) ca_file: Option<String>,
    pub(super) server_name: Option<String>,
}

impl Upstream {
    /// Whether everybody who reaches it controls a media server.
    pub(super) fn is_control(&self) -> bool {
        matches!(self.protocol, Some("janus-admin" | "kurento"))
    }
}

/// `[[routes]]`.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) hosts: Vec<String>,
    /// As in `gateway.toml`.
    pub(super) path: String,
    /// How NGINX matched it.
    pub(super) matching: Matching,
    pub(super) access: Access,
    /// Whether the source limited it, as far as characters go: `/admin.php` with `/admin`.
    pub(super) limited: bool,
    pub(super) target: Target,
    pub(super) extras: Extras,
    pub(super) place: Place,
    /// What it was in the source.
    pub(super) from: String,
}

/// How NGINX matches a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matching {
    /// `=`
    Exact,
    /// No modifier; regular expressions win over it.
    Prefix,
    /// `^~`
    Priority,
    /// A regular expression whose shape is known.
    Regexp,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Upstream {
        upstream: usize,
        rewrite: Option<String>,
        host_header: Option<String>,
    },
    Files {
        folder: String,
        /// The page for paths without a file.
        spa: Option<String>,
    },
    Redirect {
        to: String,
        status: u16,
    },
    /// No target of the source is left. Its access is closed.
    Nothing,
}

/// Keys of a route that have nothing to do with access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extras {
    pub(super) body: Option<String>,
    pub(super) requests: Option<String>,
    pub(super) timeout: Option<String>,
    pub(super) hsts: Option<String>,
    pub(super) cors: Option<String>,
    pub(super) set: BTreeMap<String, String>,
    pub(super) remove: Vec<String>,
    pub(super) answer_set: BTreeMap<String, String>,
    pub(super) answer_remove: Vec<String>,
}
