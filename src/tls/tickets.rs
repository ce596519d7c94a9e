//! Session tickets (RFC 5077, RFC 8446 section 4.6.1): the state of a session, encrypted by a key
//! that only this gateway has, so that a client can resume on any worker and after an upgrade.
//!
//! ```text
//! key name (16) │ nonce (12) │ state, by AES-256-GCM with the name as additional data │ tag (16)
//! ```
//!
//! The keys are exchanged every six hours; the one before still opens tickets. They are never
//! stored. Unlike those of rustls, they can be handed over to the process that replaces this one.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use parking_lot::Mutex;
use rustls::server::ProducesTickets;
use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;

/// How long a key makes tickets, in seconds. It opens them for as long again.
const ROTATION: u64 = 6 * 3600;

/// The length of a key's name. It stands in front of each ticket.
const NAME: usize = 16;

/// The keys of session tickets. All workers share one value, which is kept across reloads.
#[derive(Clone)]
pub struct Tickets(Arc<Rotator>);

/// What the sessions of some settings have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionKind {
    /// Clients are not asked for a certificate.
    Plain,
    /// They are.
    AsksForCertificate,
}

impl SessionKind {
    /// What stands behind the key's name in the additional data.
    fn mark(self) -> &'static [u8] {
        match self {
            Self::Plain => b"",
            Self::AsksForCertificate => b"asks for a certificate",
        }
    }
}

/// The keys, for the process that replaces this one.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct TicketKeys {
    /// The one that makes tickets, and the one before.
    keys: Vec<Material>,
    /// When the next one is made, as Unix time.
    next: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Material {
    name: [u8; NAME],
    secret: [u8; 32],
}

impl Drop for Material {
    fn drop(&mut self) {
        self.secret.fill(0);
    }
}

impl Tickets {
    /// New random keys.
    ///
    /// # Errors
    /// If the system provides no randomness.
    pub fn new() -> Result<Self, rustls::Error> {
        let current = Material::random().and_then(Key::new).map_err(no_random)?;
        Ok(Self::of(Keys {
            current: Arc::new(current),
            previous: None,
            next: UnixTime::now().0 + ROTATION,
        }))
    }

    /// The keys of the process that this one replaces; new ones if it has handed none over.
    ///
    /// # Errors
    /// If the system provides no randomness.
    pub fn handed_over(handed: TicketKeys) -> Result<Self, rustls::Error> {
        let now = UnixTime::now().0;
        let mut keys = handed.keys.into_iter();
        let is_usable = handed.next <= now + ROTATION;
        let Some(current) = keys.next().filter(|_| is_usable) else {
            return Self::new();
        };
        let current = Key::new(current).map_err(no_random)?;
        let previous = keys.next().map(Key::new).transpose().map_err(no_random)?;
        Ok(Self::of(Keys {
            current: Arc::new(current),
            previous: previous.map(Arc::new),
            next: handed.next,
        }))
    }

    fn of(keys: Keys) -> Self {
        Self(Arc::new(Rotator {
            keys: ArcSwap::from_pointee(keys),
            change: Mutex::new(()),
        }))
    }

    /// The keys, for the process that replaces this one.
    pub fn hand_over(&self) -> TicketKeys {
        let keys = self.0.keys.load();
        let all = std::iter::once(&keys.current).chain(&keys.previous);
        TicketKeys {
            keys: all.map(|key| key.material.clone()).collect(),
            next: keys.next,
        }
    }

    /// What makes and opens the tickets of one kind of session. Those of another kind are not
    /// opened: a client that was not asked for its certificate has to be asked, and one that has
    /// shown it for a name has not shown it for all.
    pub(super) fn producer(&self, kind: SessionKind) -> Arc<dyn ProducesTickets> {
        Arc::new(OfKind {
            rotator: Arc::clone(&self.0),
            kind,
        })
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKeys")
    }
}

fn no_random(Unspecified: Unspecified) -> rustls::Error {
    rustls::Error::FailedToGetRandomBytes
}

struct Rotator {
    keys: ArcSwap<Keys>,
    /// Held while the keys are being exchanged.
    change: Mutex<()>,
}

struct Keys {
    current: Arc<Key>,
    previous: Option<Arc<Key>>,
    next: u64,
}

struct Key {
    material: Material,
    cipher: LessSafeKey,
}

impl Material {
    fn random() -> Result<Self, Unspecified> {
        let mut material = Self {
            name: [0; NAME],
            secret: [0; 32],
        };
        rand::fill(&mut material.name)?;
        rand::fill(&mut material.secret)?;
        Ok(material)
    }
}

impl Key {
    fn new(material: Material) -> Result<Self, Unspecified> {
        let cipher = UnboundKey::new(&AES_256_GCM, &material.secret)?;
        Ok(Self {
            material,
            cipher: LessSafeKey::new(cipher),
        })
    }

    fn aad(&self, kind: SessionKind) -> Aad<Vec<u8>> {
        Aad::from([&self.material.name[..], kind.mark()].concat())
    }

    fn seal(&self, state: &[u8], kind: SessionKind) -> Result<Vec<u8>, Unspecified> {
        let mut nonce = [0; NONCE_LEN];
        // Random: the key makes far fewer tickets than the 2^32 for which that is safe.
        rand::fill(&mut nonce)?;
        let mut sealed = state.to_vec();
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        self.cipher
            .seal_in_place_append_tag(nonce_used, self.aad(kind), &mut sealed)?;
        Ok([&self.material.name[..], &nonce, &sealed].concat())
    }

    fn open(&self, ticket: &[u8], kind: SessionKind) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME)?;
        if name != self.material.name {
            return None;
        }
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let state = self
            .cipher
            .open_in_place(nonce, self.aad(kind), &mut sealed)
            .ok()?;
        Some(state.to_vec())
    }
}

impl Rotator {
    /// Makes a new key if it is time for one. If there is no randomness, the old one stays.
    fn rotate(&self, now: u64) {
        if now <= self.keys.load().next {
            return;
        }
        let _alone = self.change.lock();
        let keys = self.keys.load();
        if now <= keys.next {
            return;
        }
        let Ok(current) = Material::random().and_then(Key::new) else {
            return;
        };
        // One that was not used for so long opens nothing any more.
        let is_fresh = now <= keys.next + ROTATION;
        self.keys.store(Arc::new(Keys {
            current: Arc::new(current),
            previous: is_fresh.then(|| Arc::clone(&keys.current)),
            next: now + ROTATION,
        }));
    }

    fn seal(&self, state: &[u8], kind: SessionKind, now: u64) -> Option<Vec<u8>> {
        self.rotate(now);
        self.keys.load().current.seal(state, kind).ok()
    }

    fn open(&self, ticket: &[u8], kind: SessionKind, now: u64) -> Option<Vec<u8>> {
        self.rotate(now);
        let keys = self.keys.load();
        let mut all = std::iter::once(&keys.current).chain(&keys.previous);
        all.find_map(|key| key.open(ticket, kind))
    }
}

impl fmt::Debug for Rotator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rotator")
    }
}

/// Makes and opens the tickets of one kind of session.
#[derive(Debug)]
struct OfKind {
    rotator: Arc<Rotator>,
    kind: SessionKind,
}

impl ProducesTickets for OfKind {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(2 * ROTATION).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.rotator.seal(plain, self.kind, UnixTime::now().0)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.rotator.open(cipher, self.kind, UnixTime::now().0)
    }
}

#[cfg(test)]
mod tests;
