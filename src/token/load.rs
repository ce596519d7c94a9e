//! Loading issuers: their keys, secrets and lists of revoked tokens.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::ALGORITHMS;
use super::issuer::{Fetched, Issuer, IssuerSpec, KeySource, Keys};
use super::keys::{self, BadKey, Key, KeySet};
use super::revoked::Revoked;
use super::spki;
use crate::disk;
use crate::json;
use crate::secret::{NoSecret, Secret, SecretSource};

/// The largest file: far above any set of keys or list of revoked tokens.
const LARGEST: u64 = 4 << 20;

/// Why an issuer cannot be loaded, with the configuration key that is to blame.
#[derive(Debug, thiserror::Error)]
#[error("issuers.{issuer}.{key}: {problem}")]
pub struct LoadError {
    issuer: Arc<str>,
    key: &'static str,
    problem: Problem,
}

/// What is wrong. Messages begin with the file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("{} cannot be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, io::Error),
    /// The file is too large, so it is probably another file.
    #[error("{} is larger than any set of keys; is it the right file?", .0.display())]
    TooLarge(PathBuf),
    /// The file does not hold a key.
    #[error("{} is neither a public key (PEM or DER) nor a JWK or JWKS; \
        `openssl pkey -in private.pem -pubout` writes one", .0.display())]
    NoKey(PathBuf),
    /// The key is private.
    #[error("{} is a private key, which only the issuer should have; \
        name the public one: `openssl pkey -in private.pem -pubout`", .0.display())]
    Private(PathBuf),
    /// The key is too short (RFC 7518, section 3.3).
    #[error("{} is an RSA key of {} bits; make one of 2048 or more", .0.display(), .1)]
    Short(PathBuf, usize),
    /// No key is for one of the algorithms, so no token could use it.
    #[error("{} has no key for {}; take the algorithm out, or name the key that it is \
        for", .0.display(), .1)]
    NotFor(PathBuf, &'static str),
    /// The secret cannot be read.
    #[error("{}", crate::secret::chain(.0))]
    Secret(NoSecret),
    /// The secret is blank.
    #[error("the secret is nothing but spaces; put the secret there")]
    NoBytes,
    /// `secret_base64` is set, and the secret is not base64.
    #[error("the secret is not base64, as secret_base64 says")]
    NotBase64,
    /// A line of the list of revoked tokens is malformed.
    #[error("{}:{} is neither \"jti VALUE\" nor \"sub VALUE\"", .0.display(), .1)]
    Revoked(PathBuf, usize),
    /// The list is not text.
    #[error("{} is not UTF-8", .0.display())]
    NotUtf8(PathBuf),
}

/// Loads all issuers from files and the environment. No keys are fetched.
///
/// # Errors
/// Every problem.
pub fn load_all(specs: &[Arc<IssuerSpec>]) -> Result<Vec<Arc<Issuer>>, Vec<LoadError>> {
    let (mut issuers, mut errors) = (Vec::new(), Vec::new());
    for spec in specs {
        match load(spec, || Fetched::new(tokio::sync::mpsc::channel(1).0)) {
            Ok(issuer) => issuers.push(Arc::new(issuer)),
            Err(more) => errors.extend(more),
        }
    }
    if errors.is_empty() {
        Ok(issuers)
    } else {
        Err(errors)
    }
}

/// Loads an issuer. If its keys are fetched, `fetched` provides them.
///
/// # Errors
/// Every problem.
pub fn load(
    spec: &Arc<IssuerSpec>,
    fetched: impl FnOnce() -> Arc<Fetched>,
) -> Result<Issuer, Vec<LoadError>> {
    match (keys(spec, fetched), revocations(spec)) {
        (Ok(keys), Ok(revoked)) => Ok(Issuer {
            spec: Arc::clone(spec),
            keys,
            revoked,
        }),
        (keys, revoked) => Err(keys.err().into_iter().chain(revoked.err()).collect()),
    }
}

/// A warning: the secret works but is too short.
#[derive(Debug, thiserror::Error)]
#[error(
    "issuers.{issuer}.{key}: the secret is shorter than its hash, \
     and anybody with a token can try to guess it; \
     `openssl rand -base64 32` makes a strong one"
)]
pub struct Weak {
    issuer: Arc<str>,
    key: &'static str,
}

/// The warning for an issuer whose secret is too short.
pub fn weak(issuer: &Issuer) -> Option<Weak> {
    let Keys::Fixed(keys) = &issuer.keys else {
        return None;
    };
    let key = match &issuer.spec.keys {
        KeySource::Secret { from, .. } => secret_key(from),
        _ => "key_file",
    };
    keys.is_weak().then(|| Weak {
        issuer: Arc::clone(&issuer.spec.name),
        key,
    })
}

/// Loads an issuer again. A part that cannot be read stays as it was; its error is added to `kept`.
pub fn reload(
    spec: &Arc<IssuerSpec>,
    fetched: impl FnOnce() -> Arc<Fetched>,
    before: &Issuer,
    kept: &mut Vec<LoadError>,
) -> Issuer {
    let mut keep = |error| kept.push(error);
    let keys = keys(spec, fetched)
        .map_err(&mut keep)
        .unwrap_or_else(|()| before.keys.clone());
    let revoked = revocations(spec)
        .map_err(&mut keep)
        .unwrap_or_else(|()| before.revoked.clone());
    Issuer {
        spec: Arc::clone(spec),
        keys,
        revoked,
    }
}

