//! The newest certificates, and the tasks that deploy them.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::task::{Newest, SharedStatus, Task, Wakeups};
use super::{DeploySpec, DeployStatus};
use crate::keyed_mutex::KeyedMutex;
use crate::store::{Name, Stored};
use crate::telemetry::panics::Restarts;

/// Deploys certificates to other servers. A certificate may arrive before or after the `[[deploy]]`
/// that wants it is configured.
pub struct Hub {
    /// The newest certificate of each name.
    certs: Mutex<HashMap<Name, watch::Sender<Newest>>>,
    /// In the order of the configuration.
    running: Mutex<Vec<Running>>,
    /// Held while a file is written: a task that a reload has aborted may still be writing, and its
    /// successor waits for that.
    writers: KeyedMutex<PathBuf>,
    /// How often files are checked.
    pace: Duration,
}

/// Files that were deleted or changed are written again within this time.
const PACE: Duration = Duration::from_secs(15 * 60);

/// The task of one `[[deploy]]`.
struct Running {
    spec: Arc<DeploySpec>,
    status: Arc<SharedStatus>,
    /// Makes the task check everything now.
    look: Arc<Notify>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hub {
    /// Without certificates or servers.
    pub fn new() -> Arc<Self> {
        Self::with_pace(PACE)
    }

    /// The same, with another time between two checks of files.
    pub(super) fn with_pace(pace: Duration) -> Arc<Self> {
        Arc::new(Self {
            certs: Mutex::default(),
            running: Mutex::default(),
            writers: KeyedMutex::default(),
            pace,
        })
    }

    /// Applies a configuration: unchanged tasks go on and check their files at once, new ones
    /// start, removed ones end.
    ///
    /// # Panics
    /// Outside of a runtime: the tasks run on the one that this is called in.
    pub fn configure(self: &Arc<Self>, specs: &[Arc<DeploySpec>]) {
        let mut running = self.running.lock();
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

    /// Passes on a certificate, new or already known.
    pub fn put(&self, name: &Name, cert: &Arc<Stored>) {
        self.of(name).send_if_modified(|newest| {
            let is_known = newest.as_ref().is_some_and(|known| is_same(known, cert));
            if !is_known {
                *newest = Some(Arc::clone(cert));
            }
            !is_known
        });
    }

    /// The status of each, in the order of the configuration.
    pub fn seen(&self) -> Vec<DeployStatus> {
        self.running
            .lock()
            .iter()
            .map(|one| one.status.seen())
            .collect()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "`Running` aborts the task when it is dropped"
    )]
    fn start(&self, spec: &Arc<DeploySpec>) -> Running {
        let status = Arc::new(SharedStatus::new(spec));
        let certs = self.of(&spec.certificate).subscribe();
        let look = Arc::new(Notify::new());
        let wakeups = Wakeups {
            certs,
            look: Arc::clone(&look),
            pace: self.pace,
        };
        let (of, shown, writers) = (Arc::clone(spec), Arc::clone(&status), self.writers.clone());
        let task = async move {
            let mut restarts = Restarts::of("deploy");
            loop {
                let (of, shown) = (Arc::clone(&of), Arc::clone(&shown));
                let task = Task::new(of, wakeups.clone(), shown, writers.clone());
                if restarts.run(task.run()).await.is_some() {
                    return;
                }
            }
        };
        Running {
            spec: Arc::clone(spec),
            status,
            look,
            task: tokio::spawn(task).abort_handle(),
        }
    }

    fn of(&self, name: &Name) -> watch::Sender<Newest> {
        let mut certs = self.certs.lock();
        certs
            .entry(name.clone())
            .or_insert_with(|| watch::Sender::new(None))
            .clone()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let specs: Vec<_> = self
            .running
            .lock()
            .iter()
            .map(|one| Arc::clone(&one.spec))
            .collect();
        f.debug_struct("Hub")
            .field("deploy", &specs)
            .finish_non_exhaustive()
    }
}

/// The same version may be another certificate: the store may have been replaced by another one.
fn is_same(one: &Arc<Stored>, other: &Arc<Stored>) -> bool {
    one.version == other.version && one.bundle.chain == other.bundle.chain
}
