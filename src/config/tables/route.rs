//! `[[routes]]`, but for what is about headers.

use std::path::PathBuf;
use std::time::Duration;

use super::headers::{RawCors, RawHeaders};
use super::section;
use crate::config::problem::{Place, Spanned};
use crate::config::read::{Named, Table};
use crate::config::values::{
    Count, MessageSize, OneOrMore, PolicyName, RedirectStatus, Size, Timeout, TurnName,
    UpstreamName,
};
use crate::host::{Authority, HostPattern};
use crate::limits::Rate;
use crate::route::Timeouts;
use crate::route::files::PageFile;
use crate::route::local::LocalUrl;
use crate::route::path::{EncodedSlash, PathPrefix};
use crate::route::redirect::RedirectSpec;
use crate::route::tenant::RoutePath;

section! {
    /// What is served: a host and a path lead to one target, which is `upstream`, `files`,
    /// `redirect` or `turn`. The longest path wins, by whole segments; of two with the same path,
    /// the more exact host. Two equal routes are rejected. A WebSocket is a route like any other.
    /// Paths are matched on one spelling, which is also the one that the server behind gets:
    /// `/%6aanus` is `/janus`; encoded slashes (but for
    /// [`encoded_slash`](#routesencoded_slash)), dot segments, doubled slashes and NUL get 400.
    "[[routes]]" => struct RawRoute {
        /// The hosts that the route serves: one, or a list, for which the route is as if it were
        /// written once for each: with limits and metrics of its own. A host that no certificate
        /// has is a warning.
        host: OneOrMore<HostPattern> = optional("every host");
        /// This path and what is below it. What is below `/.ianitor` belongs to the gateway itself.
        /// There are no patterns and no variables, `/*/x`, `/{id}`, `/:id` and `/$1` are rejected,
        /// but for one:
        ///
        /// With an upstream that speaks `jitsi`, `{tenant}` is one whole segment with others behind
        /// it, for the names of all tenants: 1 to 63 of `a-z A-Z 0-9 . _ -`, the first of which is
        /// no dot. `/{tenant}/http-bind` is `/acme/http-bind`, with or without a slash at its end
        /// and with nothing below it, and reaches the server as `/http-bind?prefix=acme`. A route
        /// without `{tenant}` wins over one with it that has as many segments. Browsers cannot sign
        /// in at such a path, since no cookie is for it; the cookie of a route above it is sent.
        path: Spanned<RoutePath> = required("missing; write path = \"/\" for every path");
        /// A name from `[upstreams]`.
        upstream: Spanned<UpstreamName> = optional("the target is `files`, `redirect` or `turn`");
        /// With `upstream`: a name from `[upstreams]` for WebSockets, where another server takes
        /// them than the other requests of the same path, as Janus does: 8188 beside 8088. The
        /// policy and every other key of the route hold for both.
        websocket: Spanned<UpstreamName> = optional("WebSockets go to `upstream` as well");
        /// A folder, or one file for the route's very path. GET and HEAD, with `index.html` for
        /// folders (and 308 to the slash), ETag and Last-Modified, single ranges, and `x.js.br`,
        /// `.zst` or `.gz` in place of `x.js` for clients that accept it. Pages get
        /// `Cache-Control: no-cache`. Never shown: names that begin with a dot, lists of files,
        /// pipes and devices, and what is the gateway's own, whatever leads to it: this file, keys,
        /// secrets, the certificate store. A folder with any of these in it, or `/`, is rejected. A
        /// folder that is missing is a warning, and 404 until it is there.
        files: Spanned<PathBuf> = optional("the target is `upstream`, `redirect` or `turn`");
        /// With `files`: whether links below the folder are followed. With `false`, a link on the
        /// way is 404.
        follow_symlinks: Spanned<bool> = optional(is FOLLOW_SYMLINKS);
        /// With `files`: whether texts, scripts, styles, JSON, SVG and WebAssembly of 1 KiB and
        /// more are compressed while they are sent, with gzip, Brotli or Zstandard as the client
        /// accepts it, at the fastest level. `x.js.br` and the like are still sent where they are,
        /// and cost nothing. At most 64 files are compressed at a time; further ones are sent as
        /// they are.
        compress: Spanned<bool> = optional("`false`");
        /// With a folder as `files`: the page of an application whose paths exist in the browser
        /// only, such as `"index.html"`. It is the answer, with 200, to every path that has no file
        /// and whose last segment has no dot: `/room/42`, and not `/app.js`, which is still 404
        /// (`try_files $uri $uri/ /index.html` of NGINX answers that with the page as well).
        spa: Spanned<PageFile> = optional("paths without a file are 404");
        /// With a folder as `files`: pages by status, `{ 404 = "404.html" }`. Only 404 can have
        /// one: for paths that have no file, and that are not answered by `spa`.
        error_pages: Spanned<Named<Spanned<PageFile>>> = optional("a page of the gateway's own");
        /// Where clients are sent. If it ends with `/`, or is an origin only, the rest of the path
        /// and the query are put behind it: with `path = "/old"` and `redirect = "/new/"`,
        /// `/old/a?b` leads to `/new/a?b`. Anything else is sent exactly as it is, whatever was
        /// asked below the route. A redirect that leads back to its own route is rejected.
        redirect: Spanned<RedirectSpec> = optional("the target is `upstream`, `files` or `turn`");
        /// With `redirect`: the status of the answer.
        redirect_status: Spanned<RedirectStatus> = optional(is RedirectSpec::STATUS);
        /// A name from `[turn]`: its credentials are given out here, by GET and POST. A policy that
        /// lets everybody have them is a warning, unless the route says `i_know_this_is_open`.
        turn: Spanned<TurnName> = optional("the target is `upstream`, `files` or `redirect`");
        /// A name from `[policies]`, or `"open"` for everybody. There is no default: a route
        /// without a policy is rejected.
        policy: Spanned<PolicyName> = required(concat!(
            "missing; every route needs one: a name from [policies], or \"open\" to let ",
            "everybody pass",
        ));
        /// With `upstream`: the largest request body. More gets 413. `0` takes none.
        body: Spanned<Size> = optional("[`limits.body`](#limitsbody)");
        /// Requests of one client on this route, in addition to
        /// [`limits.requests_per_client`](#limitsrequests_per_client): a handshake for a WebSocket
        /// is one, what is sent over it is none. More get 429 with `Retry-After`, before the policy
        /// is asked. Clients in [`limits.exempt`](#limitsexempt) are not counted.
        requests: Rate = optional("no limit of its own");
        /// Requests of all clients that may be under way at once on this route, after the policy
        /// has admitted them: from there to the last byte of the answer, long polls included, but
        /// not WebSockets that are open. More get 503 with `Retry-After`. It guards a server that
        /// does only so much at a time; what one client may take of it is
        /// [`max_connections`](#upstreamsnamemax_connections) of the upstream.
        concurrent: Count = optional("no limit");
        /// With an upstream whose [messages](messages.md) the gateway reads: the largest message of
        /// a client. A WebSocket with a larger one is closed with 1009; by REST it gets 413, as
        /// does what is larger than `body`. What the server says may have 16 MiB. Kurento's client
        /// for Java sends up to 1,000,000 bytes at once.
        message_size: Spanned<MessageSize> = optional("`\"256KiB\"`, with Kurento `\"1MiB\"`");
        /// With `upstream`: leading segments that the server does not know. With `path =
        /// "/media/janus"`, `strip_prefix = "/media"` makes `/media/janus/1` arrive as `/janus/1`.
        /// It must be the route's path, without its `{tenant}`, or whole segments of its front.
        /// `Location` of the server's redirects is adjusted.
        strip_prefix: Spanned<PathPrefix> = optional("the path goes through as it is");
        /// With `upstream`: the path that the route's own, without its `{tenant}`, is replaced by;
        /// what is below stays. Not together with `strip_prefix`.
        rewrite: Spanned<PathPrefix> = optional("the path goes through as it is");
        /// With `upstream`: what is done with `%2F` in a path. `reject` answers 400, because some
        /// servers read it as `/`. `keep` passes it on as it is, a part of its segment, so that
        /// `/projects/group%2Fname` reaches a server that wants it; where the path would belong to
        /// another route if it were `/`, the answer is still 400. Only with a server that speaks
        /// `http`.
        encoded_slash: Spanned<EncodedSlash> = optional(is EncodedSlash::default());
        headers: RawHeaders = optional("no header is edited");
        /// With `upstream`: the `Host` that the server sees. `X-Forwarded-Host` stays what the
        /// client sent.
        host_header: Spanned<Authority> = optional("the `Host` that the client sent");
        timeouts: Spanned<Timeouts> = optional("the defaults");
        /// `Strict-Transport-Security: max-age=…` on every answer of the route, rejections too.
        /// Browsers apply it to the whole host, whatever the path. `"0s"` makes them forget it.
        hsts: Duration = optional("what the server says of it goes through");
        /// Adds `X-Content-Type-Options: nosniff`, `X-Frame-Options: SAMEORIGIN` and
        /// `Referrer-Policy: strict-origin-when-cross-origin` where the answer does not have them
        /// already; on rejections too.
        security_headers: bool = optional(is false);
        cors: RawCors = optional(concat!(
            "what the server says of CORS goes through, unless an address, a cookie or a ",
            "control port is in question: then only pages of the route's own host",
        ));
        /// Whether the server behind sees the token too, as Prosody must for Jitsi. Only where the
        /// policy takes tokens.
        forward_token: Spanned<bool> = optional("`false`");
        /// Where browsers go after signing in: a page on the same host. Only where the policy takes
        /// tokens from the gateway's own cookie.
        after_sign_in: Spanned<LocalUrl> = optional("where they came from");
        /// Says that a control port, [`protocol`](#upstreamsnameprotocol) `janus-admin` or
        /// `kurento`, is meant to be reachable by everybody. Where it is not needed, it is a
        /// warning.
        i_know_this_is_open: Spanned<bool> = optional(is false);
    }
    also {
        place: Place = |table| table.place().clone();
        /// Whether `host` is there, valid or not.
        host_is_written: bool = |table| table.has("host");
    }
    check target;
}

/// Debian's packages link libraries into their pages.
pub(in crate::config) const FOLLOW_SYMLINKS: bool = true;

fn target(_: &RawRoute, table: &Table<'_>) {
    let text = match table.has("websocket") {
        true => concat!(
            "missing; websocket stands beside upstream; where a path is for WebSockets only, ",
            "write upstream in its place"
        ),
        false => concat!(
            "missing; write where the route leads, a name from [upstreams]; or files, redirect ",
            "or turn"
        ),
    };
    table.require_one_of(&["upstream", "files", "redirect", "turn"], text);
}

section! {
    /// How long the server may take. The defaults let a BOSH poll of 60 s and a Janus poll of 30 s
    /// end by themselves. WebSockets are not cut by either.
    "routes.timeouts" => Timeouts {
        /// For the head of an answer. Later: 504.
        response: Timeout;
        /// For each next piece of a body, in either direction. Later, the answer is cut.
        idle: Timeout;
    }
}
