//! The task of one `[[deploy]]`: it retries until the server has its certificate, then waits for
//! the next one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::error::DeployError;
use super::files::Written;
use super::stamp::FileStamps;
use super::verify::{self, Patience};
use super::{DeploySpec, DeployStatus, files, reload};
use crate::clock::UnixTime;
use crate::keyed_mutex::KeyedMutex;
use crate::store::Stored;
use crate::telemetry::Chain;

/// The wait after the first failure, and the longest wait: within that time, what the operator has
/// repaired is noticed.
const FIRST: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(3600);

/// How long to wait after this many consecutive failures.
pub(super) fn back_off(failures: u32) -> Duration {
    FIRST
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(LAST)
}

/// The task for one server.
#[derive(Debug)]
pub(super) struct Task {
    spec: Arc<DeploySpec>,
    wakeups: Wakeups,
    status: Arc<SharedStatus>,
    writers: KeyedMutex<PathBuf>,
    /// The state of the files when nothing had to be written; `None` if something had.
    stamps: Option<FileStamps>,
    /// Consecutive ones with this certificate.
    failures: u32,
    /// The last error in the log: it is logged once, not at every attempt.
    trouble: Option<String>,
}

/// The newest certificate of a name, if there is one yet.
pub(super) type Newest = Option<Arc<Stored>>;

/// What makes a task check its files again.
#[derive(Clone, Debug)]
pub(super) struct Wakeups {
    /// A new certificate.
    pub(super) certs: watch::Receiver<Newest>,
    /// A reload of the configuration.
    pub(super) look: Arc<Notify>,
    /// This time has passed, and the files have changed.
    pub(super) pace: Duration,
}

/// What had to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Done {
    written: usize,
    notified: bool,
}

impl Task {
    pub(super) fn new(
        spec: Arc<DeploySpec>,
        wakeups: Wakeups,
        status: Arc<SharedStatus>,
        writers: KeyedMutex<PathBuf>,
    ) -> Self {
        Self {
            spec,
            wakeups,
            status,
            writers,
            stamps: None,
            failures: 0,
            trouble: None,
        }
    }

    /// Ends when the hub is gone.
    pub(super) async fn run(mut self) {
        loop {
            let newest = self.wakeups.certs.borrow_and_update().clone();
            let wait = match newest {
                None => None,
                Some(cert) => Some(match self.attempt(&cert).await {
                    Ok(done) => {
                        self.succeeded(&cert, done);
                        self.wakeups.pace
                    }
                    Err(error) => self.failed(&cert, &error),
                }),
            };
            if !self.wait_for_reason(wait).await {
                return;
            }
        }
    }

    /// Waits until there is a reason to check everything. `false`: the hub is gone.
    async fn wait_for_reason(&mut self, wait: Option<Duration>) -> bool {
        loop {
            let Wakeups { certs, look, .. } = &mut self.wakeups;
            tokio::select! {
                changed = certs.changed() => {
                    if changed.is_ok() {
                        self.renewed();
                    }
                    return changed.is_ok();
                }
                () = look.notified() => return true,
                () = async { sleep(wait.unwrap_or_default()).await }, if wait.is_some() => {}
            }
            if self.failures > 0 || self.was_touched().await {
                return true;
            }
        }
    }

    /// Cheap: no file is opened, and the server is not asked. If it cannot be found out, everything
    /// is checked.
    async fn was_touched(&self) -> bool {
        let now = self.at_files(|spec| Ok(FileStamps::of(spec))).await;
        now.ok()
            .is_none_or(|now| self.stamps.as_ref() != Some(&now))
    }

    /// Checks everything, and does what is missing.
    async fn attempt(&mut self, cert: &Arc<Stored>) -> Result<Done, DeployError> {
        let written = self.write(cert).await?;
        if !written.files.is_empty() {
            self.status.lock().in_sync = false;
        }
        let done = Done {
            written: written.files.len(),
            notified: false,
        };
        if written.files.is_empty() && !self.must_notify(cert, &written).await? {
            self.clear_marker().await?;
            return Ok(done);
        }
        let notified = self.spec.reload.is_some();
        if let Some(reload) = &self.spec.reload {
            reload::notify(&self.spec, reload, cert).await?;
            self.clear_marker().await?;
        }
        if let Some(place) = &self.spec.verify {
            verify::shows(&self.spec, place, cert, Patience::USUAL).await?;
        }
        Ok(Done { notified, ..done })
    }

