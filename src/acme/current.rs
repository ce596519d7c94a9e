//! The certificate that is there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::CertSpec;
use super::schedule::{self, Why, Window};
use crate::clock::UnixTime;
use crate::store::{CertStore, Meta, StoreError, Stored};
use crate::tls::{self, Managed};

/// A renewal that the CA asks for does not follow the one before sooner than this, or a twentieth of the lifetime if that
/// is less: a CA whose windows are always over would have us order without end.
const BETWEEN: Duration = Duration::from_secs(3600);

/// So long a certificate stays that another process has ordered for other hosts: two gateways that share a store and do not
/// agree would take turns.
const TURN: Duration = Duration::from_secs(24 * 3600);

/// A certificate of the store, ready to be served.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) stored: Arc<Stored>,
    pub(super) managed: Managed,
}

impl Current {
    /// Makes one ready.
    pub(super) fn new(stored: Stored, spec: &CertSpec, place: PathBuf) -> Result<Self, tls::Problem> {
        let bundle = &stored.bundle;
        let managed = Managed::new(spec.name.as_str(), &bundle.chain, &bundle.key, place, &spec.config_key)?;
        Ok(Self { stored: Arc::new(stored), managed })
    }

    /// The newest of the store.
    pub(super) fn read(store: &dyn CertStore, spec: &CertSpec) -> Result<Option<Self>, Unread> {
        let Some(stored) = store.certificate(&spec.name)? else { return Ok(None) };
        let place = store.place(&spec.name);
        Self::new(stored, spec, place.clone().into()).map(Some).map_err(|problem| Unread::Unusable { place, problem })
    }

    pub(super) fn version(&self) -> u64 {
        self.stored.version
    }

    pub(super) fn meta(&self) -> &Meta {
        &self.stored.bundle.meta
    }

    /// When the next is due, and why then. `since` is when the configuration was taken up.
    pub(super) fn due(&self, wanted: &Wanted<'_>, window: Option<Window>, since: UnixTime) -> (UnixTime, Why) {
        let meta = self.meta();
        if let Some(at) = meta.revoked {
            return (at, Why::Revoked);
        }
        if wanted.differs(meta) {
            let at = if meta.issued < since { meta.issued } else { meta.issued.after(TURN) };
            return (at, Why::Changed);
        }
        let (at, why) = schedule::renewal(meta.not_before, meta.not_after, meta.spread, window);
        match why {
            Why::Window => {
                let lifetime = meta.not_before.until(meta.not_after);
                (at.max(meta.issued.after(BETWEEN.min(lifetime / 20))), why)
            }
            _ => (at, why),
        }
    }
}

/// What a certificate has to be like.
pub(super) struct Wanted<'a> {
    pub(super) cert: &'a CertSpec,
    pub(super) directory: &'a str,
}

impl Wanted<'_> {
    fn differs(&self, meta: &Meta) -> bool {
        let has = |host: &str| meta.hosts.iter().any(|there| there == host);
        let are_same = self.cert.hosts.len() == meta.hosts.len() && self.cert.hosts.iter().all(|h| has(h.as_str()));
        !are_same || meta.key_type != self.cert.key_type.name() || meta.directory != self.directory
    }
}

/// Why a certificate of the store is not served.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The store does not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is there and is none.
    #[error("{place} cannot be served; move it away, and it is made anew")]
    Unusable {
        /// Where.
        place: String,
        /// What is wrong with it.
        #[source]
        problem: tls::Problem,
    },
}
