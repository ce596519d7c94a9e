//! ianitor: a TLS gateway in front of WebRTC signalling servers.
//!
//! This is the life of a request; `docs/architecture.md` follows it file by file, and a reload, a
//! certificate order and a token as well.
//!
//! ```text
//! worker   accept ─▶ Slot (counted per client)
//! serve    TLS ─▶ HTTP/1.1 or HTTP/2 ─▶ stack: AccessLog · Rescue · validation · limits
//!            · normalize · internal routes · route · ResponseHeaders · Rescue
//!            · Authorize ──Admitted──▶ Target
//! files    a file from disk            turn   a credential for the TURN server
//! proxy    forward ─▶ server ─▶ response, streamed both ways
//! tunnel   after a WebSocket handshake: owns both sockets and the slot until it is closed
//! ```
//!
//! **Threads.** Each worker is a thread with a single-threaded runtime, its own listening sockets
//! (the kernel spreads connections), upstream connections, tunnels and clock. What several workers
//! write is one value, [`serve::shared::SharedState`]: limits per client and server, failed
//! authentications, floods of refused messages, renewals and challenge answers; and beside it, kept
//! across snapshots for each upstream whose protocol has sessions, whose they are
//! ([`signalling::owners`]). The main thread runs everything else: it reads the configuration,
//! binds, and sends commands and immutable snapshots to the workers ([`gateway`]); it fetches
//! issuers' keys ([`jwks`]), orders certificates ([`acme`]), deploys them to other servers
//! ([`deploy`]), probes upstreams ([`health`]), hands everything over to a new process
//! ([`upgrade`]), and answers commands ([`control`]) and probes ([`status`]). Names are resolved on
//! threads of their own ([`resolve`]).
//!
//! **Permission is a value.** Only a [`policy::Policy`] makes a [`policy::Permit`], only
//! `serve::authorize` makes an `Admitted` request, and targets accept nothing else. Tokens are
//! verified in [`auth`], which needs no request. A permit that rests on a cookie or an address
//! holds only for the host's own pages and those in `cors` ([`route::initiator`]). Tunnels and long
//! responses are judged again when something has changed (`serve::judge`).
//!
//! **Messages.** Where a policy has rules for messages, or an upstream has a secret, [`signalling`]
//! judges each JSON document by the permit: on WebSockets in [`tunnel::understood`], by HTTP in
//! `serve::target::message`. Only what the gateway has read whole goes on. Jitsi's XMPP is
//! forwarded as it is: tokens are compared with the room of each request (`serve::jitsi`), and
//! sessions of BOSH and resources of WHIP belong to clients (`serve::target::{bosh, whip}`).
//!
//! **One task per connection.** An upstream connection has no task: the request that uses it drives
//! it, and it has buffers only while there are bytes in them. HTTP towards clients is hyper's, and
//! HTTP/1.1 towards upstreams our own ([`proxy::h1`], [`proxy::client`]). Deadlines have no timers:
//! one coarse tick per worker checks all of them ([`tick`]).
//!
//! **Terms.** A *listener* is an address with its sockets; a *slot* is a counted client connection;
//! the *peer* is the other end of a socket and the *client* is who the request is from; a *route*
//! leads a host and path to an *upstream*, which has *servers*; a *policy* judges *facts* and
//! returns a *permit*; an *exchange* is a request with its response; a *tunnel* is what a WebSocket
//! becomes after its handshake; a *snapshot* is a configuration in force; a *drain* closes
//! everything in order; an *order* asks a CA for a certificate, the *store* keeps it, and a
//! *deployment* copies it to another server.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "tasks of a test end with its runtime"
    )
)]

// Vocabulary: these import only each other.
pub mod addr;
pub mod challenge_slots;
pub mod clock;
pub mod disk;
pub mod exposure;
pub mod host;
pub mod html;
pub mod json;
pub mod keyed_mutex;
pub mod limits;
pub mod overload;
pub mod pin;
pub mod pulse;
pub mod registry;
pub mod resolve;
pub mod secret;
pub mod slot;
pub mod socket;
pub mod sync;
pub mod systemd;
pub mod telemetry;
pub mod tick;

// Decisions without I/O.
pub mod policy;
pub mod route;
pub mod signalling;
pub mod token;
pub mod turn;

// Connections and requests.
pub mod auth;
pub mod files;
pub mod listen;
pub mod proxy;
pub mod serve;
pub mod tls;
pub mod tunnel;
pub mod worker;

// Background services on the control runtime.
pub mod acme;
pub mod control;
pub mod deploy;
pub mod fetch;
pub mod health;
pub mod jwks;
pub mod status;
pub mod store;
pub mod upgrade;

// Configuration, and the composition root.
pub mod config;
pub mod gateway;

// Other programs' configurations.
pub mod doctor;
pub mod import;
pub mod init;
pub mod nginx;
