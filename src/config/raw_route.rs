//! `[[routes]]` as it is written.

use std::path::PathBuf;
use std::time::Duration;

use super::keys::{self, Keys};
use super::problem::{Place, Spanned};
use super::read::{List, Named, Section, Table};
use super::values::{HeaderText, Method, RedirectStatus, Size, Timeout};
use crate::host::{Authority, HostPattern};
use crate::route::local::LocalUrl;
use crate::route::path::PathPrefix;
use crate::route::redirect::RedirectSpec;

/// One of `[[routes]]`.
pub(super) struct RawRoute {
    pub(super) place: Place,
    pub(super) host: Option<Spanned<HostPattern>>,
    /// A host is written, but it is none: the route is not one for every host.
    pub(super) host_is_wrong: bool,
    pub(super) path: Option<Spanned<PathPrefix>>,
    pub(super) upstream: Option<Spanned<String>>,
    pub(super) files: Option<Spanned<PathBuf>>,
    pub(super) follow_symlinks: Option<Spanned<bool>>,
    pub(super) redirect: Option<Spanned<RedirectSpec>>,
    pub(super) redirect_status: Option<Spanned<RedirectStatus>>,
    pub(super) turn: Option<Spanned<String>>,
    pub(super) policy: Option<Spanned<String>>,
    pub(super) body: Option<Spanned<Size>>,
    pub(super) strip_prefix: Option<Spanned<PathPrefix>>,
    pub(super) rewrite: Option<Spanned<PathPrefix>>,
    pub(super) headers: Option<RawHeaders>,
    pub(super) host_header: Option<Spanned<Authority>>,
    pub(super) timeouts: Option<Spanned<RawTimeouts>>,
    pub(super) hsts: Option<Duration>,
    pub(super) security_headers: bool,
    pub(super) cors: Option<RawCors>,
    pub(super) forward_token: Option<Spanned<bool>>,
    pub(super) after_sign_in: Option<Spanned<LocalUrl>>,
    pub(super) i_know_this_is_open: Option<Spanned<bool>>,
}

impl Section for RawRoute {
    const KEYS: &'static Keys = &keys::ROUTE;

    fn read(table: &Table<'_>) -> Self {
        const TARGETS: [&str; 4] = ["upstream", "files", "redirect", "turn"];
        if !TARGETS.iter().any(|key| table.has(key)) {
            let text = "missing; write where the route leads, a name from [upstreams]; or files, redirect or turn";
            table.missing("upstream", text);
        }
        let host = table.get("host");
        Self {
            place: table.place().clone(),
            host_is_wrong: host.is_none() && table.has("host"),
            host,
            path: table.require("path", "missing; write path = \"/\" for every path"),
            upstream: table.get("upstream"),
            files: table.get("files"),
            follow_symlinks: table.get("follow_symlinks"),
            redirect: table.get("redirect"),
            redirect_status: table.get("redirect_status"),
            turn: table.get("turn"),
            policy: table.require(
                "policy",
                "missing; every route needs one: a name from [policies], or \"open\" to let everybody pass",
            ),
            body: table.get("body"),
            strip_prefix: table.get("strip_prefix"),
            rewrite: table.get("rewrite"),
            headers: table.plain("headers"),
            host_header: table.get("host_header"),
            timeouts: table.get("timeouts"),
            hsts: table.plain("hsts"),
            security_headers: table.plain("security_headers").unwrap_or_default(),
            cors: table.plain("cors"),
            forward_token: table.get("forward_token"),
            after_sign_in: table.get("after_sign_in"),
            i_know_this_is_open: table.get("i_know_this_is_open"),
        }
    }
}

/// `headers` of a route: its own keys are about requests.
pub(super) struct RawHeaders {
    pub(super) request: RawEdits,
    pub(super) answer: Option<RawEdits>,
}

impl Section for RawHeaders {
    const KEYS: &'static Keys = &keys::ROUTE_HEADERS;

    fn read(table: &Table<'_>) -> Self {
        Self {
            request: RawEdits::read_from(table),
            answer: table.plain("response"),
        }
    }
}

/// Headers to put in and to take out.
pub(super) struct RawEdits {
    pub(super) place: Place,
    pub(super) set: Named<HeaderText>,
    pub(super) remove: List<String>,
}

impl RawEdits {
    fn read_from(table: &Table<'_>) -> Self {
        Self {
            place: table.place().clone(),
            set: table.plain("set").unwrap_or_default(),
            remove: table.plain("remove").unwrap_or_default(),
        }
    }
}

impl Section for RawEdits {
    const KEYS: &'static Keys = &keys::ANSWER_HEADERS;

    fn read(table: &Table<'_>) -> Self {
        Self::read_from(table)
    }
}

/// `timeouts` of a route.
pub(super) struct RawTimeouts {
    pub(super) response: Option<Duration>,
    pub(super) idle: Option<Duration>,
}

impl Section for RawTimeouts {
    const KEYS: &'static Keys = &keys::TIMEOUTS;

    fn read(table: &Table<'_>) -> Self {
        let time = |key| table.plain(key).map(|Timeout(time)| time);
        Self {
            response: time("response"),
            idle: time("idle"),
        }
    }
}

/// `cors` of a route.
pub(super) struct RawCors {
    pub(super) origins: Option<Spanned<List<String>>>,
    pub(super) credentials: Option<Spanned<bool>>,
    pub(super) methods: Option<Spanned<List<Method>>>,
    pub(super) headers: Option<Spanned<List<String>>>,
    pub(super) max_age: Option<Duration>,
}

impl Section for RawCors {
    const KEYS: &'static Keys = &keys::CORS;

    fn read(table: &Table<'_>) -> Self {
        Self {
            origins: table.require(
                "origins",
                "missing; write origins = [\"https://app.example.com\"]",
            ),
            credentials: table.get("credentials"),
            methods: table.get("methods"),
            headers: table.get("headers"),
            max_age: table.plain("max_age"),
        }
    }
}