    /// Whether a server whose files are up to date must be notified all the same: it has not been
    /// yet, or it shows another certificate.
    async fn must_notify(&self, cert: &Stored, written: &Written) -> Result<bool, DeployError> {
        let Some(place) = &self.spec.verify else {
            return Ok(written.is_marked);
        };
        match verify::shows(&self.spec, place, cert, Patience::NONE).await {
            Ok(()) => Ok(false),
            // A server that is down reads its files when it starts.
            Err(error @ DeployError::Unreachable { .. }) if !written.is_marked => Err(error),
            Err(_) => Ok(true),
        }
    }

    async fn write(&mut self, cert: &Arc<Stored>) -> Result<Written, DeployError> {
        let cert = Arc::clone(cert);
        // Taken first, so that a change during the comparison is seen at the next check.
        let look = move |spec: &DeploySpec| Ok((FileStamps::of(spec), files::write(spec, &cert)?));
        let (stamps, written) = self.at_files(look).await?;
        self.stamps = written.files.is_empty().then_some(stamps);
        Ok(written)
    }

    async fn clear_marker(&self) -> Result<(), DeployError> {
        self.at_files(files::clear_marker).await
    }

    /// Runs on a blocking thread, and to its end even if this task is aborted.
    async fn at_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DeploySpec) -> Result<T, DeployError> + Send + 'static,
    ) -> Result<T, DeployError> {
        let spec = Arc::clone(&self.spec);
        let held = self
            .writers
            .lock_all(spec.files.iter().map(|output| output.path.clone()))
            .await;
        let work = move || {
            let _held = held;
            work(&spec)
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or(Err(DeployError::Interrupted))
    }

    fn renewed(&mut self) {
        self.failures = 0;
        let mut seen = self.status.lock();
        (seen.in_sync, seen.next) = (false, None);
    }

    fn succeeded(&mut self, cert: &Stored, done: Done) {
        let had_trouble = self.trouble.take().is_some() | (std::mem::take(&mut self.failures) > 0);
        let is_news = had_trouble || done.written > 0 || done.notified;
        self.status.succeeded(is_news);
        let DeploySpec {
            certificate,
            to,
            config_key,
            verify,
            ..
        } = &*self.spec;
        let (serial, to) = (&*cert.bundle.meta.serial, to.name());
        let Done { written, notified } = done;
        if !is_news {
            tracing::debug!(deploy = %config_key, to, %certificate, serial, "a server has its \
                certificate already");
            return;
        }
        let verified = verify.as_ref().map(ToString::to_string);
        tracing::info!(
            deploy = %config_key, to, %certificate, serial, written, reloaded = notified, verified,
            "a server has its certificate"
        );
    }

    /// Returns how long to wait before the next attempt.
    fn failed(&mut self, cert: &Stored, error: &DeployError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let wait = back_off(self.failures);
        let text = Chain(error).to_string();
        self.status.failed(&text, UnixTime::now().after(wait));
        let DeploySpec {
            certificate,
            to,
            config_key,
            ..
        } = &*self.spec;
        let (serial, to) = (&*cert.bundle.meta.serial, to.name());
        // Without the causes: words of other programs in them may differ each time.
        let trouble = error.to_string();
        if self.trouble.as_ref() == Some(&trouble) {
            tracing::debug!(deploy = %config_key, to, %certificate, serial, error = text,
                again_in = ?wait,
                "a server does not have its certificate yet");
            return wait;
        }
        self.trouble = Some(trouble);
        tracing::warn!(deploy = %config_key, to, %certificate, serial, error = text,
                again_in = ?wait,
            "a server does not have its certificate; an old one that it has is served until \
                it expires");
        wait
    }
}

/// The status of a task, for others to read.
#[derive(Debug)]
pub(super) struct SharedStatus(Mutex<DeployStatus>);

impl SharedStatus {
    pub(super) fn new(spec: &DeploySpec) -> Self {
        Self(Mutex::new(DeployStatus {
            config_key: spec.config_key.clone(),
            certificate: spec.certificate.clone(),
            to: spec.to,
            done: None,
            in_sync: false,
            succeeded: 0,
            failed: 0,
            failures: 0,
            error: None,
            next: None,
        }))
    }

    pub(super) fn seen(&self) -> DeployStatus {
        self.lock().clone()
    }

    fn succeeded(&self, is_news: bool) {
        let mut seen = self.lock();
        if is_news {
            seen.succeeded += 1;
            seen.done = Some(UnixTime::now());
        }
        (seen.in_sync, seen.failures, seen.error, seen.next) = (true, 0, None, None);
    }

    fn failed(&self, error: &str, next: UnixTime) {
        let mut seen = self.lock();
        seen.failed += 1;
        seen.failures = seen.failures.saturating_add(1);
        (seen.in_sync, seen.error, seen.next) = (false, Some(error.to_owned()), Some(next));
    }

    fn lock(&self) -> MutexGuard<'_, DeployStatus> {
        self.0.lock()
    }
}
