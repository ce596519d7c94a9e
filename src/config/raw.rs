//! The tables of `gateway.toml` as they are written: each value is of its type, no name is
//! resolved, nothing is compared.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::{self, Keys};
use super::lower::everybody;
use super::problem::{Place, Spanned};
use super::raw_access::{RawIssuer, RawPolicy};
use super::raw_acme::RawAcme;
use super::raw_deploy::RawDeploy;
use super::raw_route::RawRoute;
use super::raw_turn::RawTurn;
use super::read::{List, Named, Section, Table, valid};
use super::values::{PlainServer, Port, Size, Timeout, Workers};
use crate::addr::{ListenAddr, Network};
use crate::host::{HostName, HostPattern};
use crate::limits::Limits;
use crate::route::upstream::{Balance, Protocol, ServerAddr};
use crate::telemetry::LogSpec;
use crate::tls::MinVersion;

/// The whole file. A section that is `None` is no table, which is noted.
pub(super) struct Raw {
    pub(super) listen: Option<RawListen>,
    pub(super) log: Option<LogSpec>,
    pub(super) limits: Option<Limits>,
    pub(super) tls: Option<RawTls>,
    /// The inner `None` is no table, the outer is not written.
    pub(super) acme: Option<Option<RawAcme>>,
    pub(super) deploy: List<RawDeploy>,
    pub(super) passthrough: List<RawPassthrough>,
    pub(super) upstreams: Named<RawUpstream>,
    pub(super) issuers: Named<RawIssuer>,
    pub(super) policies: Named<RawPolicy>,
    pub(super) turns: Named<RawTurn>,
    pub(super) routes: List<RawRoute>,
}

impl Raw {
    pub(super) fn read(root: &Table<'_>) -> Self {
        let routes = root.require::<List<_>>("routes", NO_ROUTES);
        if routes
            .as_ref()
            .is_some_and(|routes| routes.value.is_empty())
        {
            root.missing("routes", NO_ROUTES);
        }
        Self {
            listen: root.section("listen"),
            log: root.section("log"),
            limits: root.section("limits"),
            tls: root.section("tls"),
            acme: root.has("acme").then(|| root.plain("acme")),
            deploy: root.plain("deploy").unwrap_or_default(),
            passthrough: root.plain("passthrough").unwrap_or_default(),
            upstreams: root.plain("upstreams").unwrap_or_default(),
            issuers: root.plain("issuers").unwrap_or_default(),
            policies: root.plain("policies").unwrap_or_default(),
            turns: root.plain("turn").unwrap_or_default(),
            routes: routes.map(|routes| routes.value).unwrap_or_default(),
        }
    }
}

const NO_ROUTES: &str = "there is none, so every request would get 404; write a [[routes]] table";

/// Browsers open one connection less for each WebSocket.
pub(super) const H2_WEBSOCKETS: bool = true;

/// `[listen]`.
pub(super) struct RawListen {
    pub(super) https: Vec<Spanned<ListenAddr>>,
    pub(super) http: Vec<Spanned<ListenAddr>>,
    /// Whether a plain listener is written, right or wrong.
    pub(super) has_http: bool,
    pub(super) status: Option<Spanned<ListenAddr>>,
    pub(super) status_hosts: Option<Spanned<List<HostName>>>,
    pub(super) public_port: Option<u16>,
    pub(super) workers: usize,
    pub(super) h2_websockets: bool,
    pub(super) proxy_protocol: Vec<Spanned<Network>>,
    pub(super) trusted_proxies: Vec<Spanned<Network>>,
}

impl Section for RawListen {
    const KEYS: &'static Keys = &keys::LISTEN;

    fn read(table: &Table<'_>) -> Self {
        let https = table.plain::<List<_>>("https");
        if !table.has("https") || https.as_ref().is_some_and(Vec::is_empty) {
            table.missing(
                "https",
                "there is no TLS listener, and plain ones only redirect; write https = [\"[::]:443\"]",
            );
        }
        let http = table.plain::<List<_>>("http");
        Self {
            https: valid(https),
            has_http: table.has("http") && http.as_ref().is_none_or(|list| !list.is_empty()),
            http: valid(http),
            status: table.get("status"),
            status_hosts: table.get("status_hosts"),
            public_port: table.plain("public_port").map(|Port(port)| port),
            workers: table.plain("workers").map_or(0, |Workers(workers)| workers),
            h2_websockets: table.plain("h2_websockets").unwrap_or(H2_WEBSOCKETS),
            proxy_protocol: valid(table.plain("proxy_protocol")),
            trusted_proxies: valid(table.plain("trusted_proxies")),
        }
    }
}

impl Section for LogSpec {
    const KEYS: &'static Keys = &keys::LOG;

    fn read(table: &Table<'_>) -> Self {
        let default = Self::default();
        Self {
            format: table.plain("format").unwrap_or(default.format),
            access: table.plain("access").unwrap_or(default.access),
        }
    }
}

impl Section for Limits {
    const KEYS: &'static Keys = &keys::LIMITS;

