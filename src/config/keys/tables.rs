//! The tables of `gateway.toml`, but for routes.

use super::kinds::{
    COUNT, DURATION, FILE, HOST, HOST_PORT, HOSTS, LISTENER, NETWORK, PORT, RATE, SERVER, SIZE,
    SWITCH, THREADS, TIMEOUT, TLS_VERSION,
};
use super::{Form, Keys, Unset, key, list, quoted, word, words};
use crate::config::raw::H2_WEBSOCKETS;
use crate::config::units::{write_duration, write_rate, write_size};
use crate::limits::Limits;
use crate::route::upstream::{Balance, KEEP_ALIVE, Protocol};
use crate::telemetry::{LogFormat, LogSpec};
use crate::tls::MinVersion;

pub(in crate::config) static LISTEN: Keys = Keys {
    table: "[listen]",
    about: "Where clients come in. Two addresses that would take each other's connections are refused. An address that \
            is taken, or that the user may not bind, is named at the start.",
    keys: &[
        key(
            "https",
            Form::List(&LISTENER),
            Unset::Required,
            "Addresses for TLS: HTTP/2 and HTTP/1.1, by ALPN. `[::]:443` takes IPv4 too; on a machine without IPv6 it \
             becomes `0.0.0.0` with a warning. At least one is needed. A client that speaks plain HTTP here is told so \
             with 400.",
        ),
        key(
            "http",
            Form::List(&LISTENER),
            Unset::Means("no plain listener"),
            "Plain addresses. Every request there is answered 308 to https, whatever its path; nothing is served.",
        ),
        key(
            "status",
            Form::One(&LISTENER),
            Unset::Means("off"),
            "One plain address for `/healthz`, `/readyz`, `/metrics` and a page for people. Whoever reaches it sees \
             routes, hosts and numbers, and can change nothing: bind it to loopback or to a network of your own. See \
             [Status and metrics](operating.md#status-and-metrics).",
        ),
        key(
            "status_hosts",
            Form::List(&HOST),
            Unset::Means("none"),
            "Names under which the `status` address is asked, as by a scraper that knows this machine by its name. IP \
             addresses and `localhost` are answered anyway, every other `Host` with 421: a web page could have its own \
             name lead there.",
        ),
        key(
            "public_port",
            Form::One(&PORT),
            Unset::Means("the port of the first `https` address"),
            "The port that the 308 of plain listeners names, where a port mapping shows another one to the world.",
        ),
        key(
            "workers",
            Form::One(&THREADS),
            Unset::Is(|| 0.to_string()),
            "Worker threads; 0 is one per core. It changes only with a restart; a reload that changes it says so and \
             takes the rest.",
        ),
        key(
            "h2_websockets",
            Form::One(&SWITCH),
            Unset::Is(|| H2_WEBSOCKETS.to_string()),
            "Whether browsers may open WebSockets on streams of HTTP/2 (RFC 8441). Servers behind see an ordinary \
             handshake either way. With `false`, browsers open a connection of their own for each WebSocket.",
        ),
        key(
            "proxy_protocol",
            Form::List(&NETWORK),
            Unset::Means("nobody"),
            "Balancers in front: connections from these networks must begin with a PROXY header, version 1 or 2, and \
             the client is whom it names. Without a good header they are closed. From everybody else such a header is \
             not read. Networks that are everybody, alone or together, are refused.",
        ),
        key(
            "trusted_proxies",
            Form::List(&NETWORK),
            Unset::Means("nobody"),
            "HTTP proxies in front: from these networks, `X-Forwarded-For` or `Forwarded` is believed. The client is \
             the right-most address of the chain that is none of theirs. A chain that cannot be understood gets 400. \
             Networks that are everybody, alone or together, are refused.",
        ),
    ],
};

pub(in crate::config) static LOG: Keys = Keys {
    table: "[log]",
    about: "Events go to standard error, filtered by the environment's `RUST_LOG` (`info`); accesses to standard output. \
            See [Logs](operating.md#logs).",
    keys: &[
        key(
            "format",
            Form::Word(|| words(&LogFormat::NAMES)),
            Unset::Is(|| word(&LogFormat::NAMES, LogSpec::default().format)),
            "`text` is for people, `json` one object a line. A reload changes access lines; events change with a restart.",
        ),
        key(
            "access",
            Form::One(&SWITCH),
            Unset::Is(|| LogSpec::default().access.to_string()),
            "Whether each request, WebSocket and passed-through connection leaves a line. Values in queries and ids in \
             paths are taken out of it. Metrics count either way.",
        ),
    ],
};

