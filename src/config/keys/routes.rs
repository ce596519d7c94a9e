//! `[[routes]]` and the tables in it.

use super::kinds::{
    AUTHORITY, DURATION, FILE, HEADER, HEADER_VALUE, HOSTS, LOCAL, ORIGIN, PATH, POLICY_NAME, SIZE,
    STATUS, SWITCH, TARGET, TIMEOUT, TURN_NAME, UPSTREAM_NAME,
};
use super::{Form, Keys, Unset, key, list, quoted};
use crate::config::lower::{answers, targets};
use crate::config::units::write_duration;
use crate::config::values::METHODS;
use crate::route::Timeouts;
use crate::route::redirect::RedirectSpec;

pub(in crate::config) static ROUTE: Keys = Keys {
    table: "[[routes]]",
    about: "What is served: a host and a path lead to one target, which is `upstream`, `files`, `redirect` or `turn`. The longest \
            path wins, by whole segments; of two with the same path, the more exact host. Two routes alike are refused. \
            A WebSocket is a route like any other. Paths are matched on one spelling, which is also the one that the \
            server behind gets: `/%6aanus` is `/janus`; encoded slashes, dot segments, doubled slashes and NUL get 400.",
    keys: &[
        key(
            "host",
            Form::One(&HOSTS),
            Unset::Means("every host"),
            "The hosts that the route serves. A host that no certificate has is a warning.",
        ),
        key(
            "path",
            Form::One(&PATH),
            Unset::Required,
            "This path and what is below it. What is below `/.ianitor` belongs to the gateway itself, and `*` is no \
             wildcard: both are refused.",
        ),
        key(
            "upstream",
            Form::One(&UPSTREAM_NAME),
            Unset::Means("the target is `files`, `redirect` or `turn`"),
            "A name from `[upstreams]`.",
        ),
        key(
            "files",
            Form::One(&FILE),
            Unset::Means("the target is `upstream`, `redirect` or `turn`"),
            "A folder, or one file for the route's very path. GET and HEAD, with `index.html` for folders (and 308 to the \
             slash), ETag and Last-Modified, single ranges, and `x.js.br`, `.zst` or `.gz` in the place of `x.js` for \
             clients that take it. Pages get `Cache-Control: no-cache`. Never shown: names that begin with a dot, lists \
             of files, pipes and devices, and what is the gateway's own, whatever leads to it: this file, keys, secrets, \
             the certificate store. A folder with any of these in it, or `/`, is refused. A folder that is missing is a \
             warning, and 404 until it is there.",
        ),
        key(
            "follow_symlinks",
            Form::One(&SWITCH),
            Unset::Is(|| targets::FOLLOW_SYMLINKS.to_string()),
            "With `files`: whether links below the folder are followed. With `false`, a link on the way is 404.",
        ),
        key(
            "redirect",
            Form::One(&TARGET),
            Unset::Means("the target is `upstream`, `files` or `turn`"),
            "Where clients are sent. If it ends with `/`, or is an origin only, the rest of the path and the query are \
             put behind it: with `path = \"/old\"` and `redirect = \"/new/\"`, `/old/a?b` leads to `/new/a?b`. Anything \
             else is sent exactly as it is, whatever was asked below the route. One that leads back to its own route is \
             refused.",
        ),
        key(
            "redirect_status",
            Form::One(&STATUS),
            Unset::Is(|| RedirectSpec::STATUS.as_u16().to_string()),
            "With `redirect`: how clients are told.",
        ),
        key(
            "turn",
            Form::One(&TURN_NAME),
            Unset::Means("the target is `upstream`, `files` or `redirect`"),
            "A name from `[turn]`: its credentials are context out here, by GET and POST. A policy that lets everybody have \
             them is a warning, unless the route says `i_know_this_is_open`.",
        ),
        key(
            "policy",
            Form::One(&POLICY_NAME),
            Unset::Required,
            "A name from `[policies]`, or `\"open\"` for everybody. There is no default: a route without one is refused.",
        ),
        key(
            "body",
            Form::One(&SIZE),
            Unset::Means("[`limits.body`](#limitsbody)"),
            "With `upstream`: the largest request body. More gets 413. `0` takes none.",
        ),
        key(
            "strip_prefix",
            Form::One(&PATH),
            Unset::Means("the path goes through as it is"),
            "With `upstream`: leading segments that the server does not know. With `path = \"/media/janus\"`, \
             `strip_prefix = \"/media\"` makes `/media/janus/1` arrive as `/janus/1`. It must be the route's path or \
             whole segments of its front. `Location` of the server's redirects is put right.",
        ),
        key(
            "rewrite",
            Form::One(&PATH),
            Unset::Means("the path goes through as it is"),
            "With `upstream`: the path that the route's own is replaced by; what is below stays. Not together with \
             `strip_prefix`.",
        ),
        key(
            "headers",
            Form::Table(&ROUTE_HEADERS),
            Unset::Means("no header is edited"),
            "",
        ),
        key(
            "host_header",
            Form::One(&AUTHORITY),
            Unset::Means("the `Host` that the client sent"),
            "With `upstream`: the `Host` that the server sees. `X-Forwarded-Host` stays what the client sent.",
        ),
        key(
            "timeouts",
            Form::Table(&TIMEOUTS),
            Unset::Means("the defaults"),
            "",
        ),
        key(
            "hsts",
            Form::One(&DURATION),
            Unset::Means("what the server says of it goes through"),
            "`Strict-Transport-Security: max-age=…` on every answer of the route, refusals too. Browsers take it for the \
             whole host, whatever the path. `\"0s\"` makes them forget it.",
        ),
        key(
            "security_headers",
            Form::One(&SWITCH),
            Unset::Is(|| bool::default().to_string()),
            "Adds `X-Content-Type-Options: nosniff`, `X-Frame-Options: SAMEORIGIN` and `Referrer-Policy: \
             strict-origin-when-cross-origin` where the answer does not have them already; on refusals too.",
        ),
        key(
            "cors",
            Form::Table(&CORS),
            Unset::Means(
                "what the server says of CORS goes through, unless an address, a cookie or a control port is in question: \
                 then only pages of the route's own host",
            ),
            "",
        ),
        key(
            "forward_token",
            Form::One(&SWITCH),
            Unset::Means("`false`"),
            "Whether the server behind sees the token too, as Prosody must for Jitsi. Only where the policy takes tokens.",
        ),
        key(
            "after_sign_in",
            Form::One(&LOCAL),
            Unset::Means("where they came from"),
            "Where browsers go after they have signed in: a page on the same host. Only where the policy takes tokens \
             from the gateway's own cookie.",
        ),
        key(
            "i_know_this_is_open",
            Form::One(&SWITCH),
            Unset::Is(|| bool::default().to_string()),
            "Says that a control port, [`protocol`](#upstreamsnameprotocol) `janus-admin` or `kurento`, is meant to be \
             reachable by everybody. Where it is not needed, it is a warning.",
        ),
    ],
};

