//! What routes say of headers: edits, and `cors`.

use std::time::Duration;

use super::section;
use crate::config::problem::{Place, Spanned};
use crate::config::read::{List, Named};
use crate::config::values::{HeaderField, HeaderText, Method, Origin};

section! {
    /// Headers of requests to the server; those of answers under `response`. First `remove`, then
    /// `set`. What the gateway has to say itself is rejected: connection headers, lengths, the
    /// WebSocket handshake, and towards the server `Host`, `X-Forwarded-*`, `Forwarded`,
    /// `X-Real-IP` and `X-Request-Id`. The same header twice is rejected.
    "routes.headers" => struct RawHeaders {
        /// Header and value. What the client sent under the name, or under one that servers read as
        /// the same (`X_Tenant`), is taken out.
        set: Named<HeaderText> = or_empty("none");
        /// Headers that the server does not get.
        remove: List<HeaderField> = or_empty("none");
        response: RawEdits = optional("no header is edited");
    }
    also {
        place: Place = |table| table.place().clone();
    }
}

section! {
    /// Headers of what the server or a file answers; not those of rejections.
    "routes.headers.response" => struct RawEdits {
        /// Header and value; replaces what there is.
        set: Named<HeaderText> = or_empty("none");
        /// Headers that the client does not get.
        remove: List<HeaderField> = or_empty("none");
    }
}

section! {
    /// Pages of other origins that may use the route. The gateway answers preflights itself, before
    /// the policy is asked, and replaces what the server says of CORS; on rejections too. A
    /// WebSocket is not covered by CORS, so with `cors` a handshake from a page that is not listed
    /// gets 403; clients that send no `Origin`, or the gateway's own host with or without a scheme,
    /// pass. Where an address or a cookie is what lets a client in, and for `janus-admin` and
    /// `kurento` in any case, [pages of other origins](tokens.md#pages-of-other-origins) get 403
    /// without it.
    "routes.cors" => struct RawCors {
        /// Exact origins, or `["*"]` for every page, but not with a token in a cookie. An empty
        /// list is rejected.
        origins: Spanned<List<Origin>> = required(
            "missing; write origins = [\"https://app.example.com\"]"
        );
        /// Whether pages may send cookies. Not with `"*"`.
        credentials: Spanned<bool> = optional(is false);
        /// Methods that a page may use. With `protocol = "whip"`, PATCH, DELETE and OPTIONS are
        /// among the default ones.
        methods: Spanned<List<Method>> = optional(is METHODS.to_vec());
        /// Headers that a page may send. With `protocol = "whip"`, `If-Match` is among the default
        /// ones.
        headers: Spanned<List<HeaderField>> = optional(is HEADERS.to_vec());
        /// Headers of answers that a page may read, beside the few that browsers always show. An
        /// empty list is none.
        expose: Spanned<List<HeaderField>> = optional(concat!(
            "what the server lists in `Access-Control-Expose-Headers`; with ",
            "`protocol = \"whip\"`, `[\"Location\", \"Link\", \"ETag\", \"Accept-Patch\", ",
            "\"Accept-Post\"]`",
        ));
        /// For how long browsers may remember a preflight; most cap it at two hours.
        max_age: Duration = default(MAX_AGE);
    }
}

/// What a page may do where `methods` is not written: what HTML can do without permission.
pub(in crate::config) const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

/// What a page may send where `headers` is not written: signalling is JSON, and tokens have their
/// own header.
pub(in crate::config) const HEADERS: [&str; 2] = ["Content-Type", "Authorization"];

/// What stands in place of these for WHIP and WHEP (RFC 9725).
pub(in crate::config) const WHIP: CorsLists = CorsLists {
    methods: &["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"],
    headers: &["Content-Type", "Authorization", "If-Match"],
    expose: &["Location", "Link", "ETag", "Accept-Patch", "Accept-Post"],
};

/// What a page may do, send and read.
pub(in crate::config) struct CorsLists {
    pub(in crate::config) methods: &'static [&'static str],
    pub(in crate::config) headers: &'static [&'static str],
    pub(in crate::config) expose: &'static [&'static str],
}

/// Most browsers cap it at two hours.
const MAX_AGE: Duration = Duration::from_secs(3600);
