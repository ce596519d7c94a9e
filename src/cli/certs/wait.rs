//! `ianitor certs --wait`: for scripts that need the certificates.

use std::time::Duration;

use ianitor::acme::AcmeSpec;
use ianitor::clock::{self, UnixTime};
use ianitor::store::folder::Folder;
use ianitor::store::{CertStore, StoreError};

/// How often the store is read.
const LOOK: Duration = Duration::from_millis(500);

/// Waits until every certificate is in the store. `false`: not in time.
pub(super) async fn wait(acme: &AcmeSpec, longest: Duration) -> bool {
    let (store, end) = (Folder::new(&acme.store), clock::monotonic() + longest);
    let mut is_announced = false;
    loop {
        // The table reports what cannot be read.
        let Ok(missing) = missing(&store, acme) else {
            return false;
        };
        if missing.is_empty() {
            return true;
        }
        let left = end.saturating_duration_since(clock::monotonic());
        if left.is_zero() {
            return false;
        }
        if !std::mem::replace(&mut is_announced, true) {
            crate::cli::output::complain(&format!("waiting for {}\n", missing.join(", ")));
        }
        tokio::time::sleep(LOOK.min(left)).await;
    }
}

/// The names of certificates that are missing or not as configured. A damaged one counts as
/// missing, since the gateway orders it again.
fn missing<'a>(store: &dyn CertStore, acme: &'a AcmeSpec) -> Result<Vec<&'a str>, StoreError> {
    let (now, mut missing) = (UnixTime::now(), Vec::new());
    for cert in &acme.certificates {
        let is_there = match store.certificate(&cert.name) {
            Ok(there) => {
                there.is_some_and(|there| acme.is_fulfilled_by(cert, &there.bundle.meta, now))
            }
            Err(StoreError::Damaged { .. }) => false,
            Err(error) => return Err(error),
        };
        if !is_there {
            missing.push(cert.name.as_str());
        }
    }
    Ok(missing)
}
