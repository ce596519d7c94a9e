//! A certificate as the table holds it.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use super::info::CertInfo;

/// One certificate with its key.
pub(super) struct CertEntry {
    pub(super) info: Arc<CertInfo>,
    pub(super) key: Arc<CertifiedKey>,
}

impl CertEntry {
    pub(super) fn new(info: CertInfo, key: CertifiedKey) -> Self {
        Self {
            info: Arc::new(info),
            key: Arc::new(key),
        }
    }

    pub(super) fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.key.cert.first()
    }
}
