//! What is requested of the running gateway, and what it answers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use tokio::sync::oneshot;

/// A request that an endpoint has understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Read the configuration again and apply it.
    Reload {
        /// The configuration that the caller means, if it says so: a gateway that runs with another
        /// one rejects the request.
        config: Option<PathBuf>,
    },
    /// Start the program anew and hand the sockets over to it.
    Upgrade {
        /// As of a reload.
        config: Option<PathBuf>,
        /// How long the new process may take until it is ready.
        wait: Option<Duration>,
    },
    /// Order a certificate now.
    Renew {
        /// A host of the certificate, or its name.
        host: String,
        /// As of a reload.
        config: Option<PathBuf>,
        /// Whether the order is made at the staging directory, and its certificate thrown away.
        dry_run: bool,
    },
}

impl Request {
    /// The configuration that the caller means, if it says so.
    pub fn config(&self) -> Option<&Path> {
        match self {
            Self::Reload { config } | Self::Upgrade { config, .. } | Self::Renew { config, .. } => {
                config.as_deref()
            }
        }
    }
}

/// The JSON object of a success, or why there is none.
pub type CallResult = Result<Value, CallError>;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The status of the HTTP response.
    pub status: StatusCode,
    /// One sentence.
    pub error: String,
    /// Every problem, where there are several.
    pub problems: Vec<String>,
}

impl CallError {
    /// A failure with one reason.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            problems: Vec::new(),
        }
    }
}

/// An answer that may take a while.
pub(super) type Pending = Pin<Box<dyn Future<Output = CallResult> + Send>>;

/// A request, and the way back to the caller.
#[derive(Debug)]
pub struct Call {
    /// What is requested.
    pub request: Request,
    /// Where the answer goes.
    pub reply: Reply,
}

/// The way back to the caller.
pub struct Reply(pub(super) oneshot::Sender<Pending>);

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

impl Reply {
    /// Answers now.
    pub fn send(self, answer: CallResult) {
        self.send_later(std::future::ready(answer));
    }

    /// Answers when the future is ready. The caller's connection waits for it, the main loop does
    /// not. The future is dropped if the caller leaves.
    pub fn send_later(self, answer: impl Future<Output = CallResult> + Send + 'static) {
        // The caller may have left already.
        let _ = self.0.send(Box::pin(answer));
    }
}
