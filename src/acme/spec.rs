//! What `[acme]` of the configuration says.

use std::path::PathBuf;
use std::sync::Arc;

use crate::exposure::{NamedFile, Use};
use crate::host::HostName;
use crate::secret::SecretSource;
use crate::store::Name;

/// What `[acme]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSpec {
    /// The URL of the CA's directory.
    pub directory: Box<str>,
    /// Trusted for the directory, in place of the system's CAs.
    pub directory_ca: Option<PathBuf>,
    /// The URL of the staging directory, for `ianitor certs renew --dry-run`.
    pub staging: Option<Box<str>>,
    /// Contacts for the CA: `mailto:` URLs.
    pub contact: Vec<String>,
    /// An existing account at the CA to bind to (RFC 8555, section 7.3.4).
    pub external_account: Option<ExternalAccount>,
    /// The kinds of challenge, the first choice first; at least one.
    pub challenges: Vec<ChallengeKind>,
    /// The folder of the store.
    pub store: PathBuf,
    /// Whether hosts that have no certificate yet are answered with a self-signed one.
    pub placeholder: bool,
    /// The certificates to order.
    pub certificates: Vec<Arc<CertSpec>>,
}

impl AcmeSpec {
    /// Let's Encrypt.
    pub const LETS_ENCRYPT: &'static str = "https://acme-v02.api.letsencrypt.org/directory";
    /// Let's Encrypt's staging environment: high limits, certificates that clients do not trust.
    pub const LETS_ENCRYPT_STAGING: &'static str =
        "https://acme-staging-v02.api.letsencrypt.org/directory";
    /// Directories that can be configured by name.
    pub const DIRECTORIES: [(&'static str, &'static str); 2] = [
        ("letsencrypt", Self::LETS_ENCRYPT),
        ("letsencrypt-staging", Self::LETS_ENCRYPT_STAGING),
    ];

    /// The files that it names.
    pub fn files(&self) -> Vec<NamedFile> {
        let ca = self.directory_ca.as_deref();
        let ca = ca.map(|path| NamedFile::new("acme.directory_ca", path, Use::CA));
        let account = self.external_account.as_ref();
        let account_key = account
            .and_then(|account| account.key.file())
            .map(|path| NamedFile::new("acme.external_account.key_file", path, Use::SECRET));
        let store = NamedFile::new("acme.store", &self.store, Use::STORE);
        std::iter::once(store)
            .chain(ca)
            .chain(account_key)
            .collect()
    }

    /// The key that has a secret, if the secret is in the configuration itself.
    pub fn inline_secret(&self) -> Option<String> {
        let account = self.external_account.as_ref();
        account
            .filter(|account| account.key.is_inline())
            .map(|_| "acme.external_account.key".to_owned())
    }
}

/// An existing account at the CA to bind to.
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
    /// The name in the store: the first host, then the key type if that is not the default.
    pub name: Name,
    /// DNS names, no wildcards; at least one.
    pub hosts: Vec<HostName>,
    /// The type of the private key.
    pub key_type: KeyType,
    /// The CA's profile to ask for.
    pub profile: Option<Box<str>>,
    /// Where the configuration says so: `acme.certificates[0]`.
    pub config_key: String,
}

impl CertSpec {
    pub(super) fn host_names(&self) -> Vec<String> {
        let hosts = self.hosts.iter();
        hosts.map(|host| host.as_str().to_owned()).collect()
    }
}

/// How control of a name is proved.
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
    /// ECDSA on P-256: small, fast, supported everywhere.
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
