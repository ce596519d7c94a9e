//! An issuer as the configuration describes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::exposure::{NamedFile, Use};
use crate::secret::SecretSource;
use crate::token::Algorithm;
use crate::token::location::Source;

/// An entry of `[issuers]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSpec {
    /// Its name in `gateway.toml`.
    pub name: Arc<str>,
    /// The only algorithms that its keys are used with.
    pub algorithms: Box<[Algorithm]>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The accepted `iss`, one of these; `None` accepts any.
    pub issuers: Option<Box<[Box<str>]>>,
    /// The required `aud`.
    pub audience: Audience,
    /// Where in a request its tokens may stand.
    pub sources: Box<[Source]>,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// A token that expires later than this from now is rejected: a leaked one should not be valid
    /// for years.
    pub max_lifetime: Duration,
    /// The list of revoked tokens.
    pub revoked_file: Option<PathBuf>,
}

impl IssuerSpec {
    /// The default: enough for clocks that are set by hand.
    pub const LEEWAY: Duration = Duration::from_secs(30);
    /// The default: longer than any session.
    pub const MAX_LIFETIME: Duration = Duration::from_secs(30 * 86_400);
}

impl IssuerSpec {
    /// The files that it names.
    pub fn files(&self) -> Vec<NamedFile> {
        let named =
            |key, path, is| NamedFile::watched(format!("issuers.{}.{key}", self.name), path, is);
        let keys = match &self.keys {
            KeySource::File(path) => Some(named("key_file", path, Use::PUBLIC_KEYS)),
            KeySource::Secret { from, .. } => from
                .file()
                .map(|path| named("secret_file", path, Use::SECRET)),
            KeySource::Jwks(place) | KeySource::Asap(place) => {
                let ca_file = place.ca_file.as_deref();
                ca_file.map(|path| named("ca_file", path, Use::CA))
            }
        };
        let revoked = self.revoked_file.as_deref();
        let revoked = revoked.map(|path| named("revoked_file", path, Use::REVOKED));
        keys.into_iter().chain(revoked).collect()
    }

    /// The key that has its secret, if the secret is in the configuration itself.
    pub fn inline_secret(&self) -> Option<String> {
        match &self.keys {
            KeySource::Secret { from, .. } if from.is_inline() => {
                Some(format!("issuers.{}.secret", self.name))
            }
            _ => None,
        }
    }
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file with one or more public keys.
    File(PathBuf),
    /// A secret that the issuer shares with the gateway.
    Secret {
        /// Where it is.
        from: SecretSource,
        /// Whether it is encoded in base64.
        base64: bool,
    },
    /// A JWKS that it publishes (RFC 7517, section 5).
    Jwks(KeyEndpoint),
    /// A folder with one PEM file for each key, `<url>/<hex of the SHA-256 of kid>.pem`, as in
    /// Jitsi's ASAP.
    Asap(KeyEndpoint),
}

impl KeySource {
    /// The file with the keys, if they are in one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Secret { from, .. } => from.file(),
            Self::Jwks(_) | Self::Asap(_) => None,
        }
    }

    /// The endpoint that the keys are fetched from, if they are fetched.
    pub fn endpoint(&self) -> Option<&KeyEndpoint> {
        match self {
            Self::Jwks(place) | Self::Asap(place) => Some(place),
            Self::File(_) | Self::Secret { .. } => None,
        }
    }
}

/// An endpoint that publishes keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEndpoint {
    /// An absolute URL.
    pub url: Box<str>,
    /// The CA to trust there instead of the system's CAs.
    pub ca_file: Option<PathBuf>,
}

/// The audience that a token must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Any: the operator wrote `any`.
    Any,
    /// One of these; at least one.
    OneOf(Box<[Box<str>]>),
}