    fn read(table: &Table<'_>) -> Self {
        let default = Self::default();
        let count = |key, default| table.plain(key).map_or(default, NonZeroUsize::get);
        let timeout = |key, default| table.plain(key).map_or(default, |Timeout(time)| time);
        let exempt = table
            .plain::<List<Network>>("exempt")
            .map(|list| valid(Some(list)));
        for everybody in exempt
            .iter()
            .flat_map(|exempt| everybody::on_the_internet(exempt))
        {
            let text = "takes the limits of each client off everybody; write your own networks";
            table.warn(everybody.place, format!("{everybody} {text}"));
        }
        Self {
            connections: count("connections", default.connections),
            connections_per_client: count("connections_per_client", default.connections_per_client),
            requests_per_client: table
                .plain("requests_per_client")
                .unwrap_or(default.requests_per_client),
            bad_tokens_per_client: table
                .plain("bad_tokens_per_client")
                .unwrap_or(default.bad_tokens_per_client),
            exempt: exempt.map_or(default.exempt, |list| {
                list.into_iter().map(|net| net.value).collect()
            }),
            header_timeout: timeout("header_timeout", default.header_timeout),
            idle_timeout: timeout("idle_timeout", default.idle_timeout),
            body: table
                .plain("body")
                .map_or(default.body, |Size(bytes)| bytes),
            drain: table.plain("drain").unwrap_or(default.drain),
        }
    }
}

/// `[tls]`.
pub(super) struct RawTls {
    pub(super) min_version: Option<MinVersion>,
    pub(super) certificates: Vec<Spanned<RawPair>>,
    pub(super) self_signed: Vec<Spanned<HostName>>,
    pub(super) default: bool,
    /// Where a certificate would be written, if none is.
    pub(super) lacks: Option<Place>,
}

impl Section for RawTls {
    const KEYS: &'static Keys = &keys::TLS;

    fn read(table: &Table<'_>) -> Self {
        let certificates = table.plain::<List<_>>("certificates");
        let self_signed = table.plain::<List<_>>("self_signed");
        let none =
            |key, list_is_empty: Option<bool>| !table.has(key) || list_is_empty == Some(true);
        let has_none = none("certificates", certificates.as_ref().map(Vec::is_empty))
            && none("self_signed", self_signed.as_ref().map(Vec::is_empty));
        let place = table.place();
        Self {
            min_version: table.plain("min_version"),
            certificates: valid(certificates),
            self_signed: valid(self_signed),
            default: table.plain("default").unwrap_or_default(),
            lacks: has_none.then(|| place.key("certificates", place.at)),
        }
    }
}

/// One of `tls.certificates`.
pub(super) struct RawPair {
    pub(super) cert: Option<PathBuf>,
    /// Not written: the certificate's file has the key too.
    pub(super) key: Option<PathBuf>,
}

impl Section for RawPair {
    const KEYS: &'static Keys = &keys::PAIR;

    fn read(table: &Table<'_>) -> Self {
        let cert = table.require("cert", "missing; write the path of a PEM file");
        Self {
            cert: cert.map(|cert| cert.value),
            key: table.plain("key"),
        }
    }
}

/// One of `[[passthrough]]`.
pub(super) struct RawPassthrough {
    pub(super) sni: Option<Spanned<HostPattern>>,
    pub(super) to: Option<Spanned<PlainServer>>,
    pub(super) proxy_protocol: bool,
}

impl Section for RawPassthrough {
    const KEYS: &'static Keys = &keys::PASSTHROUGH;

    fn read(table: &Table<'_>) -> Self {
        Self {
            sni: table.require(
                "sni",
                "missing; write the TLS server name, sni = \"turn.example.com\"",
            ),
            to: table.require(
                "to",
                "missing; write who ends its TLS, to = \"127.0.0.1:5349\"",
            ),
            proxy_protocol: table.plain("proxy_protocol").unwrap_or_default(),
        }
    }
}

/// `[upstreams.NAME]`.
pub(super) struct RawUpstream {
    pub(super) servers: Option<Spanned<List<ServerAddr>>>,
    pub(super) protocol: Protocol,
    /// Whether `protocol` is written, right or wrong.
    pub(super) has_protocol: bool,
    pub(super) balance: Option<Spanned<Balance>>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
    pub(super) server_name: Option<Spanned<HostName>>,
    pub(super) keep_alive: Option<Duration>,
    pub(super) max_connections: Option<usize>,
}

impl Section for RawUpstream {
    const KEYS: &'static Keys = &keys::UPSTREAM;

    fn read(table: &Table<'_>) -> Self {
        Self {
            servers: table.require(
                "servers",
                "missing; write servers = [\"http://127.0.0.1:8088\"]",
            ),
            protocol: table.plain("protocol").unwrap_or_default(),
            has_protocol: table.has("protocol"),
            balance: table.get("balance"),
            ca_file: table.get("ca_file"),
            server_name: table.get("server_name"),
            keep_alive: table.plain("keep_alive"),
            max_connections: table.plain("max_connections").map(NonZeroUsize::get),
        }
    }
}
