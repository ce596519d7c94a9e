//! One `[[deploy]]` from the first certificate on: tried until it is done, then at rest until the
//! next certificate.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::error::DeployError;
use super::files::Brought;
use super::hub::Newest;
use super::stamp::Stamps;
use super::verify::{self, Patience};
use super::{DeploySpec, DeployStatus, files, reload};
use crate::clock::UnixTime;
use crate::keyed_mutex::KeyedMutex;
use crate::store::Stored;
use crate::telemetry::Chain;

/// After the first failure, and however many there were: what an operator mends is seen within this
/// time.
const FIRST: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(3600);

/// How long to wait after so many failures in a row.
pub(super) fn back_off(failures: u32) -> Duration {
    FIRST
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(LAST)
}

/// What is done for one server.
#[derive(Debug)]
pub(super) struct Task {
    spec: Arc<DeploySpec>,
    calls: Calls,
    report: Arc<Report>,
    writers: KeyedMutex<PathBuf>,
    /// How the files looked when nothing had to be done; `None` if something had.
    stamps: Option<Stamps>,
    /// In a row, with this certificate.
    failures: u32,
    /// What the log was last told is wrong: it is told once, not at every try.
    trouble: Option<String>,
}

/// What makes a task look at its files again.
#[derive(Debug)]
pub(super) struct Calls {
    /// Another certificate.
    pub(super) certs: watch::Receiver<Newest>,
    /// Somebody wishes it.
    pub(super) look: Arc<Notify>,
    /// This time has passed, and somebody has touched them.
    pub(super) pace: Duration,
}

/// What had to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Done {
    written: usize,
    told: bool,
}

impl Task {
    pub(super) fn new(
        spec: Arc<DeploySpec>,
        calls: Calls,
        report: Arc<Report>,
        writers: KeyedMutex<PathBuf>,
    ) -> Self {
        Self {
            spec,
            calls,
            report,
            writers,
            stamps: None,
            failures: 0,
            trouble: None,
        }
    }

    /// Ends when nobody can bring certificates any more.
    pub(super) async fn run(mut self) {
        loop {
            let newest = self.calls.certs.borrow_and_update().clone();
            let wait = match newest {
                None => None,
                Some(cert) => Some(match self.attempt(&cert).await {
                    Ok(done) => {
                        self.succeeded(&cert, done);
                        self.calls.pace
                    }
                    Err(error) => self.failed(&cert, &error),
                }),
            };
            if !self.has_to_look(wait).await {
                return;
            }
        }
    }

    /// Waits until there is a reason to look at everything. `false`: there will be none any more.
    async fn has_to_look(&mut self, wait: Option<Duration>) -> bool {
        loop {
            let Calls { certs, look, .. } = &mut self.calls;
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

    /// Cheap: nothing is opened, and nobody is asked. What cannot be found out is looked at as a
    /// whole.
    async fn was_touched(&self) -> bool {
        let now = self.at_files(|spec| Ok(Stamps::of(spec))).await;
        now.ok()
            .is_none_or(|now| self.stamps.as_ref() != Some(&now))
    }

    /// Looks at everything, and does what is missing.
    async fn attempt(&mut self, cert: &Arc<Stored>) -> Result<Done, DeployError> {
        let brought = self.bring(cert).await?;
        if !brought.written.is_empty() {
            self.report.lock().in_sync = false;
        }
        let done = Done {
            written: brought.written.len(),
            told: false,
        };
        if brought.written.is_empty() && !self.has_to_be_told(cert, &brought).await? {
            self.forget().await?;
            return Ok(done);
        }
        let told = self.spec.reload.is_some();
        if let Some(reload) = &self.spec.reload {
            reload::tell(&self.spec, reload, cert).await?;
            self.forget().await?;
        }
        if let Some(place) = &self.spec.verify {
            verify::shows(&self.spec, place, cert, Patience::USUAL).await?;
        }
        Ok(Done { told, ..done })
    }

    /// Whether a server that has its files has to be told all the same: nobody did, or it shows
    /// something else.
    async fn has_to_be_told(&self, cert: &Stored, brought: &Brought) -> Result<bool, DeployError> {
        let Some(place) = &self.spec.verify else {
            return Ok(brought.is_due);
        };
        match verify::shows(&self.spec, place, cert, Patience::NONE).await {
            Ok(()) => Ok(false),
            // It reads its files when it starts; there is nobody to be told.
            Err(error @ DeployError::Unreachable { .. }) if !brought.is_due => Err(error),
            Err(_) => Ok(true),
        }
    }

    async fn bring(&mut self, cert: &Arc<Stored>) -> Result<Brought, DeployError> {
        let cert = Arc::clone(cert);
        // Taken before: what is changed during the look is seen at the next.
        let look = move |spec: &DeploySpec| Ok((Stamps::of(spec), files::bring(spec, &cert)?));
        let (stamps, brought) = self.at_files(look).await?;
        self.stamps = brought.written.is_empty().then_some(stamps);
        Ok(brought)
    }

    async fn forget(&self) -> Result<(), DeployError> {
        self.at_files(files::forget).await
    }

    /// Works where blocking is allowed; to its end, even if this task is ended.
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
        let mut seen = self.report.lock();
        (seen.in_sync, seen.next) = (false, None);
    }

    fn succeeded(&mut self, cert: &Stored, done: Done) {
        let had_trouble = self.trouble.take().is_some() | (std::mem::take(&mut self.failures) > 0);
        let is_news = had_trouble || done.written > 0 || done.told;
        self.report.succeeded(is_news);
        let DeploySpec {
            certificate,
            to,
            config_key,
            verify,
            ..
        } = &*self.spec;
        let (serial, to) = (&*cert.bundle.meta.serial, to.name());
        let Done { written, told } = done;
        if !is_news {
            tracing::debug!(deploy = %config_key, to, %certificate, serial, "a server has its certificate already");
            return;
        }
        let verified = verify.as_ref().map(ToString::to_string);
        tracing::info!(
            deploy = %config_key, to, %certificate, serial, written, reloaded = told, verified,
            "a server has its certificate"
        );
    }

    /// Returns when to try again.
    fn failed(&mut self, cert: &Stored, error: &DeployError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let wait = back_off(self.failures);
        let text = Chain(error).to_string();
        self.report.failed(&text, UnixTime::now().after(wait));
        let DeploySpec {
            certificate,
            to,
            config_key,
            ..
        } = &*self.spec;
        let (serial, to) = (&*cert.bundle.meta.serial, to.name());
        // Without the causes, in which words of others may differ each time.
        let trouble = error.to_string();
        if self.trouble.as_ref() == Some(&trouble) {
            tracing::debug!(deploy = %config_key, to, %certificate, serial, error = text, again_in = ?wait,
                "a server does not have its certificate yet");
            return wait;
        }
        self.trouble = Some(trouble);
        tracing::warn!(deploy = %config_key, to, %certificate, serial, error = text, again_in = ?wait,
            "a server does not have its certificate; what it has goes on until that ends");
        wait
    }
}

/// What there is to be seen of a task.
#[derive(Debug)]
pub(super) struct Report(Mutex<DeployStatus>);

impl Report {
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