pub(in crate::config) static LIMITS: Keys = Keys {
    table: "[limits]",
    about: "What one client, one request and one connection may take. The defaults suit a signalling server behind which \
            a whole school may sit. A client is an IPv4 address or an IPv6 /64.\n\n\
            Fixed are: request heads up to 64 KiB (431; by HTTP/2 the connection may end instead), targets up to 8 KiB \
             (414), 3 s to connect to a server, its name and TLS included.\n\n\
             Descriptors that are left go to servers and files. One client may have at most a quarter of those for servers \
             and half of those for files, and one of several servers three quarters, less as others come; more get 503.\n\n\
             A request body of up to 64 KiB is complete before its server hears of it. Bodies have to bring 500 bytes a \
             second on the average, with 30 s of grace (408); the time that the server takes does not count. What is held \
             in memory for a client that does not read its answers is 64 KiB for each answer, 1 MiB for each connection \
             and 64 MiB for each client that is not in [`exempt`](#limitsexempt): beyond that, answers are read from \
             their servers only as fast as the client takes them. What each open request needs beside its body, and up to \
             32 KiB read ahead from its server, come on top.",
    keys: &[
        key(
            "connections",
            Form::One(&COUNT),
            Unset::Is(|| Limits::default().connections.to_string()),
            "Open client connections, WebSockets included. More are closed as they come. Never more than half of the \
             file descriptors that the process may have (`ulimit -n`, systemd's `LimitNOFILE=`): with fewer, the number \
             is lowered, and the log says so.",
        ),
        key(
            "connections_per_client",
            Form::One(&COUNT),
            Unset::Is(|| Limits::default().connections_per_client.to_string()),
            "The same for one client. As many streams of HTTP/2 may be open at once; more get 503. Where `connections` is \
             lowered, never more than a quarter of that.",
        ),
        key(
            "requests_per_client",
            Form::One(&RATE),
            Unset::Is(|| quoted(write_rate(Limits::default().requests_per_client))),
            "Requests of one client. More get 429 with `Retry-After`.",
        ),
        key(
            "bad_tokens_per_client",
            Form::One(&RATE),
            Unset::Is(|| quoted(write_rate(Limits::default().bad_tokens_per_client))),
            "Tokens of one client that nobody has signed, in requests and at the sign-in, and wrong API keys: after a \
             quarter of them, refusals come later and later, up to 2 s; more get 429 with `Retry-After`. Tokens that \
             have merely ended are not counted. A good token or key is accepted whatever else comes from its address, \
             except where it could be found by trying: a token signed by a secret below 32 bytes, and an API key below \
             16, get 429 too until there is room again. A token whose key `asap_url` has still to bring may have to come \
             a second time.",
        ),
        key(
            "exempt",
            Form::List(&NETWORK),
            Unset::Is(|| list(Limits::default().exempt)),
            "Networks that the limits per client do not count. What is written replaces the default, so name \
             loopback too if local tools need it. Networks that are everybody, alone or together, are a warning.",
        ),
        key(
            "header_timeout",
            Form::One(&TIMEOUT),
            Unset::Is(|| quoted(write_duration(Limits::default().header_timeout))),
            "From the first byte of a TLS handshake or a request head to its last. Later, the connection is ended, with \
             408 where a request has begun.",
        ),
        key(
            "idle_timeout",
            Form::One(&TIMEOUT),
            Unset::Is(|| quoted(write_duration(Limits::default().idle_timeout))),
            "A kept-alive connection between two requests is closed after this. WebSockets are not cut by it.",
        ),
        key(
            "body",
            Form::One(&SIZE),
            Unset::Is(|| quoted(write_size(Limits::default().body))),
            "The largest request body, where the route has no [`body`](#routesbody) of its own. More gets 413.",
        ),
        key(
            "drain",
            Form::One(&DURATION),
            Unset::Is(|| quoted(write_duration(Limits::default().drain))),
            "How long requests and WebSockets go on after SIGTERM. WebSockets are then closed with 1001. systemd's \
             `TimeoutStopSec=` must be longer.",
        ),
    ],
};

pub(in crate::config) static TLS: Keys = Keys {
    table: "[tls]",
    about: "Certificates and the handshake. Suites are AEAD with ECDHE only. A client that names no server gets the \
            first certificate; one that names a server which no certificate has is refused, unless `default` is set. \
            Either `certificates` or `self_signed` must be there.",
    keys: &[
        key(
            "min_version",
            Form::One(&TLS_VERSION),
            Unset::Is(|| word(&MinVersion::NAMES, MinVersion::default())),
            "The oldest version that is spoken.",
        ),
        key(
            "certificates",
            Form::Tables(&PAIR),
            Unset::Means("none"),
            "Certificates on disk. Names are read from the certificate. Of several for one name, ECDSA and RSA for \
             example, each client gets what it can use. Files that change are loaded anew within seconds; if the new \
             ones cannot be used, those in force stay and the log says why. One that has ended, or that ends soon, is a \
             warning.",
        ),
        key(
            "self_signed",
            Form::List(&HOST),
            Unset::Means("none"),
            "Names for development that no certificate has: they get one that is made under `certs/`, by a local CA, for \
             clients that trust `certs/ca.pem`.",
        ),
        key(
            "default",
            Form::One(&SWITCH),
            Unset::Is(|| bool::default().to_string()),
            "Whether unknown names get the first certificate instead of a refused handshake.",
        ),
    ],
};

