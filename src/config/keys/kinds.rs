//! The kinds of values: how each is written, and what is said of one that is not.

/// One kind.
#[derive(Debug)]
pub(in crate::config) struct Kind {
    pub(in crate::config) name: &'static str,
    /// What the reader expects where it finds another type of TOML.
    pub(in crate::config) expected: &'static str,
    /// How it is written, in Markdown: sentences. Empty where the examples say it.
    pub(in crate::config) text: &'static str,
    /// Values that are taken, in TOML.
    pub(in crate::config) good: &'static [&'static str],
    /// A value that is not, in TOML, and what is said of it.
    pub(in crate::config) bad: (&'static str, &'static str),
}

const STRING: &str = "a string";
const INTEGER: &str = "an integer";

pub(super) static SWITCH: Kind = Kind {
    name: "true or false",
    expected: "true or false",
    text: "",
    good: &["true", "false"],
    bad: ("\"yes\"", "expected true or false, found a string"),
};

pub(super) static COUNT: Kind = Kind {
    name: "count",
    expected: INTEGER,
    text: "How many of something; at least one. There is no spelling for \"without limit\".",
    good: &["1", "20_000"],
    bad: ("0", "must be from 1 to 4294967295"),
};

pub(super) static THREADS: Kind = Kind {
    name: "threads",
    expected: INTEGER,
    text: "How many threads.",
    good: &["0", "4"],
    bad: ("5000", "must be from 0 to 1024"),
};

pub(super) static PORT: Kind = Kind {
    name: "port",
    expected: INTEGER,
    text: "",
    good: &["8443"],
    bad: ("0", "must be from 1 to 65535"),
};

pub(super) static STATUS: Kind = Kind {
    name: "redirect status",
    expected: INTEGER,
    text: "301 and 302 make a GET of a POST in most clients; 307 and 308 keep the method and the body.",
    good: &["301", "302", "307", "308"],
    bad: (
        "303",
        "must be 301, 302, 307 or 308; the last two keep the method and body",
    ),
};

pub(super) static DURATION: Kind = Kind {
    name: "duration",
    expected: "a duration such as \"10s\"",
    text: "A whole number and a unit: `ms`, `s`, `m`, `h` or `d`. At most 366 days.",
    good: &[
        "\"500ms\"",
        "\"10s\"",
        "\"5m\"",
        "\"1h\"",
        "\"365d\"",
        "\"0s\"",
    ],
    bad: ("\"10\"", "\"10\" has no unit; write \"10s\" for seconds"),
};

pub(super) static TIMEOUT: Kind = Kind {
    name: "timeout",
    expected: "a duration such as \"10s\"",
    text: "A duration that is longer than nothing.",
    good: &["\"500ms\"", "\"10s\"", "\"75s\""],
    bad: ("\"0s\"", "must be longer than nothing"),
};

pub(super) static SIZE: Kind = Kind {
    name: "size",
    expected: "a size such as \"1MiB\"",
    text: "A whole number and a unit: `B`; `KiB`, `MiB`, `GiB` for powers of 1024; `KB`, `MB`, `GB` for powers of 1000. \
           A number without quotes is in bytes.",
    good: &["\"512B\"", "\"64KiB\"", "\"1MB\"", "65536", "0"],
    bad: (
        "\"64k\"",
        "\"64k\" is not a size, such as \"512B\", \"64KiB\" or \"1MiB\"",
    ),
};

pub(super) static RATE: Kind = Kind {
    name: "rate",
    expected: "a rate such as \"2000/s\"",
    text: "So many per unit of time, or per duration.",
    good: &["\"2000/s\"", "\"300/m\"", "\"50/10s\""],
    bad: (
        "\"2000\"",
        "\"2000\" is not a rate, such as \"2000/s\", \"300/m\" or \"50/10s\"",
    ),
};

