//! `[listen]`, `[log]`, `[limits]` and `[[passthrough]]`.

use std::time::Duration;

use super::section;
use crate::addr::{ListenAddr, Network};
use crate::config::problem::Spanned;
use crate::config::read::{List, Table};
use crate::config::values::{
    AddressHeader, Count, CountOrUnlimited, Exempt, HostPort, Port, Size, SocketPath, TargetSize,
    Threads, Timeout, TokenSize,
};
use crate::host::{HostName, HostPattern};
use crate::limits::{Limits, MemoryLimit, Rate};
use crate::route::path::PathPrefix;
use crate::telemetry::audit::AuditTarget;
use crate::telemetry::{LogFormat, LogLevel, LogSpec};

section! {
    /// Where clients come in. Two addresses that would take each other's connections are rejected.
    /// An address that is in use, or that the user may not bind, is reported at startup.
    "[listen]" => struct RawListen {
        /// Addresses for TLS: HTTP/2 and HTTP/1.1, by ALPN. `[::]:443` takes IPv4 too; on a machine
        /// without IPv6 it becomes `0.0.0.0` with a warning. At least one is needed, here or in
        /// `plain`. A client that speaks plain HTTP here gets a 400 that says so.
        https: List<ListenAddr> = optional("`plain` must be there");
        /// Plain addresses. Every request there is answered 308 to https, whatever its path;
        /// nothing is served.
        http: List<ListenAddr> = optional("no plain listener");
        /// Plain addresses for a proxy or balancer in front that ends TLS: everything is served as
        /// on `https`, and counts as https (`Secure` cookies, HSTS, redirects). Only peers in
        /// `trusted_proxies` or `proxy_protocol`, and this machine, are served; others get 403. A
        /// request of which `X-Forwarded-Proto` or `Forwarded` says that its client came by plain
        /// HTTP gets 308 to https. See [behind another proxy](behind-a-proxy.md).
        plain: List<ListenAddr> = optional("none");
        /// Says that every peer that can reach `plain` is a proxy that ends TLS, whatever its
        /// address.
        plain_for_everybody: Spanned<bool> = optional(is false);
        /// One plain address for `/healthz`, `/readyz`, `/metrics` and a page for people. Everybody
        /// who can reach it sees routes, hosts and numbers, and can change nothing: bind it to
        /// loopback or to a network of your own. See [Status and
        /// metrics](operating.md#status-and-metrics).
        status: Spanned<ListenAddr> = optional("off");
        /// Host names that the `status` address answers to, for a scraper that knows this machine
        /// by its name. IP addresses and `localhost` are always answered; any other `Host` gets
        /// 421, because a web page could point its own name there.
        status_hosts: Spanned<List<HostName>> = optional("none");
        /// The [control socket](operating.md#the-control-socket), by which `ianitor reload` and
        /// `ianitor certs renew` reach the running gateway. Only root and the gateway's user can
        /// use it. If the default path cannot be used, the gateway runs without the socket, and the
        /// log says why.
        control: SocketPath = optional(concat!(
            "`/run/ianitor/control.sock` where that folder exists, else `control.sock` beside ",
            "`gateway.toml`",
        ));
        /// The port that the 308 of plain listeners names, where a port mapping shows another one
        /// to the world.
        public_port: Port = optional("the port of the first `https` address");
        /// Worker threads; 0 is one per core. It changes only with a restart: a reload that changes
        /// it warns about that and applies the rest.
        workers: Threads = default(0);
        /// Whether an address may be listened on before an interface has it (`IP_FREEBIND`): one
        /// that comes later by DHCP, a VPN or a failover. Connections come as soon as it is there.
        /// A mistyped address is then not noticed.
        freebind: bool = default(false);
        /// Whether browsers may open WebSockets on streams of HTTP/2 (RFC 8441). Servers behind see
        /// an ordinary handshake either way. With `false`, browsers open a connection of their own
        /// for each WebSocket.
        h2_websockets: bool = default(true);
        /// A path at which requests by address (a `Host` that is an IP address, or none in
        /// HTTP/1.0) are answered with 200 on every listener for clients: the health checks of
        /// balancers, which know no host that a route serves. GET, HEAD and OPTIONS; the access log
        /// leaves them out. Requests for a name go to their route.
        health_path: Spanned<PathPrefix> = optional("off");
        /// Balancers in front: connections from these networks must begin with a PROXY header,
        /// version 1 or 2, which names the client. Without a valid header they are closed; one that
        /// ends without a byte is a health check, and no warning. From any other address such a
        /// header is not read. A list that covers the whole internet, such as `0.0.0.0/0`, is
        /// rejected.
        proxy_protocol: List<Network> = or_empty("none");
        /// HTTP proxies in front: from these networks, `X-Forwarded-For` or `Forwarded` is trusted.
        /// The client is the right-most address of the chain that is none of theirs. A chain that
        /// cannot be parsed gets 400. A list that covers the whole internet, such as `0.0.0.0/0`,
        /// is rejected.
        trusted_proxies: List<Network> = or_empty("none");
        /// The header field in which the [`trusted_proxies`](#listentrusted_proxies) name the
        /// client by its address alone, such as Cloudflare in `CF-Connecting-IP`. Where they send
        /// it, it goes before `X-Forwarded-For` and `Forwarded`; anything but one address gets 400.
        /// The proxies must set or remove it themselves, or their clients can choose it. From other
        /// clients the field is removed.
        client_address_header: Spanned<AddressHeader> = optional(
            "`X-Forwarded-For` or `Forwarded` names the client"
        );
    }
    also {
        /// Whether `http` is there, valid or not.
        http_is_written: bool = |table| table.has("http");
    }
    check way_in;
}

