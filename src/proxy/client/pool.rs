//! One worker's connections to one server.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Response;

use super::conn::UpstreamConn;
use super::error::SendError;
use super::outgoing::Outgoing;
use crate::proxy::connect::Connector;
use crate::proxy::health::Health;
use crate::proxy::retries::RetryBudget;
use crate::proxy::waiting::Waiting;
use crate::route::upstream::{ServerAddr, UpstreamSpec};
use crate::slot::{
    CountedClient, IdleCount, MaxConnections, NoRoom, QueuePlace, ServerRoom, SocketSlot, Sockets,
    UpstreamUse, Waiter,
};
use crate::tick::{Tick, Ticks};

mod refused;

/// How many ticks a new connection waits for idle connections of other workers to be closed.
const ROOM_TICKS: usize = 4;

/// Request heads from this size on, in bytes, are more than some servers accept: Janus' WebSockets,
/// by libwebsockets, close the connection.
const LARGE_HEAD: usize = 4 * 1024;

/// One worker's connections to one server. The newest idle one is used first.
#[derive(Debug)]
pub struct Pool {
    connector: Connector,
    ticks: Rc<Ticks>,
    room: Arc<ServerRoom>,
    keep_alive: Cell<Duration>,
    max_connections: Cell<MaxConnections>,
    /// How long a request waits for a connection where the server has as many as it may have.
    queue: Cell<Duration>,
    idle: RefCell<Vec<Idle>>,
    /// The length of `idle`, for other workers to see.
    idle_count: Arc<IdleCount>,
    /// [`ServerRoom::reclaims`] when idle connections were last closed for others.
    reclaims_seen: Cell<usize>,
    /// Connections of an older generation are not kept.
    generation: Cell<u32>,
    load: Cell<usize>,
    health: Health,
    /// The configuration no longer has the server: no connection is kept.
    closed: Cell<bool>,
}

#[derive(Debug)]
struct Idle {
    conn: Box<UpstreamConn>,
    /// From this tick on it is not used any more.
    until: Tick,
}

/// The head of an answer and the connection that it came over, or why there is none.
pub(in crate::proxy) type Sent = Result<(Response<()>, Box<UpstreamConn>), SendError>;

impl Pool {
    /// An empty pool for a server of the upstream.
    pub fn new(
        connector: Connector,
        spec: &UpstreamSpec,
        ticks: &Rc<Ticks>,
        sockets: &Arc<Sockets>,
    ) -> Rc<Self> {
        let room = sockets.server(&connector.addr().to_string());
        Rc::new(Self {
            ticks: Rc::clone(ticks),
            keep_alive: Cell::new(spec.keep_alive),
            max_connections: Cell::new(spec.max_connections),
            queue: Cell::new(spec.queue),
            idle: RefCell::default(),
            idle_count: room.idle_count(),
            reclaims_seen: Cell::new(room.reclaims()),
            generation: Cell::new(0),
            load: Cell::new(0),
            health: Health::default(),
            closed: Cell::new(false),
            connector,
            room,
        })
    }

    /// Applies what a reload has changed. A server's name is looked up again, so connections to its
    /// former address are not kept.
    pub fn follow(&self, spec: &UpstreamSpec) {
        self.keep_alive.set(spec.keep_alive);
        self.max_connections.set(spec.max_connections);
        self.queue.set(spec.queue);
        if self.addr().is_name() {
            self.generation.set(self.generation.get().wrapping_add(1));
            self.drop_idle();
        }
    }

    /// The server's address.
    pub fn addr(&self) -> &ServerAddr {
        self.connector.addr()
    }

    /// The worker's clock.
    pub fn ticks(&self) -> &Rc<Ticks> {
        &self.ticks
    }

    /// The server's connections as all workers count them, and how many it may have.
    pub(in crate::proxy) fn room(&self) -> (&Arc<ServerRoom>, MaxConnections) {
        (&self.room, self.max_connections.get())
    }

