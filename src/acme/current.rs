//! The certificate in service: whether it is as configured, and when the next one is due.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::schedule::{self, Why, Window};
use super::spec::{AcmeSpec, CertSpec};
use crate::clock::UnixTime;
use crate::store::{CertStore, Meta, StoreError, Stored};
use crate::tls::{self, ServableCert};

/// The shortest time between two renewals; a twentieth of the lifetime if that is less. Otherwise a
/// CA whose renewal windows are always in the past would make the gateway order without end, and so
/// would a clock that is ahead.
const BETWEEN: Duration = Duration::from_secs(3600);

/// The same for any lifetime.
const SHORTEST: Duration = Duration::from_secs(10);

/// How long a certificate stays that another process has ordered for other hosts. Two gateways that
/// share a store but not a configuration would otherwise replace each other's certificate at once.
const TURN: Duration = Duration::from_secs(24 * 3600);

/// A certificate of the store, ready to be served.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) stored: Arc<Stored>,
    pub(super) servable: ServableCert,
}

impl Current {
    pub(super) fn new(
        stored: Stored,
        spec: &CertSpec,
        place: PathBuf,
    ) -> Result<Self, tls::Problem> {
        let bundle = &stored.bundle;
        let servable = ServableCert::new(
            spec.name.as_str(),
            &bundle.chain,
            &bundle.key,
            place,
            &spec.config_key,
        )?;
        Ok(Self {
            stored: Arc::new(stored),
            servable,
        })
    }

    /// Reads the newest version in the store.
    pub(super) fn read(store: &dyn CertStore, spec: &CertSpec) -> Result<Option<Self>, Unread> {
        let Some(stored) = store.certificate(&spec.name)? else {
            return Ok(None);
        };
        let (place, version) = (store.place(&spec.name), stored.version);
        Self::new(stored, spec, place.clone().into())
            .map(Some)
            .map_err(|problem| Unread::Unusable {
                place,
                version,
                problem,
            })
    }

    pub(super) fn version(&self) -> u64 {
        self.stored.version
    }

    pub(super) fn meta(&self) -> &Meta {
        &self.stored.bundle.meta
    }

    /// When the next order is due, and why. `since` is when the configuration came into force.
    pub(super) fn due(
        &self,
        wanted: &Wanted<'_>,
        window: Option<Window>,
        since: UnixTime,
        now: UnixTime,
    ) -> (UnixTime, Why) {
        let meta = self.meta();
        // After the clock was set back, `issued` may be in the future and would delay the order.
        let no_sooner = |than: Duration| {
            if meta.issued <= now {
                meta.issued.after(than)
            } else {
                meta.not_before
            }
        };
        if let Some(at) = meta.revoked {
            // The clock of the process that wrote it may have been ahead.
            return (at.min(now), Why::Revoked);
        }
        if wanted.differs(meta) {
            let at = if meta.issued < since {
                meta.issued
            } else {
                no_sooner(TURN)
            };
            return (at, Why::Changed);
        }
        let (at, why) = schedule::renewal(meta.not_before, meta.not_after, meta.spread, window);
        let between = BETWEEN
            .min(meta.not_before.until(meta.not_after) / 20)
            .max(SHORTEST);
        (at.max(no_sooner(between)), why)
    }
}

impl AcmeSpec {
    /// Whether a certificate of the store is valid now, and is the one that is configured.
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

/// What a certificate must match.
pub(super) struct Wanted<'a> {
    pub(super) cert: &'a CertSpec,
    pub(super) directory: &'a str,
}

impl Wanted<'_> {
    pub(super) fn differs(&self, meta: &Meta) -> bool {
        let has = |host: &str| meta.hosts.iter().any(|there| there == host);
        let are_same = self.cert.hosts.len() == meta.hosts.len()
            && self.cert.hosts.iter().all(|h| has(h.as_str()));
        !are_same || meta.key_type != self.cert.key_type.name() || meta.directory != self.directory
    }
}