pub(super) static LISTENER: Kind = Kind {
    name: "listening address",
    expected: STRING,
    text: "`IP:port`. `[::]` is every address of IPv6 and IPv4. Names are not taken: a listener that depends on a \
           resolver does not start on a machine whose network is late.",
    good: &["\"[::]:443\"", "\"127.0.0.1:8443\""],
    bad: (
        "\":443\"",
        "\":443\" has no address; write \"[::]:443\" for all, \"127.0.0.1:443\" for this machine only",
    ),
};

pub(super) static NETWORK: Kind = Kind {
    name: "network",
    expected: STRING,
    text: "An address, or a network with its prefix. Clients that reach an IPv6 listener by IPv4 are IPv4: `10.8.0.7`, \
           not `::ffff:10.8.0.7`.",
    good: &["\"10.8.0.0/16\"", "\"2001:db8::/32\"", "\"192.0.2.7\""],
    bad: (
        "\"10.8.0.5/16\"",
        "\"10.8.0.5/16\" has bits set below its prefix; did you mean \"10.8.0.0/16\"?",
    ),
};

pub(super) static SERVER: Kind = Kind {
    name: "server",
    expected: STRING,
    text: "`http://host:port`, `https://host:port` or `unix:/path`, without a path of its own. Without a port it is 80 \
           or 443. WebSockets go to the same address: their handshake is HTTP.",
    good: &[
        "\"http://127.0.0.1:8088\"",
        "\"https://media.example.com\"",
        "\"unix:/run/janus.sock\"",
    ],
    bad: (
        "\"ws://127.0.0.1:8188\"",
        "\"ws://127.0.0.1:8188\" is a WebSocket URL; the handshake is HTTP, so write \"http://127.0.0.1:8188\"",
    ),
};

pub(super) static HOST_PORT: Kind = Kind {
    name: "host and port",
    expected: STRING,
    text: "`host:port`, of a server that does not speak HTTP.",
    good: &["\"127.0.0.1:5349\"", "\"turn.internal:443\""],
    bad: (
        "\"https://127.0.0.1:5349\"",
        "\"https://127.0.0.1:5349\" is not host:port, such as \"127.0.0.1:5349\"",
    ),
};

pub(super) static HOST: Kind = Kind {
    name: "host",
    expected: STRING,
    text: "A name or an IP address, without a port. Upper and lower case are the same; names in other scripts are \
           written in their `xn--` form.",
    good: &[
        "\"media.example.com\"",
        "\"localhost\"",
        "\"127.0.0.1\"",
        "\"[::1]\"",
    ],
    bad: (
        "\"https://a.example/\"",
        "\"https://a.example/\" is a URL; write the host name alone",
    ),
};

pub(super) static HOSTS: Kind = Kind {
    name: "host pattern",
    expected: STRING,
    text: "A host, or `*.` and a name for exactly one label more: `*.example.com` is `a.example.com`, and neither \
           `example.com` nor `a.b.example.com`.",
    good: &["\"media.example.com\"", "\"*.example.com\""],
    bad: (
        "\"media.example.com:443\"",
        "\"media.example.com:443\" has a port; write the host name alone, a route serves it on every listener",
    ),
};

pub(super) static AUTHORITY: Kind = Kind {
    name: "host with or without a port",
    expected: STRING,
    text: "",
    good: &["\"meet.example.com\"", "\"127.0.0.1:8080\""],
    bad: (
        "\"http://a\"",
        "\"http://a\" is not a host name, or one with \":port\"",
    ),
};

pub(super) static PATH: Kind = Kind {
    name: "path",
    expected: STRING,
    text: "The path of a URL. It stands for itself and for what is below it, by whole segments: `/janus` is `/janus/info` \
           and never `/januswhatever`. Case counts. A slash at the end changes nothing.",
    good: &["\"/\"", "\"/janus\"", "\"/media/janus/\""],
    bad: ("\"janus\"", "\"janus\" does not begin with \"/\""),
};

