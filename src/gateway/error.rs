//! Why the gateway does not start, or a reload changes nothing.

use std::io;

use crate::auth::passwords;
use crate::control::OpenError;
use crate::files;
use crate::listen::{BindError, InheritError};
use crate::signalling::janus;
use crate::telemetry::{Chain, audit};
use crate::tls::LoadError;
use crate::token;
use crate::turn;

/// Why the gateway does not start, or a reload changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Several problems.
    #[error("{}", lines(.0))]
    Several(Vec<StartError>),
    /// Certificates or keys.
    #[error("{}", lines(.0))]
    Certificates(Vec<LoadError>),
    /// Keys or revocation lists of issuers.
    #[error("{}", lines(.0))]
    Issuers(Vec<token::load::LoadError>),
    /// Secrets that go into messages to upstreams.
    #[error("{}", lines(.0))]
    Credentials(Vec<janus::LoadError>),
    /// TURN secrets or API keys.
    #[error("{}", lines(.0))]
    Turn(Vec<turn::load::LoadError>),
    /// Files of passwords.
    #[error("{}", lines(.0))]
    Passwords(Vec<passwords::LoadError>),
    /// Routes that would serve files with secrets of the gateway.
    #[error("{}", lines(.0))]
    Files(Vec<files::Overlap>),
    /// The audit log could not be opened.
    #[error(transparent)]
    Audit(#[from] audit::OpenError),
    /// The control socket could not be opened.
    #[error(transparent)]
    Control(#[from] OpenError),
    /// An address that could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A socket that the process was started with is not one of the configuration.
    #[error(transparent)]
    Inherit(#[from] InheritError),
    /// The status listener could not be started.
    #[error("the status listener could not be opened")]
    Status(#[source] io::Error),
    /// The tasks that fetch issuers' keys and order certificates could not be started.
    #[error("the background tasks could not be started")]
    Background(#[source] io::Error),
    /// The cryptographic library.
    #[error("the cryptographic library failed")]
    Crypto(#[source] rustls::Error),
}

/// Each error with its causes, on a line of its own.
fn lines<E: std::error::Error + 'static>(errors: &[E]) -> String {
    errors
        .iter()
        .map(|error| Chain(error).to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

impl StartError {
    /// Whether the cause is in the configuration or in a file that it names.
    pub fn is_config(&self) -> bool {
        match self {
            Self::Several(errors) => errors.iter().any(Self::is_config),
            Self::Certificates(_)
            | Self::Issuers(_)
            | Self::Credentials(_)
            | Self::Turn(_)
            | Self::Passwords(_)
            | Self::Files(_)
            | Self::Audit(_)
            | Self::Inherit(_) => true,
            Self::Control(_)
            | Self::Bind(_)
            | Self::Status(_)
            | Self::Background(_)
            | Self::Crypto(_) => false,
        }
    }
}

impl From<Vec<StartError>> for StartError {
    fn from(problems: Vec<StartError>) -> Self {
        Self::Several(problems)
    }
}

/// Collects the problems of several steps, so that all of them are reported together.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<StartError>);

impl Problems {
    /// What a step has made; its error is collected.
    pub(super) fn note<T, E: Into<StartError>>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.0.push(error.into())).ok()
    }

    /// The same for a step that has several errors.
    pub(super) fn note_all<T>(&mut self, result: Result<T, Vec<StartError>>) -> Option<T> {
        result.map_err(|errors| self.0.extend(errors)).ok()
    }

    /// Adds a problem.
    pub(super) fn push(&mut self, problem: StartError) {
        self.0.push(problem);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_errors(self) -> Vec<StartError> {
        self.0
    }
}