/// Why a certificate of the store is not served.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has it, but it cannot be served.
    #[error("{place} cannot be served; the running gateway makes it anew")]
    Unusable {
        /// Where.
        place: String,
        /// Which version.
        version: u64,
        /// What is wrong with it.
        #[source]
        problem: tls::Problem,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::KeyType;
    use crate::secret::Secret;
    use crate::store::Bundle;

    const DAY: u64 = 86_400;
    const ISSUED: u64 = 20_000 * DAY;

    fn spec(hosts: &[&str]) -> CertSpec {
        CertSpec {
            name: hosts[0].parse().unwrap(),
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            key_type: KeyType::default(),
            profile: None,
            config_key: "acme.certificates[0]".to_owned(),
        }
    }

    /// Ninety days from `ISSUED`, for one host.
    fn current(change: impl FnOnce(&mut Meta)) -> Current {
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let mut meta = Meta {
            hosts: vec!["a.example".to_owned()],
            key_type: "ecdsa-p256".to_owned(),
            directory: "https://ca.example/directory".to_owned(),
            profile: None,
            issued: UnixTime(ISSUED),
            serial: "01".to_owned(),
            issuer: "CA".to_owned(),
            not_before: UnixTime(ISSUED),
            not_after: UnixTime(ISSUED + 90 * DAY),
            spread: 0.0,
            revoked: None,
        };
        change(&mut meta);
        let bundle = Bundle {
            chain: made.cert.pem(),
            key: Secret::new(made.signing_key.serialize_pem()),
            meta,
        };
        Current::new(
            Stored { version: 1, bundle },
            &spec(&["a.example"]),
            PathBuf::from("store"),
        )
        .unwrap()
    }

    fn due(current: &Current, hosts: &[&str], window: Option<Window>, since: u64) -> (u64, Why) {
        let cert = spec(hosts);
        let wanted = Wanted {
            cert: &cert,
            directory: "https://ca.example/directory",
        };
        let (at, why) = current.due(&wanted, window, UnixTime(since), UnixTime(ISSUED + DAY));
        (at.0, why)
    }

    #[test]
    fn what_is_as_wanted_is_renewed_late() {
        let there = current(|_| {});
        assert_eq!(
            due(&there, &["a.example"], None, 0),
            (ISSUED + 60 * DAY, Why::TwoThirds)
        );
    }

    #[test]
    fn other_hosts_are_ordered_at_once_but_not_in_turns() {
        let there = current(|_| {});
        let want = &["a.example", "b.example"];
        assert_eq!(due(&there, want, None, ISSUED + 1), (ISSUED, Why::Changed));
        // It was issued after this configuration came into force, so another gateway ordered it.
        assert_eq!(
            due(&there, want, None, ISSUED),
            (ISSUED + DAY, Why::Changed)
        );
    }

    #[test]
    fn another_key_or_directory_is_a_change_and_revoked_is_revoked() {
        let rsa = current(|meta| meta.key_type = "rsa-2048".to_owned());
        assert_eq!(due(&rsa, &["a.example"], None, ISSUED + 1).1, Why::Changed);
        let staging = current(|meta| meta.directory = "https://staging.example/".to_owned());
        assert_eq!(
            due(&staging, &["a.example"], None, ISSUED + 1).1,
            Why::Changed
        );
        let revoked = current(|meta| meta.revoked = Some(UnixTime(ISSUED + 5)));
        assert_eq!(
            due(&revoked, &["a.example"], None, ISSUED + 1),
            (ISSUED + 5, Why::Revoked)
        );
    }

    #[test]
    fn a_window_that_is_always_over_does_not_order_without_end() {
        let there = current(|_| {});
        let over = Some(Window {
            start: UnixTime(1),
            end: UnixTime(2),
        });
        assert_eq!(
            due(&there, &["a.example"], over, 0),
            (ISSUED + 3600, Why::Window)
        );
        let short = current(|meta| meta.not_after = UnixTime(ISSUED + 200));
        assert_eq!(
            due(&short, &["a.example"], over, 0),
            (ISSUED + 10, Why::Window)
        );
    }

    #[test]
    fn what_has_ended_when_it_comes_does_not_order_without_end() {
        let late =
            current(|meta| (meta.not_before, meta.not_after) = (UnixTime(DAY), UnixTime(2 * DAY)));
        assert_eq!(
            due(&late, &["a.example"], None, 0),
            (ISSUED + 3600, Why::Half)
        );
        let short = current(|meta| meta.not_after = UnixTime(ISSUED + 1));
        assert_eq!(
            due(&short, &["a.example"], None, 0),
            (ISSUED + 10, Why::Half)
        );
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_put_it_off() {
        let revoked = current(|meta| meta.revoked = Some(UnixTime(ISSUED + 1000 * DAY)));
        assert_eq!(
            due(&revoked, &["a.example"], None, 0),
            (ISSUED + DAY, Why::Revoked)
        );
        let there = current(|meta| meta.issued = UnixTime(ISSUED + 1000 * DAY));
        assert_eq!(
            due(&there, &["a.example"], None, 0),
            (ISSUED + 60 * DAY, Why::TwoThirds)
        );
        assert_eq!(due(&there, &["b.example"], None, 0), (ISSUED, Why::Changed));
    }
}