fn keys(spec: &Arc<IssuerSpec>, fetched: impl FnOnce() -> Arc<Fetched>) -> Result<Keys, LoadError> {
    match &spec.keys {
        KeySource::File(path) => {
            let error = |problem| LoadError {
                issuer: Arc::clone(&spec.name),
                key: "key_file",
                problem,
            };
            Ok(Keys::Fixed(Arc::new(file_keys(path, spec).map_err(error)?)))
        }
        KeySource::Secret { .. } => {
            let secret = secret(spec)?;
            Ok(Keys::Fixed(Arc::new(KeySet::new(
                vec![Key::secret(secret.reveal())],
                &spec.algorithms,
            ))))
        }
        KeySource::Jwks(_) | KeySource::Asap(_) => Ok(Keys::Fetched(fetched())),
    }
}

fn revocations(spec: &Arc<IssuerSpec>) -> Result<Revoked, LoadError> {
    let error = |problem| LoadError {
        issuer: Arc::clone(&spec.name),
        key: "revoked_file",
        problem,
    };
    let revoked = spec
        .revoked_file
        .as_deref()
        .map(revoked)
        .transpose()
        .map_err(error)?;
    Ok(revoked.unwrap_or_default())
}

/// The secret that an issuer shares with the gateway; empty if it has none.
///
/// # Errors
/// Why it cannot be read.
pub fn secret(spec: &Arc<IssuerSpec>) -> Result<Secret<Vec<u8>>, LoadError> {
    let KeySource::Secret { from, base64 } = &spec.keys else {
        return Ok(Secret::new(Vec::new()));
    };
    let key = secret_key(from);
    let error = |problem| LoadError {
        issuer: Arc::clone(&spec.name),
        key,
        problem,
    };
    let secret = from.read().map_err(|none| error(Problem::Secret(none)))?;
    let secret = decoded(secret.reveal(), *base64).map_err(error)?;
    // With an empty secret, everybody could sign.
    if secret.is_empty() {
        Err(error(Problem::NoBytes))
    } else {
        Ok(Secret::new(secret))
    }
}

/// The configuration key that says where the secret is.
fn secret_key(from: &SecretSource) -> &'static str {
    match from {
        SecretSource::File(_) => "secret_file",
        SecretSource::Env(_) => "secret_env",
        SecretSource::Inline(_) => "secret",
    }
}

fn decoded(secret: &[u8], is_base64: bool) -> Result<Vec<u8>, Problem> {
    if !is_base64 {
        return Ok(secret.to_vec());
    }
    let trimmed = secret.trim_ascii();
    STANDARD
        .decode(trimmed)
        .or_else(|_| URL_SAFE_NO_PAD.decode(trimmed))
        .map_err(|_| Problem::NotBase64)
}

fn file_keys(path: &Path, spec: &IssuerSpec) -> Result<KeySet, Problem> {
    let bytes = read(path)?;
    let keys = parse(&bytes).map_err(|error| match error {
        BadKey::Kind | BadKey::Jwk => Problem::NoKey(path.to_owned()),
        BadKey::Private => Problem::Private(path.to_owned()),
        BadKey::Short(bits) => Problem::Short(path.to_owned(), bits),
    })?;
    let set = KeySet::new(keys, &spec.algorithms);
    match ALGORITHMS
        .iter()
        .find(|(_, algorithm)| spec.algorithms.contains(algorithm) && !set.is_for(*algorithm))
    {
        Some((name, _)) => Err(Problem::NotFor(path.to_owned(), name)),
        None => Ok(set),
    }
}

/// Parses keys: JWK, JWKS, PEM or DER.
pub fn parse(bytes: &[u8]) -> Result<Vec<Key>, BadKey> {
    let text = bytes.trim_ascii_start();
    if text.starts_with(b"{") {
        let document = json::parse_object(text).map_err(|_| BadKey::Jwk)?;
        return keys::from_json(&document);
    }
    if text.windows(10).any(|window| window == b"-----BEGIN") {
        return spki::from_pem(text);
    }
    spki::from_der(bytes).map(|key| vec![key])
}

/// Parses public keys in PEM only.
///
/// # Errors
/// Why the keys cannot be used.
pub fn parse_pem(bytes: &[u8]) -> Result<Vec<Key>, BadKey> {
    spki::from_pem(bytes)
}

fn revoked(path: &Path) -> Result<Revoked, Problem> {
    let text = String::from_utf8(read(path)?).map_err(|_| Problem::NotUtf8(path.to_owned()))?;
    Revoked::parse(&text).map_err(|line| Problem::Revoked(path.to_owned(), line))
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    disk::read(path, LARGEST).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => Problem::TooLarge(path.to_owned()),
        _ => Problem::Unreadable(path.to_owned(), error),
    })
}
