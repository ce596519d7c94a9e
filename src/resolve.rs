//! Resolves host names. The system's resolver blocks, for many seconds if a name server does not
//! answer, so lookups run on a few threads of their own, one lookup per name at a time.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper_util::client::legacy::connect::dns::Name;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::watch;

use crate::clock;
use crate::telemetry::summed;

/// The most threads. A name uses one at a time, and a configuration has few names.
const THREADS: usize = 16;

/// An idle thread ends after this time.
const THREAD_IDLE: Duration = Duration::from_secs(10);

/// How long the last good answer is used while a name cannot be resolved.
const KEPT: Duration = Duration::from_secs(600);

/// The longest wait for a new answer if there is a previous good one.
const PATIENCE: Duration = Duration::from_secs(1);

/// More names than a configuration has. Beyond it all are dropped, so that reloads do not add up.
const MOST_NAMES: usize = 1024;

/// Resolves names. Clones share threads and answers.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

struct Shared {
    look_up: Box<LookUp>,
    state: Mutex<State>,
    work: Condvar,
}

type LookUp = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The addresses of a name, with port 0, or why there are none.
type Lookup = Result<Arc<[SocketAddr]>, LookupError>;

#[derive(Clone)]
struct LookupError(io::ErrorKind, Arc<str>);

#[derive(Default)]
struct State {
    names: HashMap<Box<str>, NameEntry>,
    queue: VecDeque<Box<str>>,
    threads: usize,
    idle: usize,
}

#[derive(Default)]
struct NameEntry {
    good: Option<(Instant, Arc<[SocketAddr]>)>,
    is_failing: bool,
    /// The channel for the answer of the lookup in progress.
    under_way: Option<watch::Sender<Option<Lookup>>>,
}

impl Resolver {
    /// A resolver that asks the system, as nsswitch.conf says: hosts file, name servers and so on.
    pub fn system() -> Self {
        static SYSTEM: OnceLock<Resolver> = OnceLock::new();
        SYSTEM
            .get_or_init(|| Self::new(|name| Ok((name, 0).to_socket_addrs()?.collect())))
            .clone()
    }

    /// A resolver that calls this function, which may block.
    pub fn new(
        look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            look_up: Box::new(look_up),
            state: Mutex::default(),
            work: Condvar::new(),
        }))
    }

    /// The addresses of a name, with port 0. If the name server fails or does not answer, the
    /// addresses of the last good answer, unless that is too old.
    ///
    /// # Errors
    /// The name cannot be resolved. There is no time limit here: callers have one.
    pub async fn find(&self, name: &str) -> io::Result<Arc<[SocketAddr]>> {
        let Some(kept) = self.0.kept(name) else {
            return self.look_up(name).await;
        };
        match tokio::time::timeout(PATIENCE, self.look_up(name)).await {
            Ok(Ok(addrs)) => Ok(addrs),
            Ok(Err(_)) | Err(_) => Ok(kept),
        }
    }

    /// The current addresses of a name, with port 0.
    ///
    /// # Errors
    /// The name cannot be resolved. There is no time limit here: callers have one.
    pub async fn look_up(&self, name: &str) -> io::Result<Arc<[SocketAddr]>> {
        let mut answer = self.0.join(name);
        let answer = match answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            Err(_) => None,
        };
        match answer {
            Some(Ok(addrs)) => Ok(addrs),
            Some(Err(LookupError(kind, text))) => Err(io::Error::new(kind, text.to_string())),
            None => Err(io::Error::other(
                "no thread could be started for the look-up",
            )),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn kept(&self, name: &str) -> Option<Arc<[SocketAddr]>> {
        let state = self.lock();
        let (at, addrs) = state.names.get(name)?.good.as_ref()?;
        (at.elapsed() < KEPT).then(|| Arc::clone(addrs))
    }

    /// Joins the lookup in progress, or starts one.
    fn join(self: &Arc<Self>, name: &str) -> watch::Receiver<Option<Lookup>> {
        let mut state = self.lock();
        if state.names.len() >= MOST_NAMES && !state.names.contains_key(name) {
            state.names.retain(|_, entry| entry.under_way.is_some());
        }
        let entry = state.names.entry(name.into()).or_default();
        if let Some(under_way) = &entry.under_way {
            return under_way.subscribe();
        }
        let (sender, receiver) = watch::channel(None);
        entry.under_way = Some(sender);
        state.queue.push_back(name.into());
        self.work.notify_one();
        if state.queue.len() > state.idle && state.threads < THREADS {
            self.add_thread(&mut state);
        }
        receiver
    }

    fn add_thread(self: &Arc<Self>, state: &mut State) {
        let shared = Arc::clone(self);
        // The thread is not joined, so a lookup that hangs does not delay the end of the process.
        match std::thread::Builder::new()
            .name("names".to_owned())
            .spawn(move || shared.run())
        {
            Ok(_) => state.threads += 1,
            Err(_) if state.threads > 0 => {}
            Err(error) => {
                summed("name_thread", "", move |times| {
                    tracing::error!(%error, times, "no thread for looking up names");
                });
                for name in std::mem::take(&mut state.queue) {
                    state.names.remove(&name);
                }
            }
        }
    }

    /// The loop of each thread.
    fn run(&self) {
        while let Some(name) = self.next() {
            let asked = catch_unwind(AssertUnwindSafe(|| (self.look_up)(&name)));
            let asked = asked.unwrap_or_else(|_| Err(io::Error::other("the look-up panicked")));
            let answer = match asked {
                Ok(addrs) if addrs.is_empty() => Err(LookupError(
                    io::ErrorKind::NotFound,
                    "the name has no address".into(),
                )),
                Ok(addrs) => Ok(addrs.into()),
                Err(error) => Err(LookupError(error.kind(), error.to_string().into())),
            };
            self.finish(&name, answer);
        }
    }

    fn next(&self) -> Option<Box<str>> {
        let mut state = self.lock();
        loop {
            if let Some(name) = state.queue.pop_front() {
                return Some(name);
            }
            state.idle += 1;
            let timeout = self.work.wait_for(&mut state, THREAD_IDLE);
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }

    fn finish(&self, name: &str, answer: Lookup) {
        let mut state = self.lock();
        let Some(entry) = state.names.get_mut(name) else {
            return;
        };
        entry.note(name, &answer);
        if let Some(waiting) = entry.under_way.take() {
            waiting.send_replace(Some(answer));
        }
    }
}

impl NameEntry {
    /// Stores a good answer. Only the first of several failures, and the recovery, are logged.
    fn note(&mut self, name: &str, answer: &Lookup) {
        let was_failing = std::mem::replace(&mut self.is_failing, answer.is_err());
        match answer {
            Ok(addrs) => {
                self.good = Some((clock::monotonic(), Arc::clone(addrs)));
                if was_failing {
                    tracing::info!(name, "a name can be looked up again");
                }
            }
            Err(LookupError(_, error)) => {
                if !was_failing && self.good.is_some() {
                    log_failure(name, Arc::clone(error));
                }
            }
        }
    }
}

fn log_failure(name: &str, error: Arc<str>) {
    let (minutes, subject) = (KEPT.as_secs() / 60, name);
    let name = name.to_owned();
    summed("name_lookup", subject, move |times| {
        tracing::warn!(
            name,
            times,
            %error,
            "a name cannot be looked up; its last addresses are used for up to {minutes} minutes"
        );
    });
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// For hyper's client, which fetches issuers' keys and talks to CAs.
impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move { Ok(resolver.find(name.as_str()).await?.to_vec().into_iter()) })
    }
}

#[cfg(test)]
mod tests;