    /// How long a request may wait for a connection.
    pub(in crate::proxy) fn queue(&self) -> Duration {
        self.queue.get()
    }

    /// Whether a request has to wait because others have done so for longer.
    pub(in crate::proxy) fn has_queue(&self, alone: bool) -> bool {
        !self.queue.get().is_zero() && self.room.has_queue() && self.is_limited(alone)
    }

    /// Whether a request, or a WebSocket, counts against `max_connections`.
    pub(in crate::proxy) fn is_limited(&self, alone: bool) -> bool {
        self.max_connections.get().of(alone).is_some()
    }

    /// A place in the server's queue for a request, if the server is full (`is_blocked`) or the
    /// client has its share; `None` if there is none.
    pub(in crate::proxy) fn queue_up(
        &self,
        client: &CountedClient,
        alone: bool,
        is_blocked: bool,
    ) -> Option<QueuePlace> {
        let most = self.max_connections.get().of(alone)?;
        let waiter = Waiter {
            client,
            pool: (!alone).then_some(&self.idle_count),
            is_blocked,
        };
        self.room.queue_up(waiter, most)
    }

    /// How long ago the last attempt to connect was, if there was one, and whether it failed.
    pub fn outcome(&self) -> (Option<Duration>, bool) {
        self.health.outcome(&self.ticks)
    }

    /// Requests and tunnels under way.
    pub fn busy(&self) -> usize {
        self.load.get()
    }

    /// What attempts to connect have shown.
    pub(in crate::proxy) fn health(&self) -> &Health {
        &self.health
    }

    /// Sends a request over an idle connection if there is one, or over a new one. A WebSocket
    /// always gets a new one.
    ///
    /// The server may have closed an idle connection. A request of which nothing was written is
    /// sent over another one. If it got no byte of an answer, it is sent a second time over a new
    /// one, if that does no harm and the budget allows it. A place in the queue ends with one.
    pub(in crate::proxy) async fn send(
        &self,
        outgoing: &mut Outgoing<'_>,
        client: UpstreamUse,
        budget: &RetryBudget,
        place: &mut Option<Waiting>,
    ) -> Sent {
        let late = self.ticks.alarm(outgoing.timeout());
        let mut is_repeated = false;
        loop {
            let pooled = if outgoing.is_alone() || is_repeated {
                None
            } else {
                self.take_idle()
            };
            let is_reused = pooled.is_some();
            let mut conn = match pooled {
                Some(conn) => {
                    place.take().into_iter().for_each(Waiting::end_served);
                    conn
                }
                // Boxed: opening has a large state, which every request would carry along.
                None => Box::new(Box::pin(self.open(outgoing.is_alone(), place)).await?),
            };
            if !is_repeated {
                late.reset(outgoing.timeout());
            }
            if is_reused {
                outgoing.keep_copy();
            }
            match conn.send(outgoing, &late).await {
                Ok(response) => {
                    conn.note_used(client);
                    return Ok((response, conn));
                }
                Err(_) if is_reused && outgoing.is_untouched() => {}
                Err(SendError::Broken(_))
                    if is_reused
                        && !conn.has_answered()
                        && outgoing.may_restore()
                        && budget.take()
                        && outgoing.restore() =>
                {
                    is_repeated = true
                }
                Err(SendError::Broken(source))
                    if !conn.has_answered() && outgoing.head_size() >= LARGE_HEAD =>
                {
                    let size = outgoing.head_size();
                    return Err(SendError::HeadUnanswered { size, source });
                }
                // If a new connection fails, trying another one would not help.
                Err(error) => return Err(error),
            }
        }
    }

