//! ianitor, the doorkeeper: a TLS gateway in front of WebRTC signalling servers.
//!
//! A doorkeeper asks *who knocks*, *what do they ask for*, *which door*, *may they*, and then
//! *walks with them*. The modules are declared in that order, and this is the life of one request:
//!
//! ```text
//! listen::accept ─▶ Slot (counted) ─▶ serve::conn: TLS ─▶ hyper, HTTP/1.1 or HTTP/2
//!   serve::stack  AccessLog · Validation · limit_size · limit_rate · normalize · Own · route · Dress · authorize ──Admitted──▶ Target
//!   files         a file from disk
//!   turn          a credential for the TURN server
//!   proxy         forward ─▶ a small body gathered, then the upstream, streamed both ways
//!                 open_websocket ─▶ 101 ─▶ Tunnel: owns both sockets and the Slot until the last byte has gone
//! ```
//!
//! **Threads.** Each worker is a thread with a single-threaded runtime, its own listening sockets
//! (the kernel spreads connections), its own upstream connections, tunnels and clock. On a
//! request's path workers share nothing but counts of what one client and one server may have at
//! once ([`slot`]). Names are looked up on threads of their own ([`resolve`]). The main thread is
//! the control: it reads the configuration, binds, and sends each worker commands and immutable
//! snapshots ([`gateway`]). It also fetches the keys of issuers ([`jwks`]), orders certificates
//! ([`acme`]) and brings them to other servers ([`deploy`]); what it has to tell a validating CA is
//! in one table that all workers read ([`tls::challenges`]).
//!
//! **Pages and permits.** A permit that rests on a cookie or an address holds only for the host's
//! own pages and those that `cors` lists ([`route::initiator`]). Tunnels and answers that last are
//! judged again by every tick that finds something changed (`serve::judge`, `serve::under_way`),
//! and what a client leaves unread is counted (`serve::unread`).
//!
//! **One task per connection.** An upstream connection has no task: the request that uses it drives
//! it ([`proxy::client`]), or a task of its own where an answer comes before the request's body has
//! ended. Deadlines have no timers: one coarse tick per worker looks at all of them ([`tick`]).
//!
//! **Permission is a value.** Only a [`policy::Policy`] makes a [`policy::Permit`], only
//! `authorize` makes an `Admitted` request, and targets take nothing else.
//!
//! Words, one for each meaning: a *listener* is an address with its sockets; a *slot* is a counted
//! client connection; the *peer* is the other end of a socket and the *client* is who the request
//! is from; a *route* leads a host and path to an *upstream*, which has a *server*; a *policy*
//! asked about *facts* gives a *permit*; an *exchange* is a request with its answer; a *tunnel* is
//! what a WebSocket becomes after its handshake; a *snapshot* is a configuration in force; a
//! *drain* is an orderly end; an *order* asks a CA for a certificate, the *store* keeps it, the
//! *shelf* has what is served of the store, a *keeper* looks after one, and the *hub* brings it to
//! other servers, each of which is a *deployment*.

// Vocabulary: no module of ours but each other.
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
pub mod registry;
pub mod resolve;
pub mod secret;
pub mod slot;
pub mod socket;
pub mod tick;

pub mod telemetry;

// Who knocks.
pub mod listen;
pub mod store;
pub mod tls;

// What do they ask for.
pub mod serve;

// Who they say they are, which door, may they: decisions without I/O.
pub mod auth;
pub mod policy;
pub mod route;
pub mod token;
pub mod turn;

// Walk with them, or answer here.
pub mod files;
pub mod proxy;
pub mod tunnel;

// What is to be seen of all that.
pub mod status;

// How commands reach the running gateway.
pub mod control;

// Threads that serve.
pub mod worker;

// Whose keys prove it: fetched beside the way of requests, by the control.
pub mod jwks;

// Certificates that look after themselves, and those of the neighbours: beside the way of requests
// as well.
pub mod acme;
pub mod deploy;

// The edges.
pub mod config;
pub mod gateway;
pub mod inspect;