fn way_in(raw: &RawListen, table: &Table<'_>) {
    let is_none = |key: &str, list: &Option<List<ListenAddr>>| match list {
        Some(list) => list.is_empty(),
        None => !table.has(key),
    };
    if is_none("https", &raw.https) && is_none("plain", &raw.plain) {
        let text = concat!(
            "there is no TLS listener, and http only redirects; write https = [\"[::]:443\"], or ",
            "plain = [\"127.0.0.1:8080\"] behind a proxy that ends TLS"
        );
        table.missing("https", text);
    }
}

section! {
    /// Events go to standard error, accesses to standard output. See [Logs](operating.md#logs).
    "[log]" => LogSpec {
        /// `text` is for people, `json` one object a line. A reload changes access lines; events
        /// change with a restart.
        format: LogFormat;
        /// Which events are logged: those of this level and above. `debug` also says why a
        /// handshake or request was rejected; libraries are never below `info`. A reload changes
        /// it. The environment's `RUST_LOG` goes before it: `RUST_LOG=ianitor=debug`, and not
        /// `debug`, which is mostly HTTP/2 frames.
        level: LogLevel;
        /// Whether each request, WebSocket and passed-through connection leaves a line. Values in
        /// queries and ids in paths are removed from it. Metrics count either way.
        access: bool;
        /// Where messages are logged that have to be accounted for, one JSON object a line:
        /// every request of Janus' admin API, what moderators and administrators of rooms do, what
        /// operators of Kurento do with the objects of all clients, and every refused message. See
        /// [The audit log](messages.md#the-audit-log). A file is created with the permissions 0640
        /// and opened again at each reload, so that it can be rotated; one that cannot be opened
        /// prevents a start, and a reload.
        audit: AuditTarget;
    }
}

