//! The audit log: one JSON line for each message that has to be accounted for.
//!
//! Each target has a writer thread of its own with a bounded queue, so that a full disk or a
//! stalled reader costs lines and never blocks a worker. Lost lines are counted.

mod lost;
mod output;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use super::escape;
use lost::Lost;
use output::Output;

pub use output::OpenError;

/// `log.audit`: where the lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditTarget {
    /// Nowhere.
    #[default]
    Off,
    /// To standard output, among the lines of the access log.
    Stdout,
    /// To the end of a file.
    File(PathBuf),
}

impl AuditTarget {
    /// The same, with a relative path below a folder.
    pub fn below(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            other => other,
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Off | Self::Stdout => None,
        }
    }

    /// What keeps the file from being opened, as far as it shows without creating it.
    ///
    /// # Errors
    /// As when it is opened.
    pub fn look(&self) -> Result<(), OpenError> {
        self.file().map_or(Ok(()), output::look)
    }
}

/// How many lines may wait to be written.
const QUEUE: usize = 1024;

/// How long the last lines may take to be written.
const STOP: Duration = Duration::from_secs(1);

/// The audit log of the process.
#[derive(Debug, Default)]
pub struct AuditLog {
    writer: ArcSwapOption<Writer>,
    lost: Arc<Lost>,
}

/// An open target, and the thread that writes to it. The thread ends after the last line when this
/// is dropped.
#[derive(Debug)]
struct Writer {
    target: AuditTarget,
    lines: SyncSender<Box<str>>,
    /// Disconnected when the thread has ended.
    ended: Mutex<Receiver<Infallible>>,
}

/// A target that is open but not yet in force; by default the one that is.
#[derive(Debug, Default)]
pub struct AuditChange(Option<Option<Arc<Writer>>>);

impl AuditLog {
    /// A log that goes nowhere.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Opens a target, for [`apply`](Self::apply). A file is opened again each time, because it may
    /// have been renamed.
    ///
    /// # Errors
    /// That the file cannot be opened, or its thread not be started.
    pub fn open(&self, target: &AuditTarget) -> Result<AuditChange, OpenError> {
        let output = match target {
            AuditTarget::Off => return Ok(AuditChange(Some(None))),
            AuditTarget::Stdout if self.target() == AuditTarget::Stdout => {
                return Ok(AuditChange(None));
            }
            AuditTarget::Stdout => Output::stdout(),
            AuditTarget::File(path) => Output::open(path)?,
        };
        let writer = Writer::start(target, output, Arc::clone(&self.lost))?;
        Ok(AuditChange(Some(Some(Arc::new(writer)))))
    }

    /// Puts a target into force. Lines that wait for the one before are still written there.
    pub fn apply(&self, change: AuditChange) {
        if let Some(writer) = change.0 {
            self.writer.store(writer);
        }
    }

    /// Opens the file again, under its name. If that fails, the one that is open stays.
    pub fn reopen(&self) {
        match self.open(&self.target()) {
            Ok(change) => self.apply(change),
            Err(error) => {
                let error = super::Chain(&error).to_string();
                tracing::error!(%error, "the audit log goes on in the file that is open");
            }
        }
    }

    /// Whether lines are written.
    pub fn is_enabled(&self) -> bool {
        self.writer.load().is_some()
    }

    /// Writes a line of JSON, which is escaped for terminals. Never blocks: if too many lines wait,
    /// it is lost.
    pub fn log(&self, line: &str) {
        let writer = self.writer.load();
        let Some(writer) = &*writer else { return };
        let mut line = escape::json(line).into_owned();
        line.push('\n');
        if writer.lines.try_send(line.into()).is_err() {
            self.lost.queue_full();
        }
    }

    /// How many lines were lost, by reason.
    pub fn lost(&self) -> [(&'static str, u64); 2] {
        self.lost.counts()
    }

    /// Writes the lines that wait, unless that takes too long. Afterwards, lines go nowhere.
    pub fn stop(&self) {
        let Some(writer) = self.writer.swap(None).and_then(Arc::into_inner) else {
            return;
        };
        drop(writer.lines);
        // Only ever disconnected, or too late.
        let _ = writer.ended.into_inner().recv_timeout(STOP);
    }

    fn target(&self) -> AuditTarget {
        let writer = self.writer.load();
        writer
            .as_ref()
            .map_or(AuditTarget::Off, |writer| writer.target.clone())
    }
}

impl Writer {
    fn start(target: &AuditTarget, mut output: Output, lost: Arc<Lost>) -> Result<Self, OpenError> {
        let (sender, lines) = mpsc::sync_channel::<Box<str>>(QUEUE);
        let (alive, ended) = mpsc::channel();
        let write_all = move || {
            let _alive = alive;
            for line in lines {
                if let Err(error) = output.write(line.as_bytes()) {
                    lost.write_failed(&error);
                }
            }
        };
        let thread = thread::Builder::new().name("log-audit".to_owned());
        thread.spawn(write_all).map_err(OpenError::Thread)?;
        Ok(Self {
            target: target.clone(),
            lines: sender,
            ended: Mutex::new(ended),
        })
    }
}

#[cfg(test)]
mod tests;