pub(in crate::config) static ROUTE_HEADERS: Keys = Keys {
    table: "routes.headers",
    about: "Headers of requests to the server; those of answers under `response`. First `remove`, then `set`. What the \
            gateway has to say itself is refused: connection headers, lengths, the WebSocket handshake, and towards the \
            server `Host`, `X-Forwarded-*`, `Forwarded`, `X-Real-IP` and `X-Request-Id`. The same header twice is refused.",
    keys: &[
        key(
            "set",
            Form::Values(&HEADER_VALUE),
            Unset::Means("none"),
            "Header and value. What the client sent under the name, or under one that servers read as the same \
             (`X_Tenant`), is taken out.",
        ),
        key(
            "remove",
            Form::List(&HEADER),
            Unset::Means("none"),
            "Headers that the server does not get.",
        ),
        key(
            "response",
            Form::Table(&ANSWER_HEADERS),
            Unset::Means("no header is edited"),
            "",
        ),
    ],
};

pub(in crate::config) static ANSWER_HEADERS: Keys = Keys {
    table: "routes.headers.response",
    about: "Headers of what the server or a file answers; not those of refusals.",
    keys: &[
        key(
            "set",
            Form::Values(&HEADER_VALUE),
            Unset::Means("none"),
            "Header and value; replaces what there is.",
        ),
        key(
            "remove",
            Form::List(&HEADER),
            Unset::Means("none"),
            "Headers that the client does not get.",
        ),
    ],
};

pub(in crate::config) static TIMEOUTS: Keys = Keys {
    table: "routes.timeouts",
    about: "How long the server may take. The defaults let a BOSH poll of 60 s and a Janus poll of 30 s end by \
            themselves. WebSockets are not cut by either.",
    keys: &[
        key(
            "response",
            Form::One(&TIMEOUT),
            Unset::Is(|| quoted(write_duration(Timeouts::default().response))),
            "For the head of an answer. Later: 504.",
        ),
        key(
            "idle",
            Form::One(&TIMEOUT),
            Unset::Is(|| quoted(write_duration(Timeouts::default().idle))),
            "For each next piece of a body, in either direction. Later, the answer is cut.",
        ),
    ],
};

pub(in crate::config) static CORS: Keys = Keys {
    table: "routes.cors",
    about: "Pages of other origins that may use the route. The gateway answers preflights itself, before the policy is \
            asked, and replaces what the server says of CORS; on refusals too. A WebSocket is not covered by CORS, so with `cors` a \
            handshake from a page that is not listed gets 403; clients that send no `Origin`, or the gateway's own host \
            with or without a scheme, pass. Where an address or a cookie is what lets a client in, and for `janus-admin` \
            and `kurento` in any case, [pages of other origins](tokens.md#pages-of-other-origins) get 403 without it.",
    keys: &[
        key(
            "origins",
            Form::List(&ORIGIN),
            Unset::Required,
            "Exact origins, or `[\"*\"]` for every page, but not with a token in a cookie. An empty list is refused.",
        ),
        key(
            "credentials",
            Form::One(&SWITCH),
            Unset::Is(|| bool::default().to_string()),
            "Whether pages may send cookies. Not with `\"*\"`.",
        ),
        key(
            "methods",
            Form::Words(|| METHODS.to_vec()),
            Unset::Is(|| list(answers::METHODS.split(", "))),
            "Methods that a page may use.",
        ),
        key(
            "headers",
            Form::List(&HEADER),
            Unset::Is(|| list(answers::HEADERS.split(", "))),
            "Headers that a page may send.",
        ),
        key(
            "max_age",
            Form::One(&DURATION),
            Unset::Is(|| quoted(write_duration(answers::MAX_AGE))),
            "For how long browsers may remember a preflight; most cap it at two hours.",
        ),
    ],
};
