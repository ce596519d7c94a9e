//! Why an upgrade failed.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why an upgrade failed. The old process goes on as it is.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The program is not there or may not be executed.
    #[error("cannot start {}", .0.display())]
    Start(PathBuf, #[source] io::Error),
    /// The program is no program of this machine.
    #[error("{} {why}; install the program again", .path.display())]
    NoProgram {
        /// Its path.
        path: PathBuf,
        /// What it is instead.
        why: &'static str,
    },
    /// The sockets or the channel could not be handed over.
    #[error("the sockets could not be handed over")]
    HandOver(#[source] io::Error),
    /// The new process has said what is wrong.
    #[error("{}", .0.join("\n"))]
    Reported(Vec<String>),
    /// It has ended without a word.
    #[error("the new process has ended before it was ready ({0}); its last log lines say why")]
    Ended(ExitStatus),
    /// It has ended when it had been ready for a moment.
    #[error(
        "the new process has ended at once, though it was ready ({0}); its last log lines say why"
    )]
    EndedAtOnce(ExitStatus),
    /// It has closed the channel, and goes on.
    #[error("the new process broke the upgrade off, and was killed; its last log lines say why")]
    BrokeOff,
    /// It took too long.
    #[error(
        "the new process was not ready within {} s, and was killed; its last log lines may say why",
        .0.as_secs_f32()
    )]
    Late(Duration),
}
