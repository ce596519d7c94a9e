//! An issuer as the configuration describes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::secret::SecretSource;
use crate::token::Algorithm;
use crate::token::location::Source;

/// One of `[issuers]`, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSpec {
    /// Its name in `gateway.toml`.
    pub name: Arc<str>,
    /// The only ones that its keys are used with.
    pub algorithms: Box<[Algorithm]>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// What `iss` has to be; anything, where nothing is written.
    pub issuer: Option<Box<str>>,
    /// What `aud` has to have.
    pub audience: Audience,
    /// Where in a request its tokens may stand.
    pub sources: Box<[Source]>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// A token that ends further away is refused: a leaked one should not open doors for years.
    pub max_lifetime: Duration,
    /// Tokens that are taken back.
    pub revoked_file: Option<PathBuf>,
}

impl IssuerSpec {
    /// For clocks that are set by hand.
    pub const LEEWAY: Duration = Duration::from_secs(30);
    /// Longer than any session, shorter than anybody forgets.
    pub const MAX_LIFETIME: Duration = Duration::from_secs(30 * 86_400);
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file with one or more public keys.
    File(PathBuf),
    /// A secret that it shares with us.
    Secret {
        /// Where it is.
        from: SecretSource,
        /// It is written in base64.
        base64: bool,
    },
    /// A set that it publishes (RFC 7517, section 5).
    Jwks(Place),
    /// A folder of its with one PEM file for each key: `<url>/<hex of the SHA-256 of kid>.pem`, as
    /// Jitsi's ASAP has it.
    Asap(Place),
}

impl KeySource {
    /// The file that the keys are in, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Secret { from, .. } => from.file(),
            Self::Jwks(_) | Self::Asap(_) => None,
        }
    }

    /// Where they are fetched, where they are.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Jwks(place) | Self::Asap(place) => Some(place),
            Self::File(_) | Self::Secret { .. } => None,
        }
    }
}

/// Where keys are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// An absolute URL.
    pub url: Box<str>,
    /// Whom to trust there in the place of the system's CAs.
    pub ca_file: Option<PathBuf>,
}

/// What `aud` has to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Nothing: the operator typed `any`.
    Any,
    /// One of these; at least one.
    OneOf(Box<[Box<str>]>),
}