section! {
    /// What one client, one request and one connection may take. The defaults suit a signalling
    /// server behind which a whole school may sit. A client is an IPv4 address or an IPv6 /64.
    ///
    /// Fixed are: request heads up to 64 KiB (431; by HTTP/2 the connection may end instead) and
    /// 256 header fields (431; all cookies are one), heads of a server's answers up to 32 KiB and
    /// 256 fields (502), 3 s to connect to a server, its name and TLS included.
    ///
    /// Descriptors that are left go to servers and files. One client may have at most a quarter of
    /// those for servers and half of those for files, and one of several servers three quarters,
    /// less as others come; more get 503.
    ///
    /// A request body of up to 64 KiB is complete before its server hears of it. Bodies have to
    /// bring 500 bytes a second on the average, with 30 s of grace (408); the time that the server
    /// takes does not count. What is held in memory for a client that does not read its answers is
    /// 64 KiB for each answer, 1 MiB for each connection and 64 MiB for each client that is not in
    /// [`exempt`](#limitsexempt): beyond that, answers are read from their servers only as fast as
    /// the client takes them. Of a body that its server does not read, a client may send 128 KiB by
    /// HTTP/2, and 1 MiB of all bodies of a connection. What each open request needs beside its
    /// body, and up to 32 KiB read ahead from its server, come on top.
    "[limits]" => Limits {
        /// Open client connections, WebSockets included. Further connections are closed at once.
        /// Never more than half of the file descriptors that the process may have (`ulimit -n`,
        /// systemd's `LimitNOFILE=`): with fewer, the number is lowered, and the log says so.
        connections: Count;
        /// The same for one client. As many streams of HTTP/2 may be open at once; more get 503.
        /// Where `connections` is lowered, never more than a quarter of that.
        connections_per_client: Count;
        /// TLS handshakes in progress. Further connections wait in the kernel's queue until there
        /// is room. Meanwhile clients that have sent nothing for half a second are closed, then
        /// those that have not gone on for two seconds, the oldest first. At most three
        /// quarters of `connections`, unless that is below 134. See
        /// [Overload](operating.md#overload).
        handshakes: Count;
        /// How much memory the gateway may have: its resident set. From 90 % of it on, new
        /// connections are rejected and idle ones closed, until less than 80 % is used; requests
        /// and WebSockets go on. See [Overload](operating.md#overload).
        memory: MemoryLimit;
        /// Requests of one client. More get 429 with `Retry-After`.
        requests_per_client: Rate;
        /// Tokens with an invalid signature, in requests and at sign-in, and wrong API keys of one
        /// client: after a quarter of them, rejections are delayed more and more, up to 2 s; more
        /// get 429 with `Retry-After`. Tokens that have merely expired are not counted. A valid
        /// token or key is accepted whatever else comes from its address, except where it could be
        /// guessed: a token signed by a secret below 32 bytes, and an API key below 16, get 429 too
        /// until there is room again. A token whose key has yet to be fetched from `asap_url` may
        /// have to be sent a second time.
        bad_tokens_per_client: Rate;
        /// Open WebSockets of one client, over HTTP/1.1 and HTTP/2, from their handshakes on. More
        /// get 429 with `Retry-After` in the handshake. Passed-through TLS does not count.
        tunnels_per_client: Count;
        /// The same for one subject of tokens: the entry of `[issuers]`, `iss` and `sub`, and with
        /// Jitsi `context.user.id`. All workers count together. WebSockets without a subject do not
        /// count, and neither do those that were opened while there was no limit. Where all users
        /// of an application have tokens of one subject, leave it out.
        tunnels_per_subject: CountOrUnlimited;
        /// Long polls of one client that wait for an answer: `GET` of a session of Janus, where the
        /// upstream speaks `janus`, and BOSH requests of a session, where it speaks `jitsi`. More
        /// get 429 with `Retry-After`.
        polls_per_client: Count;
        /// Networks that the limits per client do not count. A list replaces the default, so name
        /// loopback too if local tools need it. Networks that cover the whole internet, alone or
        /// together, are a warning.
        exempt: Exempt;
        /// From the first byte of a TLS handshake or a request head to its last. After that, the
        /// connection is closed, with 408 if a request has begun.
        header_timeout: Timeout;
        /// A kept-alive connection between two requests is closed after this. An idle WebSocket is
        /// never closed.
        idle_timeout: Timeout;
        /// The largest request body, where the route has no [`body`](#routesbody) of its own. More
        /// gets 413.
        body: Size;
        /// The longest request target, which is the path with the query, in bytes. More gets 414. A
        /// request head has at most 64 KiB in any case.
        target: TargetSize;
        /// The longest token, in bytes. More gets 401. A token in the query counts for `target` as
        /// well, and browsers keep no cookie of more than 4 KiB.
        token: TokenSize;
        /// Messages of one WebSocket that are refused, where [messages](messages.md) are judged.
        /// More close it with 1008, and the next handshakes of its client get 429 for a while. That
        /// a session or an object is unknown does [not count](messages.md#refusals).
        refusals_per_tunnel: Rate;
        /// Messages of a client over one WebSocket, where [messages](messages.md) are judged. A
        /// client that sends more is not closed: it is read no faster than this, so that it has to
        /// wait until it can send more. Pings and the fragments of a message count as well. The
        /// WebSockets of clients in [`exempt`](#limitsexempt) have no such limit.
        messages_per_tunnel: Rate;
        /// How long connections are still accepted after SIGTERM, while `/readyz` answers 503: time
        /// for a load balancer to notice, before connections to this gateway fail. New
        /// [sessions](operating.md#a-stop) are refused already.
        drain_delay: Duration;
        /// How long requests and WebSockets go on after SIGTERM and `drain_delay`. WebSockets are
        /// closed with 1001, each at a random moment of this time, so that their clients do not all
        /// connect again in the same second. systemd's `TimeoutStopSec=` must be longer than both
        /// together.
        drain: Duration;
        /// How long WebSockets and passed-through connections go on in the old process after an
        /// [upgrade](operating.md#upgrades), which accepts no more connections then. They are
        /// closed with 1001. With `"0s"`, they end as at SIGTERM, after [`drain`](#limitsdrain).
        drain_tunnels: Duration;
    }
}

section! {
    /// TLS of another server on the same port: decided on the server name in the first message, and
    /// never decrypted. Routes, policies and HTTP limits do not apply to it; the limits on
    /// connections do.
    "[[passthrough]]" => struct RawPassthrough {
        /// The server names that are passed through. An exact one goes before a wildcard. The same
        /// name twice is rejected.
        sni: Spanned<HostPattern> = required(
            "missing; write the TLS server name, sni = \"turn.example.com\""
        );
        /// The server that terminates their TLS.
        to: Spanned<HostPort> = required(
            "missing; write who ends its TLS, to = \"127.0.0.1:5349\""
        );
        /// Whether that server gets the client's address in a PROXY header, version 2, which it
        /// must expect. Without it, every client has the gateway's address.
        proxy_protocol: bool = default(false);
    }
}
