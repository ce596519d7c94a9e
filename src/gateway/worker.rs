//! One worker: a thread with a runtime of its own, its listening sockets, its connections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};
use tracing_appender::non_blocking::NonBlocking;

use crate::addr::{ListenAddr, PeerAddr};
use crate::auth::{AuthFailures, Tagger, TokenCache};
use crate::clock::UnixTime;
use crate::listen::{self, Kind};
use crate::proxy::tunnel::CloseReason;
use crate::registry::Registry;
use crate::resolve::Resolver;
use crate::serve::Worker;
use crate::serve::conn::{self, AcceptedConn};
use crate::serve::connection_guard::ConnectionGuard;
use crate::serve::names::Names;
use crate::serve::over_limit::{self, OverLimit};
use crate::serve::renewals::{self, Renewals};
use crate::serve::snapshot::{Snapshot, Ways, WorkerView};
use crate::serve::under_way::UnderWay;
use crate::slot::{OpenFiles, Slots, Sockets};
use crate::telemetry::access::{AccessSink, End};
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::request_id::RequestIds;
use crate::tick::{TICK, Ticks};
use crate::tls::challenges::Challenges;

/// What a listener is known by over reloads.
pub(super) type ListenerKey = (Kind, ListenAddr);

/// One worker's share of a listener.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) key: ListenerKey,
    pub(super) socket: StdListener,
}

/// What the control runtime tells a worker.
#[derive(Debug)]
pub(super) enum Command {
    /// Take up a configuration: open these listeners, then close all that are not in `keep`.
    Reload {
        snapshot: Arc<Snapshot>,
        open: Vec<Share>,
        keep: Vec<ListenerKey>,
        done: oneshot::Sender<io::Result<()>>,
    },
    /// Accept nothing more and end each connection after what is under way; tunnels go on.
    Drain,
    /// Close the tunnels.
    CloseTunnels,
    /// End now, whatever is open.
    Stop,
}

/// The control runtime's hold on a worker.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) thread: JoinHandle<()>,
}

/// What a worker starts with.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) shares: Vec<Share>,
    pub(super) slots: Arc<Slots>,
    pub(super) sockets: Arc<Sockets>,
    pub(super) files: Arc<OpenFiles>,
    pub(super) resolver: Resolver,
    pub(super) access: Option<NonBlocking>,
    pub(super) metrics: Arc<WorkerMetrics>,
    pub(super) tagger: Arc<Tagger>,
    pub(super) auth_failures: Arc<AuthFailures>,
    pub(super) renewals: Arc<Renewals>,
    pub(super) challenges: Arc<Challenges>,
}

/// Threads of a worker on which disks are waited for. Nothing else runs there. Each has a heap of
/// its own: the hundreds that are usual would be memory that one client can have allocated, by
/// asking for as many files at once.
const FILE_THREADS: usize = 32;

/// Starts a worker's thread. When it ends, for whatever reason, `ended` is dropped.
pub(super) fn spawn(number: usize, setup: Setup, ended: mpsc::Sender<()>) -> io::Result<Handle> {
    let (commands, inbox) = mpsc::unbounded_channel();
    let runtime = move || {
        let mut builder = Builder::new_current_thread();
        builder
            .enable_all()
            .max_blocking_threads(FILE_THREADS)
            .build_local(LocalOptions::default())
    };
    let thread = std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || {
            let _ended = ended;
            match runtime() {
                Ok(runtime) => {
                    runtime.block_on(run(setup, inbox));
                    // A disk that hangs is not waited for.
                    runtime.shutdown_background();
                }
                Err(error) => tracing::error!(%error, "a worker could not start"),
            }
        })?;
    Ok(Handle { commands, thread })
}

async fn run(mut setup: Setup, mut inbox: mpsc::UnboundedReceiver<Command>) {
    let shares = std::mem::take(&mut setup.shares);
    let renewals = setup.renewals.join();
    let worker = new_worker(setup);
    tokio::task::spawn_local(renewals::follow(Rc::clone(&worker), renewals));
    tokio::task::spawn_local(keep_time(Rc::clone(&worker)));
    let mut doors = Doors {
        worker: Rc::clone(&worker),
        open: HashMap::new(),
    };
    if let Err(error) = doors.open(shares) {
        tracing::error!(%error, "a worker could not take up its listeners");
        return;
    }
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Reload {
                snapshot,
                open,
                keep,
                done,
            } => {
                let _ = done.send(doors.reload(snapshot, open, &keep));
            }
            Command::Drain => {
                doors.open.clear();
                worker.drain();
            }
            Command::CloseTunnels => {
                let order = CloseReason {
                    code: 1001,
                    reason: "going away",
                    end: End::Drain,
                };
                worker.closing.set(Some(order));
                worker.tunnels.each(|tunnel| tunnel.close(order));
            }
            Command::Stop => break,
        }
    }
    worker.access.set_stopping();
}

