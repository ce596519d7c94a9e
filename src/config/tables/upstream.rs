//! `[upstreams.NAME]`.

use std::path::PathBuf;
use std::time::Duration;

use super::{RawHealth, section};
use crate::config::problem::Spanned;
use crate::config::read::{List, Named, Table};
use crate::config::values::{Count, Pins};
use crate::host::HostName;
use crate::route::upstream::{Balance, InfoPolicy, KEEP_ALIVE, Protocol, ServerAddr, XmppDomain};

section! {
    /// The servers behind the gateway. HTTP/1.1 is spoken to them, on connections that are kept.
    /// One that no route leads to is a warning.
    "[upstreams.NAME]" => struct RawUpstream {
        /// One or more. A name is resolved at each connect and every address tried, all within 3 s;
        /// while a name server fails or says nothing, the last good answer is used for up to 10
        /// minutes. A server that accepts no connection is left alone, from 1 s up to 30 s, and the
        /// request goes to another one: nothing of it has been sent by then. A request without a
        /// body that is idempotent (GET, not POST) is sent once more if a kept connection breaks
        /// without a byte of an answer; a long poll of `protocol = "janus"` and a DELETE of
        /// `protocol = "whip"` are not, and no more than a tenth of all requests. Nothing else is
        /// ever sent twice.
        servers: Spanned<List<ServerAddr>> = optional("there are `bridges`");
        /// In place of `servers`: each server under the id by which paths name it, as those of
        /// Jitsi's video bridges do. The id is the first segment behind the path of the route:
        /// `/colibri-ws/jvb1/…` leads to `jvb1`, with the path as it is, and nowhere else. Any
        /// other id is 404, a bridge that accepts no connection 502. An id has up to 63 letters,
        /// digits, "-", "_" and ".". See [Bridges](routes.md#bridges).
        bridges: Spanned<Named<Spanned<ServerAddr>>> = optional("there are `servers`");
        /// Servers that get requests only while none of `servers` is up; everything else here holds
        /// for them too. When one of `servers` returns, new requests go there again, as to any
        /// server that returns: an eighth of them at first, all after 9 s. Open WebSockets stay
        /// where they are. A server with all its `max_connections` is not down. See
        /// [Backup servers](routes.md#backup-servers).
        backup: Spanned<List<ServerAddr>> = optional("no server waits for others to fail");
        /// What the servers speak. `janus-admin` and `kurento` are control ports: a route that lets
        /// everybody reach them is rejected, unless it says
        /// [`i_know_this_is_open`](#routesi_know_this_is_open). With `whip`, for WHIP and WHEP, a
        /// stream can be changed and ended only by the client that has begun it: see
        /// [the recipe](recipes/whip.md#what-the-gateway-does). Without `protocol`, a server on a
        /// port where one usually is (7088, 7089, 7188, 7889 and 7989 of Janus' admin API, 8888 and
        /// 8433 of Kurento), or that another upstream says is one, is rejected there too, and a
        /// warning elsewhere: write the protocol, or `"http"` if it is something else. A server
        /// that speaks `jitsi` never gets a `prefix` of the client's query, because that names the
        /// tenant; it gets the [`{tenant}`](#routespath) of a route.
        protocol: Protocol = optional(is Protocol::default());
        /// With several servers, which of them gets a request: `client` keeps each client (an IPv4
        /// address or an IPv6 /64) at its server, as sessions need that live in a server's memory;
        /// `round_robin` takes turns; `least` takes the server with the fewest requests under way,
        /// and among equals takes turns. A server that is used again gets an eighth of its share at
        /// first, and all of it after 9 s.
        balance: Spanned<Balance> = optional(concat!(
            "`\"client\"` where `protocol` is not `http` or a route ends in `/http-bind`, ",
            "else `\"round_robin\"`",
        ));
        health: RawHealth = optional("servers are not probed; one that accepts no connection is \
                                      left alone for a while");
        /// PEM: the CAs to trust instead, or the certificate of the server itself, such as a
        /// self-signed one: then the server has to show that very certificate, and its names and
        /// dates do not count. `ianitor check` says which of both a file is. Only with an
        /// `https://` server.
        ca_file: Spanned<PathBuf> = optional("the system's CAs");
        /// The key of the server, or of each of them, in place of `ca_file`: a server with
        /// another key is not used, and nothing else in its certificate counts. It stays right when
        /// the certificate is renewed with the same key. Only with an `https://` server.
        pin: Spanned<Pins> = optional("the certificate is verified");
        client_cert: Spanned<RawClientCert> = optional("the server is shown none");
        /// The name that the server's certificate must have. Only with an `https://` server.
        server_name: Spanned<HostName> = optional("the host in `servers`");
        /// How long a connection without a request is kept for the next one; `"0s"` keeps none. It
        /// must be less than the server itself waits, which `Keep-Alive: timeout=` of an answer
        /// says: where there is one, a second less than that goes before. None is used for longer
        /// than a minute, and a reload closes those to servers that are written as names, so that a
        /// name that leads elsewhere is followed.
        keep_alive: Duration = default(KEEP_ALIVE);
        /// Whether the servers get the cookies of clients. Media servers and Prosody have no use
        /// for them, and Janus' WebSockets close a connection whose head is larger than 4 KiB. A
        /// WHIP server that signs its users in by cookies needs `true`.
        forward_cookies: bool = optional(
            "`true`; `false` where `protocol` is not `\"http\"`"
        );
        /// Janus' `api_secret` or, with `protocol = "janus-admin"`, its `admin_secret`, in a file;
        /// a newline at its end is not part of it. The gateway puts it into each message, long poll
        /// and `/info`, instead of what the client sent, so that no client needs it. A file
        /// that changes is reloaded within seconds, and holds for open WebSockets too. Only with
        /// `protocol = "janus"` or `"janus-admin"`; see
        /// [Messages](messages.md#secrets-stay-at-home).
        secret_file: Spanned<PathBuf> = optional("what clients send stays in their messages");
        /// Janus' `token_auth_secret`, in a file. The gateway signs a token for each message; that
        /// of an `attach` is for its plugin. Only with `protocol = "janus"`. Where Janus has both,
        /// either of them is enough for it.
        token_auth_secret_file: Spanned<PathBuf> = optional("no token is put into messages");
        /// Whether Janus, its event handlers and its admin API see who a handle belongs to: the
        /// subject of the token becomes the `opaque_id` of each `attach`. Only with
        /// `protocol = "janus"`.
        identify: Spanned<bool> = optional("`false`");
        /// What clients are shown of what Janus says about itself (`server_info`): all of it;
        /// without versions, addresses and dependencies; or nothing. Only with
        /// `protocol = "janus"` or `"janus-admin"`.
        info: Spanned<InfoPolicy> = optional(is InfoPolicy::Full);
        /// The domain that Prosody serves, where it is not the host in the browser's address bar.
        /// `sub` of a token must be it, or the tenant if the request has one; see
        /// [Tokens](tokens.md#jitsi). With `"*"`, `sub` is not compared, as Prosody does it
        /// with `enable_domain_verification = false`. Without this key, the host of a request is
        /// the domain if its route has a `host`, or if a certificate of the gateway names it.
        /// Only with `protocol = "jitsi"`.
        domain: Spanned<XmppDomain> = optional("the host of each request");
        /// Connections to each of the servers, of all workers, WebSockets among them where it is
        /// written. One client may have as many as are still free, so half of them when it is
        /// alone, unless it is in `limits.exempt`. More get 503 with `Retry-After`,
        /// `reason=upstream_full` or `upstream_share`; with another `balance` than `client`,
        /// another server is tried first.
        max_connections: Count = optional(concat!(
            "no limit; 1000 where `protocol` is `\"janus\"`, WebSockets not counted: Janus' ",
            "REST takes 1,020",
        ));
        /// How long a request, or the handshake of a WebSocket that counts, waits for a connection
        /// where a server has its `max_connections` or the client its share of them. The one that
        /// came first is first, in all workers, and as many may wait as there are connections; one
        /// client may have as many places as are free. With another `balance` than `client`,
        /// another server is tried before. Then 503 as without `queue`. Only with
        /// `max_connections`, or with `protocol = "janus"`, which has a default.
        queue: Spanned<Duration> = optional("`\"0s\"`: 503 at once");
    }
    also {
        /// Whether `protocol` is there, valid or not.
        protocol_is_written: bool = |table| table.has("protocol");
    }
    check has_servers;
}

