//! Who signs tokens: whose keys, and what else a token of theirs has to say.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use super::claims::Claims;
use super::jws::Parts;
use super::keys::{KeyPrint, KeySet, KeySetId};
use super::location::Source;
use super::revoked::Revoked;
use super::{Algorithm, BadToken};
use crate::addr::ClientGroup;
use crate::clock::UnixTime;
use crate::secret::SecretSource;

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

/// Keys that change while the gateway runs. Whoever fetches them replaces the set whole.
#[derive(Debug)]
pub struct Fetched {
    set: ArcSwap<KeySet>,
    want: tokio::sync::mpsc::Sender<Want>,
    /// In Unix time; 0 is never.
    succeeded: AtomicU64,
    failures: AtomicU64,
}

/// Somebody has a token with a key that is not there.
#[derive(Debug)]
pub struct Want {
    /// The key's name.
    pub kid: Option<Box<str>>,
    /// Who sent the token: what one client makes the gateway ask for is limited.
    pub asker: Asker,
    /// Told what became of it; dropped where the issuer could not be asked.
    pub done: oneshot::Sender<Looked>,
}

/// A client, as far as it is counted for the keys that it makes the gateway look for. An address on
/// the policy's allow list is counted apart from its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asker {
    /// Its address or network.
    pub group: ClientGroup,
    /// Whether it is on the list.
    pub is_listed: bool,
}

/// What became of looking for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// The issuer has been asked: if the key is not there now, there is none.
    Asked,
    /// The issuer could not be asked.
    Away,
    /// It was not asked: this client has caused too many fetches.
    TooOften,
}

/// Says that the issuer has been asked.
pub fn settle(done: oneshot::Sender<Looked>) {
    // Who has asked may have gone.
    let _ = done.send(Looked::Asked);
}

/// Says that the issuer is not asked for this client now.
pub fn turn_away(done: oneshot::Sender<Looked>) {
    // Who has asked may have gone.
    let _ = done.send(Looked::TooOften);
}

impl Fetched {
    /// No key yet. Wants go to the other end of the channel.
    pub fn new(want: tokio::sync::mpsc::Sender<Want>) -> Arc<Self> {
        let never = AtomicU64::new(0);
        Arc::new(Self {
            set: ArcSwap::default(),
            want,
            succeeded: never,
            failures: AtomicU64::new(0),
        })
    }

    /// Where they are fetched has answered as it should.
    pub fn note_success(&self, now: UnixTime) {
        self.succeeded.store(now.0, Ordering::Relaxed);
    }

    /// It has not.
    pub fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// When it last has.
    pub fn last_success(&self) -> Option<UnixTime> {
        Some(self.succeeded.load(Ordering::Relaxed))
            .filter(|at| *at > 0)
            .map(UnixTime)
    }

    /// How often it has not.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The keys in force.
    pub fn set(&self) -> Arc<KeySet> {
        self.set.load_full()
    }

    /// Puts others in force.
    pub fn replace(&self, set: KeySet) {
        self.set.store(Arc::new(set));
    }

    /// Has a key looked for, and waits until that is over; too many wants at once are not waited
    /// for.
    pub async fn look_for(&self, kid: Option<Box<str>>, asker: Asker) -> Looked {
        let (done, over) = oneshot::channel();
        match self.want.try_send(Want { kid, asker, done }) {
            Ok(()) => over.await.unwrap_or(Looked::Away),
            Err(_) => Looked::Away,
        }
    }
}

/// An issuer's keys.
#[derive(Clone, Debug)]
pub enum Keys {
    /// As they were read.
    Fixed(Arc<KeySet>),
    /// As they were last fetched.
    Fetched(Arc<Fetched>),
}

impl Keys {
    /// Where they change, where they do.
    pub fn fetched(&self) -> Option<&Fetched> {
        match self {
            Self::Fetched(fetched) => Some(fetched),
            Self::Fixed(_) => None,
        }
    }
}

/// An issuer with its keys.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// What is written of it.
    pub spec: Arc<IssuerSpec>,
    /// Its keys.
    pub keys: Keys,
    /// Tokens that are taken back.
    pub revoked: Revoked,
}