    async fn open(
        &self,
        alone: bool,
        place: &mut Option<Waiting>,
    ) -> Result<UpstreamConn, SendError> {
        // A request in the queue is woken where idle connections of other workers are closed.
        let most_ticks = if place.is_some() { 0 } else { ROOM_TICKS };
        let socket = match self.room.take(self.max_connections.get(), alone) {
            Ok(socket) => socket,
            Err(full) => self.wait_for_room(full, alone, most_ticks).await?,
        };
        place.take().into_iter().for_each(Waiting::end_served);
        let (now, generation) = (self.ticks.now(), self.generation.get());
        Ok(UpstreamConn::open(&self.connector, socket, now, generation).await?)
    }

    /// Idle connections are closed to make room for new ones: this worker's at once, those of other
    /// workers at their next tick.
    async fn wait_for_room(
        &self,
        mut full: NoRoom,
        alone: bool,
        most_ticks: usize,
    ) -> Result<SocketSlot, SendError> {
        let mut ticks = 0;
        loop {
            if !self.drop_idle() {
                if !full.may_change() || ticks == most_ticks {
                    return Err(full.into());
                }
                ticks += 1;
                self.ticks.next().await;
            }
            match self.room.take(self.max_connections.get(), alone) {
                Ok(socket) => return Ok(socket),
                Err(still) => full = still,
            }
        }
    }

    /// The newest idle connection that may still be used.
    fn take_idle(&self) -> Option<Box<UpstreamConn>> {
        let (mut idle, now) = (self.idle.borrow_mut(), self.ticks.now());
        let found = std::iter::from_fn(|| idle.pop()).find(|idle| idle.until > now);
        self.idle_count.set(idle.len());
        found.map(|idle| idle.conn)
    }

    /// Takes a connection back after a whole answer.
    pub fn give_back(&self, mut conn: Box<UpstreamConn>) {
        conn.note_idle();
        let now = self.ticks.now();
        let until = conn.idle_until(now, self.keep_alive.get());
        let is_wanted = !self.closed.get()
            && until > now
            && conn.generation() == self.generation.get()
            && self.reclaims_seen.get() == self.room.reclaims();
        if is_wanted && conn.is_reusable() && self.room.may_keep_idle(&self.idle_count) {
            let mut idle = self.idle.borrow_mut();
            idle.push(Idle { conn, until });
            self.idle_count.set(idle.len());
        }
    }

    /// Drops idle connections that are closed or too old, and all of them if others need room.
    pub fn sweep(&self) {
        let reclaims = self.room.reclaims();
        if self.reclaims_seen.replace(reclaims) != reclaims {
            self.drop_idle();
        }
        let (mut idle, now) = (self.idle.borrow_mut(), self.ticks.now());
        idle.retain_mut(|idle| idle.until > now && idle.conn.is_reusable());
        self.idle_count.set(idle.len());
    }

    /// Drops all idle connections, and returns whether there were any.
    fn drop_idle(&self) -> bool {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        let were_any = !idle.is_empty();
        // Closed before they are counted out: a connection that is neither idle nor closed looks
        // busy to other workers, which would not wait for it.
        drop(idle);
        self.idle_count.set(0);
        were_any
    }

    /// Logs a request for which there was no room.
    pub(in crate::proxy) fn note_refused(&self, error: &SendError) {
        refused::log(error, self.addr());
    }

    /// Drops all idle connections and keeps none from now on.
    pub fn close(&self) {
        self.closed.set(true);
        self.drop_idle();
    }
}

/// A request or tunnel under way at a server, counted until it is dropped.
#[derive(Debug)]
pub struct LoadGuard(Rc<Pool>);

impl LoadGuard {
    pub(in crate::proxy) fn new(pool: &Rc<Pool>) -> Self {
        pool.load.set(pool.load.get() + 1);
        Self(Rc::clone(pool))
    }

    /// The server's pool.
    pub(in crate::proxy) fn pool(&self) -> &Rc<Pool> {
        &self.0
    }
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.load.set(self.0.load.get() - 1);
    }
}

#[cfg(test)]
mod tests;
