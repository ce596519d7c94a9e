//! Short-lived TURN credentials ("TURN REST API", draft-uberti-behave-turn-rest-00). The relay and
//! the gateway share a secret. A client gets a username with an expiry in it, and its HMAC as the
//! password. The gateway neither contacts the relay nor stores anything.

pub mod load;
mod no_credential;
pub mod uri;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::clock::UnixTime;
use crate::exposure::{NamedFile, Use};
use crate::policy::ApiKeys;
use crate::secret::{Secret, SecretSource};
pub use load::STRONG_SECRET;
pub use no_credential::{METHODS, NoCredential};
use uri::TurnUri;

/// `[turn.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnSpec {
    /// The name in `gateway.toml`.
    pub name: Arc<str>,
    /// The secrets that are shared with the relay.
    pub secrets: Secrets,
    /// The addresses of the relay; at least one is not STUN.
    pub uris: Box<[TurnUri]>,
    /// The lifetime of a credential, unless the client's token expires earlier.
    pub ttl: Duration,
    /// The file with API keys of servers that request credentials for their clients.
    pub api_keys_file: Option<PathBuf>,
}

impl TurnSpec {
    /// The default lifetime: long enough to set up a call on a slow network. A relay checks the
    /// password again only for a new allocation.
    pub const TTL: Duration = Duration::from_secs(600);

    /// The files that it names.
    pub fn files(&self) -> Vec<NamedFile> {
        let named =
            |key, path, is| NamedFile::watched(format!("turn.{}.{key}", self.name), path, is);
        let secrets = std::iter::once(&self.secrets.signing).chain(&self.secrets.former);
        let secrets = secrets
            .filter_map(SecretSource::file)
            .map(|path| named("secret_file", path, Use::SECRET));
        let api_keys = self.api_keys_file.as_deref();
        let api_keys = api_keys.map(|path| named("api_keys_file", path, Use::API_KEYS));
        secrets.chain(api_keys).collect()
    }

    /// The key that has its secret, if the secret is in the configuration itself.
    pub fn inline_secret(&self) -> Option<String> {
        let is_inline = self.secrets.signing.is_inline();
        is_inline.then(|| format!("turn.{}.secret", self.name))
    }
}

/// The secrets of the relay: one, or two while it is being changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// Signs new credentials.
    pub signing: SecretSource,
    /// The previous secret, which the relay needs until the last of its credentials has expired.
    pub former: Option<SecretSource>,
}

/// An index into the gateway's `[turn]` tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TurnId(pub usize);

/// A `[turn]` table with its secrets and keys.
#[derive(Debug)]
pub struct Turn {
    /// The configuration.
    pub spec: Arc<TurnSpec>,
    /// The API keys, if there is a file.
    pub api_keys: Option<ApiKeys>,
    key: hmac::Key,
}

impl Turn {
    /// Creates it with a secret.
    pub fn new(spec: Arc<TurnSpec>, secret: &Secret<Vec<u8>>, api_keys: Option<ApiKeys>) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.reveal());
        Self {
            spec,
            api_keys,
            key,
        }
    }

    /// A credential that is valid from now on, for this many seconds.
    pub fn credential(&self, now: UnixTime, subject: &Subject, ttl: Duration) -> Credential {
        let username = format!("{}:{}", now.after(ttl).0, subject.0).into_boxed_str();
        Credential {
            password: self.password(&username),
            username,
            ttl: ttl.as_secs(),
        }
    }

    fn password(&self, username: &str) -> Secret<Box<str>> {
        Secret::new(
            STANDARD
                .encode(hmac::sign(&self.key, username.as_bytes()))
                .into(),
        )
    }
}

/// Who a credential is for, as in the relay's log and quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(Box<str>);

impl Subject {
    /// The longest subject in bytes. A TURN username has 512 at most, and Janus' own names for its
    /// clients 20.
    const LONGEST: usize = 128;

    /// Makes a subject from untrusted text: special characters become `_`, long texts are cut.
    /// `None` for an empty text.
    pub fn new(text: &str) -> Option<Self> {
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || "-._~@+|:".contains(*c);
        let text: String = text
            .chars()
            .take(Self::LONGEST)
            .map(|c| if is_plain(&c) { c } else { '_' })
            .collect();
        (!text.is_empty()).then_some(Self(text.into()))
    }

    /// A client that was permitted by its address.
    pub fn client() -> Self {
        Self("client".into())
    }

    /// A server that does not name its client.
    pub fn server() -> Self {
        Self("janus".into())
    }
}

/// A username and password for the relay.
#[derive(Clone, Debug)]
pub struct Credential {
    /// `<expiry>:<subject>`, the expiry in seconds since 1970.
    pub username: Box<str>,
    /// The HMAC-SHA1 of the username, in base64.
    pub password: Secret<Box<str>>,
    /// The lifetime in seconds.
    pub ttl: u64,
}

impl Credential {
    /// The credential as JSON, in both formats: that of the draft and Janus, and that of a
    /// browser's `RTCConfiguration`.
    pub fn to_json<'u>(&self, uris: impl IntoIterator<Item = &'u TurnUri>) -> String {
        let uris: Vec<String> = uris.into_iter().map(ToString::to_string).collect();
        let (username, password) = (&self.username, self.password.reveal());
        let server = json!({ "urls": &uris, "username": username, "credential": password });
        json!({
            "username": username,
            "password": password,
            "ttl": self.ttl,
            "uris": &uris,
            "iceServers": [server],
        })
        .to_string()
    }
}