section! {
    /// A certificate that servers are shown if they ask for one, as with `ssl_verify_client` of
    /// NGINX; probes of `health` and `check --live` show it too. Only with an `https://` server.
    /// Files that change are reloaded within seconds; if the new ones cannot be used, the old ones
    /// stay in use and the log says why. See
    /// [Client certificates](client-certificates.md#towards-servers).
    "upstreams.client_cert" => struct RawClientCert {
        /// PEM: the certificate, then its issuers up to the CA that the server knows.
        cert: PathBuf = required("missing; write the path of a PEM file, cert = \"client.pem\"");
        /// PEM: the private key, without a passphrase. The gateway's user must be able to read it.
        key: PathBuf = optional("the file of `cert` has both");
    }
}

fn has_servers(_: &RawUpstream, table: &Table<'_>) {
    let text = "missing; write servers = [\"http://127.0.0.1:8088\"]";
    table.require_one_of(&["servers", "bridges"], text);
}

impl RawUpstream {
    /// What the servers speak, as far as is known.
    pub(in crate::config) fn protocol(&self) -> Protocol {
        self.protocol.unwrap_or_default()
    }

    /// All servers that are written and valid, those of `backup` last.
    pub(in crate::config) fn all_servers(&self) -> impl Iterator<Item = &Spanned<ServerAddr>> {
        self.ordinary_servers().chain(self.backup_servers())
    }

    /// The servers of `backup` that are valid.
    pub(in crate::config) fn backup_servers(&self) -> impl Iterator<Item = &Spanned<ServerAddr>> {
        let backup = self.backup.iter().flat_map(|backup| &backup.value);
        backup.flatten()
    }

    /// The servers of `servers` and `bridges` that are valid.
    pub(in crate::config) fn ordinary_servers(&self) -> impl Iterator<Item = &Spanned<ServerAddr>> {
        let servers = self.servers.iter().flat_map(|servers| &servers.value);
        let bridges = self.bridges.iter().flat_map(|bridges| &bridges.value);
        servers
            .flatten()
            .chain(bridges.filter_map(|(_, server)| server.as_ref()))
    }
}
