//! What all workers share.

use std::sync::Arc;

use tracing_appender::non_blocking::NonBlocking;

use super::handshake_places::HandshakeCount;
use super::refusal_floods::RefusalFloods;
use super::renewals::Renewals;
use super::snapshot::Snapshot;
use super::subject_tunnels::SubjectTunnels;
use crate::auth::passwords::Hashing;
use crate::auth::{AuthFailures, Tagger};
use crate::overload::Memory;
use crate::resolve::Resolver;
use crate::slot::{OpenFiles, RouteRooms, Slots, Sockets, WorkerLoads};
use crate::telemetry::audit::AuditLog;
use crate::tls::challenges::Challenges;

/// What all workers share, beside the snapshot in force. Each field synchronises itself. Nothing
/// else in the process is written by two workers but the owners of sessions, which belong to an
/// upstream of the snapshot ([`crate::signalling::owners`]).
#[derive(Debug)]
pub struct SharedState {
    /// Client connections, and what each client has open.
    pub slots: Arc<Slots>,
    /// The same by worker.
    pub loads: Arc<WorkerLoads>,
    /// TLS handshakes in progress.
    pub handshakes: Arc<HandshakeCount>,
    /// Whether the process has nearly as much memory as it may have.
    pub memory: Arc<Memory>,
    /// Sockets to upstream servers.
    pub sockets: Arc<Sockets>,
    /// Open files.
    pub files: Arc<OpenFiles>,
    /// Invalid tokens and API keys, counted by client.
    pub auth_failures: Arc<AuthFailures>,
    /// Passwords that are being checked.
    pub hashing: Hashing,
    /// Clients that have to wait before they open another WebSocket.
    pub refusal_floods: RefusalFloods,
    /// Open WebSockets, counted by the subjects of their tokens.
    pub subject_tunnels: Arc<SubjectTunnels>,
    /// Requests under way on the routes that limit them.
    pub route_rooms: RouteRooms,
    /// Passes renewed tokens to the tunnels of every worker.
    pub renewals: Arc<Renewals>,
    /// Answers for CAs that validate a name of an open order.
    pub challenges: Arc<Challenges>,
    /// Resolves the names of servers.
    pub resolver: Resolver,
    /// Makes the keys of the workers' token caches.
    pub tagger: Arc<Tagger>,
    /// Where access lines are written, if anywhere.
    pub access: Option<NonBlocking>,
    /// Where audited messages are written, if anywhere.
    pub audit: Arc<AuditLog>,
}

impl SharedState {
    /// Nothing is open yet; the limits are those of the snapshot.
    pub fn new(
        snapshot: &Snapshot,
        workers: usize,
        tagger: Arc<Tagger>,
        challenges: Arc<Challenges>,
        resolver: Resolver,
        access: Option<NonBlocking>,
        audit: Arc<AuditLog>,
    ) -> Arc<Self> {
        Arc::new(Self {
            slots: Slots::new(),
            loads: WorkerLoads::new(workers),
            handshakes: Arc::default(),
            memory: Memory::new(snapshot.limits.memory),
            sockets: Sockets::new(snapshot.upstream_sockets),
            files: OpenFiles::new(snapshot.open_files),
            auth_failures: AuthFailures::new(),
            hashing: Hashing::default(),
            refusal_floods: RefusalFloods::default(),
            subject_tunnels: Arc::default(),
            route_rooms: RouteRooms::default(),
            renewals: Renewals::new(),
            challenges,
            resolver,
            tagger,
            access,
            audit,
        })
    }

    /// Applies the limits of another snapshot that are not asked for on each request.
    pub fn apply(&self, snapshot: &Snapshot) {
        self.sockets.allow(snapshot.upstream_sockets);
        self.files.allow(snapshot.open_files);
        self.memory.configure(snapshot.limits.memory);
    }
}