pub(super) static TARGET: Kind = Kind {
    name: "URL or path",
    expected: STRING,
    text: "",
    good: &["\"https://example.com/\"", "\"/start.html\""],
    bad: (
        "\"example.com\"",
        "\"example.com\" is neither a URL, \"https://example.org/\", nor a path, \"/elsewhere\"",
    ),
};

pub(super) static FILE: Kind = Kind {
    name: "file",
    expected: STRING,
    text: "A path on disk. Relative ones begin at the folder of `gateway.toml`, whatever the working folder is.",
    good: &["\"certs/fullchain.pem\"", "\"/usr/share/janus/demos\""],
    bad: ("\"\"", "is empty; write the path of a file"),
};

pub(super) static UPSTREAM_NAME: Kind = Kind {
    name: "name of an upstream",
    expected: STRING,
    text: "The NAME of an `[upstreams.NAME]` anywhere in the file: letters, digits, `-`, `_` and `.`.",
    good: &[],
    bad: ("\"nobody\"", "unknown upstream \"nobody\"; none is defined"),
};

pub(super) static POLICY_NAME: Kind = Kind {
    name: "name of a policy",
    expected: STRING,
    text: "The NAME of a `[policies.NAME]` anywhere in the file, or `\"open\"`.",
    good: &["\"open\""],
    bad: (
        "\"opne\"",
        "unknown policy \"opne\", did you mean \"open\"?",
    ),
};

pub(super) static TLS_VERSION: Kind = Kind {
    name: "TLS version",
    expected: "\"1.2\" or \"1.3\" in quotes",
    text: "",
    good: &["\"1.2\"", "\"1.3\""],
    bad: (
        "\"1.1\"",
        "\"1.1\" is no version that is served; write \"1.2\" or \"1.3\"",
    ),
};

pub(super) static HEADER: Kind = Kind {
    name: "header name",
    expected: STRING,
    text: "Upper and lower case are the same.",
    good: &["\"X-Tenant\""],
    bad: ("\"X Tenant\"", "\"X Tenant\" is not the name of a header"),
};

pub(super) static HEADER_VALUE: Kind = Kind {
    name: "header value",
    expected: STRING,
    text: "",
    good: &["\"no-store\""],
    bad: (
        "\" a\"",
        "\" a\" is no header value: ASCII on one line, without spaces around it",
    ),
};

pub(super) static ORIGIN: Kind = Kind {
    name: "origin",
    expected: STRING,
    text: "Scheme, host and, where it is not the usual one, port of a page, as browsers send it; or `\"*\"` for every one.",
    good: &[
        "\"https://app.example.com\"",
        "\"http://localhost:3000\"",
        "\"*\"",
    ],
    bad: (
        "\"app.example.com\"",
        "\"app.example.com\" is no origin, such as \"https://app.example.com\"",
    ),
};

pub(super) static TEXT: Kind = Kind {
    name: "text",
    expected: STRING,
    text: "",
    good: &["\"https://login.example.com\""],
    bad: ("\"\"", "is empty"),
};

pub(super) static SECRET: Kind = Kind {
    name: "secret",
    expected: STRING,
    text: "",
    good: &["\"correct horse battery staple\""],
    bad: ("\"\"", "is empty"),
};

pub(super) static ENVIRONMENT: Kind = Kind {
    name: "variable of the environment",
    expected: STRING,
    text: "",
    good: &["\"JWT_SECRET\""],
    bad: ("\"\"", "is empty"),
};

pub(super) static ALGORITHM: Kind = Kind {
    name: "algorithm",
    expected: STRING,
    text: "A name of RFC 7518: `HS256`, `HS384`, `HS512` for secrets; `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, \
           `PS512` for RSA; `ES256` for P-256, `ES384` for P-384; `EdDSA` for Ed25519.",
    good: &["\"RS256\"", "\"EdDSA\""],
    bad: ("\"none\"", "unknown algorithm \"none\""),
};

