//! What `[acme]` of the configuration says.

use std::path::PathBuf;
use std::sync::Arc;

use super::current::Wanted;
use crate::clock::UnixTime;
use crate::host::HostName;
use crate::secret::SecretSource;
use crate::store::{Meta, Name};

/// What `[acme]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSpec {
    /// The URL of the CA's directory.
    pub directory: Box<str>,
    /// Whom to trust there in the place of the system's CAs.
    pub directory_ca: Option<PathBuf>,
    /// The URL of a directory to try things out with, where there is one: `ianitor certs renew
    /// --dry-run`.
    pub staging: Option<Box<str>>,
    /// Whom the CA may write to: `mailto:` URLs.
    pub contact: Vec<String>,
    /// An account that the operator has with the CA already (RFC 8555, section 7.3.4).
    pub external_account: Option<ExternalAccount>,
    /// How names are proved, the first choice first; at least one.
    pub challenges: Vec<ChallengeKind>,
    /// The folder of the store.
    pub store: PathBuf,
    /// Whether hosts that have no certificate yet are answered with a self-signed one.
    pub placeholder: bool,
    /// What to order.
    pub certificates: Vec<Arc<CertSpec>>,
}

impl AcmeSpec {
    /// Let's Encrypt.
    pub const LETS_ENCRYPT: &'static str = "https://acme-v02.api.letsencrypt.org/directory";
    /// Let's Encrypt, for trying out: its certificates are trusted by nobody, its limits are wide.
    pub const LETS_ENCRYPT_STAGING: &'static str =
        "https://acme-staging-v02.api.letsencrypt.org/directory";
    /// Directories that have a name.
    pub const DIRECTORIES: [(&'static str, &'static str); 2] = [
        ("letsencrypt", Self::LETS_ENCRYPT),
        ("letsencrypt-staging", Self::LETS_ENCRYPT_STAGING),
    ];

    /// Whether clients accept a certificate of the store at this moment, and it is the one that is
    /// wanted.
    pub fn is_fulfilled_by(&self, cert: &CertSpec, there: &Meta, now: UnixTime) -> bool {
        let is_valid = there.revoked.is_none() && there.not_before <= now && now < there.not_after;
        is_valid
            && !Wanted {
                cert,
                directory: &self.directory,
            }
            .differs(there)
    }
}

/// An account that the operator has with the CA already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAccount {
    /// Its key id.
    pub key_id: Box<str>,
    /// Its HMAC key, in base64url as CAs write it.
    pub key: SecretSource,
}

/// One of `[acme] certificates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertSpec {
    /// What it is called in the store: its first host, then the kind of key if that is not the
    /// default.
    pub name: Name,
    /// DNS names, no wildcards; at least one.
    pub hosts: Vec<HostName>,
    /// What key to make.
    pub key_type: KeyType,
    /// The CA's profile to ask for.
    pub profile: Option<Box<str>>,
    /// Where the configuration says so: `acme.certificates[0]`.
    pub config_key: String,
}

/// How a name is proved to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChallengeKind {
    /// By a TLS handshake on port 443 (RFC 8737).
    TlsAlpn01,
    /// By a file on port 80 (RFC 8555, section 8.3).
    Http01,
}

impl ChallengeKind {
    /// As written in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 2] =
        [("tls-alpn-01", Self::TlsAlpn01), ("http-01", Self::Http01)];

    /// As written in `gateway.toml`.
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

/// A kind of private key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// ECDSA on P-256: small, fast, taken by everybody.
    #[default]
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// RSA with 2048 bits, for old clients.
    Rsa2048,
}

impl KeyType {
    /// As written in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("ecdsa-p256", Self::EcdsaP256),
        ("ecdsa-p384", Self::EcdsaP384),
        ("rsa-2048", Self::Rsa2048),
    ];

    /// As written in `gateway.toml`.
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

fn name_of<T: PartialEq>(names: &[(&'static str, T)], of: T) -> &'static str {
    names
        .iter()
        .find(|(_, kind)| *kind == of)
        .map_or("", |(name, _)| name)
}