fn new_worker(setup: Setup) -> Rc<Worker> {
    let Setup {
        snapshot,
        slots,
        sockets,
        files,
        resolver,
        access,
        metrics,
        ..
    } = setup;
    let Setup {
        tagger,
        auth_failures,
        renewals,
        challenges,
        ..
    } = setup;
    let ticks = Ticks::new();
    let access = AccessSink::new(access, Arc::clone(&metrics));
    access.configure(snapshot.log.format, snapshot.log.access);
    Rc::new(Worker {
        local: RefCell::new(WorkerView::new(
            snapshot,
            Ways {
                ticks: &ticks,
                sockets: &sockets,
                resolver: &resolver,
            },
            &metrics,
            None,
        )),
        under_way: UnderWay::new(&ticks),
        ticks,
        connections: Registry::new(),
        tunnels: Registry::new(),
        access,
        metrics,
        tokens: TokenCache::new(tagger),
        names: Names::new(&resolver),
        auth_failures,
        renewals,
        challenges,
        ids: RequestIds::new(),
        slots,
        sockets,
        files,
        resolver,
        draining: Cell::new(false),
        closing: Cell::new(None),
        refused: Cell::default(),
        unserved: RefCell::default(),
    })
}

/// The tick: deadlines, idle upstream connections, gathered log lines.
async fn keep_time(worker: Rc<Worker>) {
    let mut interval =
        tokio::time::interval_at(Instant::now() + until_next_tick(SystemTime::now()), TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        worker.ticks.advance();
        let local = worker.local();
        worker
            .connections
            .each(|connection| connection.sweep(&local.snapshot.limits));
        let now = UnixTime::now();
        worker.tunnels.each(|tunnel| tunnel.judge_end(now));
        if local.have_keys_changed() {
            worker.under_way.note_keys_changed();
            judge_tunnels(&worker, &local);
        }
        worker.under_way.look(&local, now);
        local.sweep();
        local.publish(&worker.metrics);
        worker.access.flush();
        worker.report();
    }
}

/// Closes the tunnels that would not be let in today.
fn judge_tunnels(worker: &Worker, local: &WorkerView) {
    worker.tunnels.each(|tunnel| {
        if let Some(order) = local.judge(tunnel) {
            tunnel.close(order);
        }
    });
}

/// Ticks begin with the seconds of the wall clock, as tokens end with them: what ends is noticed at
/// once.
fn until_next_tick(now: SystemTime) -> Duration {
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let gone = since.as_micros() % TICK.as_micros();
    TICK - Duration::from_micros(u64::try_from(gone).unwrap_or_default())
}

/// The worker's open listeners; dropping one's sender ends its accept loop.
struct Doors {
    worker: Rc<Worker>,
    open: HashMap<ListenerKey, oneshot::Sender<()>>,
}

impl Doors {
    fn open(&mut self, shares: Vec<Share>) -> io::Result<()> {
        let mut sockets = Vec::new();
        for share in shares {
            let port = share.socket.local_addr()?.port();
            sockets.push((share.key, port, TcpListener::from_std(share.socket)?));
        }
        for (key, port, socket) in sockets {
            let (stop, stopped) = oneshot::channel::<()>();
            let worker = Rc::clone(&self.worker);
            let handle = move |stream, peer| admit(stream, peer, key.0, port, &worker);
            tokio::task::spawn_local(listen::accept(socket, handle, async {
                let _ = stopped.await;
            }));
            self.open.insert(key, stop);
        }
        Ok(())
    }

    fn reload(
        &mut self,
        snapshot: Arc<Snapshot>,
        open: Vec<Share>,
        keep: &[ListenerKey],
    ) -> io::Result<()> {
        self.open(open)?;
        let worker = &self.worker;
        worker
            .access
            .configure(snapshot.log.format, snapshot.log.access);
        let ways = Ways {
            ticks: &worker.ticks,
            sockets: &worker.sockets,
            resolver: &worker.resolver,
        };
        let local = WorkerView::new(snapshot, ways, &worker.metrics, Some(&worker.local()));
        *worker.local.borrow_mut() = local;
        self.open.retain(|key, _| keep.contains(key));
        judge_tunnels(worker, &worker.local());
        Ok(())
    }
}

/// A connection is let in if there is a slot for it, or heard if it may be from a CA.
fn admit(stream: TcpStream, peer: PeerAddr, kind: Kind, port: u16, worker: &Rc<Worker>) {
    let local = worker.local();
    let expects_proxy_header = local
        .snapshot
        .balancers
        .iter()
        .any(|net| net.contains(peer.client()));
    let slot = match expects_proxy_header {
        true => worker.slots.take_unknown(&local.snapshot.limits),
        false => worker.slots.take(peer.client(), &local.snapshot.limits),
    };
    match slot {
        Ok(slot) => {
            let seat = ConnectionGuard::new(slot, kind, &worker.metrics);
            let knock = AcceptedConn {
                stream,
                peer,
                kind,
                port,
                slot: seat,
                expects_proxy_header,
            };
            tokio::task::spawn_local(conn::serve(knock, Rc::clone(worker)));
        }
        Err(full) => over_limit::hear(
            OverLimit {
                stream,
                peer,
                kind,
                expects_proxy_header,
                full,
            },
            worker,
        ),
    }
}