impl Issuer {
    /// Which keys are in force. Asked at each request, so nothing is written for it that two
    /// workers share.
    pub fn key_set_id(&self) -> KeySetId {
        match &self.keys {
            Keys::Fixed(set) => set.id(),
            Keys::Fetched(fetched) => fetched.set.load().id(),
        }
    }

    /// The keys in force.
    pub fn key_set(&self) -> Arc<KeySet> {
        match &self.keys {
            Keys::Fixed(set) => Arc::clone(set),
            Keys::Fetched(fetched) => fetched.set(),
        }
    }

    /// Whether its tokens could be guessed: they are signed by a secret that is shorter than its
    /// hash.
    pub fn is_guessable(&self) -> bool {
        matches!(&self.keys, Keys::Fixed(set) if set.is_weak())
    }

    /// Whether the issuer signed the token; then, by which key, and what it claims.
    ///
    /// # Errors
    /// Why not.
    pub fn verify(&self, parts: &Parts<'_>, keys: &KeySet) -> Result<(KeyPrint, Claims), BadToken> {
        if !self.spec.algorithms.contains(&parts.algorithm) {
            return Err(BadToken::Algorithm);
        }
        let fetched = match (&self.keys, &self.spec.keys) {
            (Keys::Fixed(_), _) => return verified(parts, keys),
            // There a key is found by its name alone.
            (Keys::Fetched(_), KeySource::Asap(_)) if parts.kid.is_none() => {
                return Err(BadToken::NoKey);
            }
            (Keys::Fetched(fetched), _) => fetched,
        };
        if keys.is_empty() {
            return Err(if fetched.last_success().is_some() {
                BadToken::NoKey
            } else {
                BadToken::KeysAway
            });
        }
        // The issuer uses the algorithm, so a key for it may have been published since.
        verified(parts, keys).map_err(|bad| {
            if bad == BadToken::Algorithm {
                BadToken::NoKey
            } else {
                bad
            }
        })
    }

    /// Whether its keys are published as a set, and none has ever been had.
    pub fn lacks_keys(&self) -> bool {
        matches!(self.spec.keys, KeySource::Jwks(_)) && self.key_set().is_empty()
    }

    /// Whether a token of which the signature is good is good now.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, claims: &Claims, now: UnixTime) -> Result<(), BadToken> {
        self.checks(claims, now)
            .into_iter()
            .find(|(_, is_met)| !is_met)
            .map_or(Ok(()), |(why, _)| Err(why))
    }

    /// Everything that [`judge`](Self::judge) asks for, and whether it is met.
    pub fn checks(&self, claims: &Claims, now: UnixTime) -> [(BadToken, bool); 6] {
        let spec = &*self.spec;
        let is_for_us = match &spec.audience {
            Audience::Any => true,
            Audience::OneOf(ours) => ours.iter().any(|audience| claims.is_for(audience)),
        };
        let is_theirs = spec
            .issuer
            .as_deref()
            .is_none_or(|issuer| claims.text("iss") == Some(issuer));
        [
            (BadToken::Issuer, is_theirs),
            (BadToken::Audience, is_for_us),
            (BadToken::Expired, claims.exp.after(spec.leeway) > now),
            (
                BadToken::NotYet,
                claims.nbf.is_none_or(|nbf| nbf <= now.after(spec.leeway)),
            ),
            (
                BadToken::Lifetime,
                claims.exp <= now.after(spec.max_lifetime).after(spec.leeway),
            ),
            (BadToken::Revoked, !self.revoked.has(claims)),
        ]
    }
}

fn verified(parts: &Parts<'_>, keys: &KeySet) -> Result<(KeyPrint, Claims), BadToken> {
    let key = keys.verify(parts)?;
    Ok((key, Claims::parse(&parts.payload)?))
}

/// A token of which the signature is good. Whether it is good now is asked at each use.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The name of who signed it.
    pub issuer: Arc<str>,
    /// By which key.
    pub key: KeyPrint,
    /// What it claims.
    pub claims: Claims,
    /// Which token it is, among all that this process has seen.
    pub tag: Tag,
}

/// A keyed hash of a token: equal tags are equal tokens, and nobody outside can make one.
pub type Tag = [u8; 32];
