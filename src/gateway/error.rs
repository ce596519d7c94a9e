//! Why the gateway does not start.

use std::io;

use crate::files;
use crate::listen::BindError;
use crate::telemetry::Chain;
use crate::tls::LoadError;
use crate::token;
use crate::turn;

/// Why the gateway does not start, or a reload changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// All that is in the way.
    #[error("{}", lines(.0))]
    Several(Vec<StartError>),
    /// Certificates or keys.
    #[error("{}", lines(.0))]
    Certificates(Vec<LoadError>),
    /// Keys of issuers, or lists of revoked tokens.
    #[error("{}", lines(.0))]
    Issuers(Vec<token::load::LoadError>),
    /// Secrets of TURN servers, or API keys.
    #[error("{}", lines(.0))]
    Turn(Vec<turn::load::LoadError>),
    /// Routes that would show secrets of the gateway.
    #[error("{}", lines(.0))]
    Files(Vec<files::Overlap>),
    /// An address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The status listener could not be taken up by the runtime.
    #[error("the status listener could not be opened")]
    Status(#[source] io::Error),
    /// The tasks that fetch issuers' keys and certificates could not be started.
    #[error("what works beside the workers could not be started")]
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
    /// Whether the configuration, or a file that it names, is what has to be mended.
    pub fn is_config(&self) -> bool {
        match self {
            Self::Several(errors) => errors.iter().any(Self::is_config),
            Self::Certificates(_) | Self::Issuers(_) | Self::Turn(_) | Self::Files(_) => true,
            Self::Bind(_) | Self::Status(_) | Self::Background(_) | Self::Crypto(_) => false,
        }
    }
}