pub(super) static URL: Kind = Kind {
    name: "URL of keys",
    expected: "a URL",
    text: "`https://…`; `http://` only on this very machine, for whoever is on the way could give other keys.",
    good: &[
        "\"https://login.example.com/jwks.json\"",
        "\"http://127.0.0.1:8080/keys\"",
    ],
    bad: (
        "\"http://login.example.com/\"",
        "\"http://login.example.com/\" is not https: whoever is on the way could give other keys",
    ),
};

pub(super) static AUDIENCE: Kind = Kind {
    name: "audience",
    expected: STRING,
    text: "One text, a list of texts, or `\"any\"`.",
    good: &["\"ianitor\"", "[\"ianitor\", \"janus\"]", "\"any\""],
    bad: (
        "[]",
        "an empty list would take no token; write the audience, or \"any\"",
    ),
};

pub(super) static SOURCE: Kind = Kind {
    name: "place of a token",
    expected: STRING,
    text: "`header` is `Authorization: Bearer …`; `cookie:NAME`; `query:NAME`, for clients that can set no header; \
           `subprotocol` is `bearer.<token>` or `token.<token>` among a WebSocket's subprotocols, beside a real one.",
    good: &[
        "\"header\"",
        "\"cookie:ianitor\"",
        "\"query:token\"",
        "\"subprotocol\"",
    ],
    bad: (
        "\"body\"",
        "\"body\" is no place for a token; write \"header\", \"cookie:NAME\", \"query:NAME\" or \"subprotocol\"",
    ),
};

pub(super) static ISSUER_NAME: Kind = Kind {
    name: "name of an issuer",
    expected: STRING,
    text: "The NAME of an `[issuers.NAME]` anywhere in the file.",
    good: &[],
    bad: ("\"nobody\"", "unknown issuer \"nobody\"; none is defined"),
};

pub(super) static CLAIM: Kind = Kind {
    name: "value of a claim",
    expected: "a string, an integer, true or false",
    text: "A text, a whole number, or true or false; or a list of them, of which one is enough.",
    good: &["\"ops\"", "[\"admin\", \"ops\"]", "3", "true", "\"*\""],
    bad: (
        "[]",
        "an empty list is met by no token; write the values, or leave the claim out",
    ),
};

pub(super) static FILES: Kind = Kind {
    name: "file, or two",
    expected: STRING,
    text: "A file, or a list of two.",
    good: &[
        "\"secrets/turn\"",
        "[\"secrets/turn-new\", \"secrets/turn\"]",
    ],
    bad: ("\"\"", "is empty; write the path of a file"),
};

pub(super) static TURN_URI: Kind = Kind {
    name: "TURN URI",
    expected: STRING,
    text: "`turn:host:port`, `turns:host:port` (TLS) or `stun:host:port`, the first two with `?transport=udp` or \
           `?transport=tcp` (RFC 7065).",
    good: &[
        "\"turn:turn.example.com:3478?transport=udp\"",
        "\"turns:turn.example.com:5349?transport=tcp\"",
    ],
    bad: ("\"turn.example.com\"", "\"turn.example.com\" is"),
};

pub(super) static TURN_NAME: Kind = Kind {
    name: "name of a TURN server",
    expected: STRING,
    text: "The NAME of a `[turn.NAME]` anywhere in the file.",
    good: &[],
    bad: ("\"nobody\"", "unknown turn \"nobody\"; none is defined"),
};

pub(super) static LIFETIME: Kind = Kind {
    name: "lifetime",
    expected: "a duration such as \"10s\"",
    text: "A duration of a second or more.",
    good: &["\"10m\"", "\"1h\""],
    bad: (
        "\"500ms\"",
        "is less than a second, and credentials are dated in seconds; write \"10m\"",
    ),
};

pub(super) static LOCAL: Kind = Kind {
    name: "path on this host",
    expected: STRING,
    text: "A path, with or without a query.",
    good: &["\"/admin.html\"", "\"/start?lang=en\""],
    bad: (
        "\"https://elsewhere.example/\"",
        "\"https://elsewhere.example/\"",
    ),
};
