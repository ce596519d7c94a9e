//! The certificates that there are, and the tasks that bring them to servers.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::task::{Calls, Report, Task};
use super::{DeploySpec, DeployStatus};
use crate::keyed_mutex::KeyedMutex;
use crate::store::{Name, Stored};

/// Brings certificates to other servers. Certificates may come before anybody is configured, and
/// the other way round.
pub struct Hub {
    /// The newest of each name.
    certs: Mutex<HashMap<Name, watch::Sender<Newest>>>,
    /// In the order of the configuration.
    running: Mutex<Vec<Running>>,
    /// Whoever may write a file now: a task that a reload has ended may still be writing, and the
    /// one in its place waits for that.
    writers: KeyedMutex<PathBuf>,
    /// How often files are looked at.
    pace: Duration,
}

/// What others delete or change in a folder is brought again within this time.
const PACE: Duration = Duration::from_secs(15 * 60);

/// The newest certificate of a name, if there is one yet.
pub(super) type Newest = Option<Arc<Stored>>;

/// The task of one `[[deploy]]`.
struct Running {
    spec: Arc<DeploySpec>,
    report: Arc<Report>,
    /// Wishes that all of it be looked at now.
    look: Arc<Notify>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hub {
    /// Nothing to bring, and nobody to bring it to.
    pub fn new() -> Arc<Self> {
        Self::with_pace(PACE)
    }

    /// The same, with another time between two looks at files.
    pub(super) fn with_pace(pace: Duration) -> Arc<Self> {
        Arc::new(Self {
            certs: Mutex::default(),
            running: Mutex::default(),
            writers: KeyedMutex::default(),
            pace,
        })
    }

    /// Takes up what is in force now: what has not changed goes on and looks at its files at once,
    /// what is new begins, what has gone ends.
    ///
    /// # Panics
    /// Outside of a runtime: the tasks run on the one that this is called in.
    pub fn configure(self: &Arc<Self>, specs: &[Arc<DeploySpec>]) {
        let mut running = lock(&self.running);
        let mut before = std::mem::take(&mut *running);
        let mut new = Vec::new();
        for spec in specs {
            match before.iter().position(|one| one.spec == *spec) {
                Some(at) => {
                    let known = before.swap_remove(at);
                    known.look.notify_one();
                    new.push(known);
                }
                None => new.push(self.start(spec)),
            }
        }
        *running = new;
    }

    /// Here is a certificate: one that there was, or a new one.
    pub fn put(&self, name: &Name, cert: &Arc<Stored>) {
        self.of(name).send_if_modified(|newest| {
            let is_known = newest.as_ref().is_some_and(|known| is_same(known, cert));
            if !is_known {
                *newest = Some(Arc::clone(cert));
            }
            !is_known
        });
    }

    /// What there is to be seen, in the order of the configuration.
    pub fn seen(&self) -> Vec<DeployStatus> {
        lock(&self.running)
            .iter()
            .map(|one| one.report.seen())
            .collect()
    }

    fn start(&self, spec: &Arc<DeploySpec>) -> Running {
        let report = Arc::new(Report::new(spec));
        let certs = self.of(&spec.certificate).subscribe();
        let look = Arc::new(Notify::new());
        let calls = Calls {
            certs,
            look: Arc::clone(&look),
            pace: self.pace,
        };
        let task = Task::new(
            Arc::clone(spec),
            calls,
            Arc::clone(&report),
            self.writers.clone(),
        );
        Running {
            spec: Arc::clone(spec),
            report,
            look,
            task: tokio::spawn(task.run()).abort_handle(),
        }
    }

    fn of(&self, name: &Name) -> watch::Sender<Newest> {
        let mut certs = lock(&self.certs);
        certs
            .entry(name.clone())
            .or_insert_with(|| watch::Sender::new(None))
            .clone()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let specs: Vec<_> = lock(&self.running)
            .iter()
            .map(|one| Arc::clone(&one.spec))
            .collect();
        f.debug_struct("Hub")
            .field("deploy", &specs)
            .finish_non_exhaustive()
    }
}

/// The same version may be another certificate: somebody may have put another store in the place of
/// the old one.
fn is_same(one: &Arc<Stored>, other: &Arc<Stored>) -> bool {
    one.version == other.version && one.bundle.chain == other.bundle.chain
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