pub(in crate::config) static PAIR: Keys = Keys {
    table: "tls.certificates",
    about: "A certificate and its key. A file that is missing, or a key that is not the certificate's, keeps the \
            gateway from starting; a reload is refused for it.",
    keys: &[
        key(
            "cert",
            Form::One(&FILE),
            Unset::Required,
            "PEM: the server's certificate, then its issuers.",
        ),
        key(
            "key",
            Form::One(&FILE),
            Unset::Means("the file of `cert` has both, as Kurento's `cert+key.pem`"),
            "PEM: the private key, without a passphrase. The gateway's user must be able to read it.",
        ),
    ],
};

pub(in crate::config) static PASSTHROUGH: Keys = Keys {
    table: "[[passthrough]]",
    about: "TLS of another server on the same port: decided on the server name in the first message, and never decrypted. \
            Routes, policies and HTTP limits do not apply to it; the limits on connections do.",
    keys: &[
        key(
            "sni",
            Form::One(&HOSTS),
            Unset::Required,
            "The server names that are passed through. An exact one goes before a wildcard. The same one twice is refused.",
        ),
        key(
            "to",
            Form::One(&HOST_PORT),
            Unset::Required,
            "Who ends their TLS.",
        ),
        key(
            "proxy_protocol",
            Form::One(&SWITCH),
            Unset::Is(|| bool::default().to_string()),
            "Whether that server is told the client's address, by a PROXY header of version 2. It must expect one: \
             without, it sees every client as the gateway.",
        ),
    ],
};

pub(in crate::config) static UPSTREAM: Keys = Keys {
    table: "[upstreams.NAME]",
    about: "The servers behind the gateway. HTTP/1.1 is spoken to them, on connections that are kept. One that no route \
            leads to is a warning.",
    keys: &[
        key(
            "servers",
            Form::List(&SERVER),
            Unset::Required,
            "One or more. A name is resolved at each connect and every address tried, all within 3 s; while a name server \
             fails or says nothing, the last good answer is used for up to 10 minutes. A server that takes no connection \
             rests, from 1 s up to 30 s, and the request goes to another one: nothing of it has been sent by then. A \
             request without a body that is idempotent (GET, not POST) is sent once more if a kept connection breaks \
             without a byte of an answer; a long poll of `protocol = \"janus\"` is not. Nothing else is ever sent twice.",
        ),
        key(
            "protocol",
            Form::Word(|| words(&Protocol::NAMES)),
            Unset::Is(|| word(&Protocol::NAMES, Protocol::default())),
            "What the servers speak. `janus-admin` and `kurento` are control ports: a route that lets everybody to them \
             is refused, unless it says [`i_know_this_is_open`](#routesi_know_this_is_open). Without `protocol`, a server \
             on a port where one usually is (7088, 7089, 7188, 7889 and 7989 of Janus' admin API, 8888 and 8433 of \
             Kurento), or that another upstream says is one, is refused in front of everybody too, and a warning \
             otherwise: write the protocol, or `\"http\"` if it is something else.",
        ),
        key(
            "balance",
            Form::Word(|| words(&Balance::NAMES)),
            Unset::Means(
                "`\"client\"` where `protocol` is not `http` or a route ends in `/http-bind`, else `\"round_robin\"`",
            ),
            "With several servers, who gets what: `client` keeps each client (an IPv4 address or an IPv6 /64) at its \
             server, as sessions need that live in a server's memory; `round_robin` takes turns; `least` takes the \
             server with the fewest requests under way, and among equals takes turns. A server that comes back from a \
             rest gets an eighth of its share at first, and all of it after 9 s.",
        ),
        key(
            "ca_file",
            Form::One(&FILE),
            Unset::Means("the system's CAs"),
            "PEM: the CAs to trust instead. Only with an `https://` server.",
        ),
        key(
            "server_name",
            Form::One(&HOST),
            Unset::Means("the host in `servers`"),
            "The name that the server's certificate must have. Only with an `https://` server.",
        ),
        key(
            "keep_alive",
            Form::One(&DURATION),
            Unset::Is(|| quoted(write_duration(KEEP_ALIVE))),
            "How long a connection without a request is kept for the next one; `\"0s\"` keeps none. It must be less than \
             the server itself waits, which `Keep-Alive: timeout=` of an answer says: where there is one, a second less \
             than that goes before. None is used for longer than a minute, and a reload closes those to servers that are \
             written as names, so that a name that leads elsewhere is followed.",
        ),
        key(
            "max_connections",
            Form::One(&COUNT),
            Unset::Means(
                "no limit; 1000 where `protocol` is `\"janus\"`, WebSockets not counted: Janus' REST takes 1,020",
            ),
            "Connections to each of the servers, of all workers, WebSockets among them where it is written. One client \
             may have as many as are still free, so half of them when it is alone, unless it is in `limits.exempt`. More \
             get 503 with `Retry-After`, `reason=upstream_full` or `upstream_share`; with another `balance` than \
             `client`, another server is tried first.",
        ),
    ],
};
