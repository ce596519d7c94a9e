//! The state of each certificate, read from the store and from the servers that use it.

use std::sync::Arc;

use futures_util::future::join_all;
use ianitor::acme::{AcmeSpec, CertSpec};
use ianitor::deploy::{self, DeploySpec, DeployState};
use ianitor::store::folder::Folder;
use ianitor::store::{CertStore as _, OrderRecord, StoreError, Stored};

/// One certificate.
#[derive(Debug)]
pub(super) struct Row<'c> {
    pub(super) spec: &'c CertSpec,
    pub(super) stored: Result<Option<Stored>, StoreError>,
    pub(super) progress: Result<Option<OrderRecord>, StoreError>,
    pub(super) consumers: Vec<Target<'c>>,
}

/// A server that gets the certificate by `[[deploy]]`.
#[derive(Debug)]
pub(super) struct Target<'c> {
    pub(super) spec: &'c DeploySpec,
    /// `None` if there is no certificate yet.
    pub(super) state: Option<DeployState>,
}

impl Row<'_> {
    /// Whether everything in the store could be read.
    pub(super) fn is_readable(&self) -> bool {
        self.stored.is_ok() && self.progress.is_ok()
    }
}

impl Target<'_> {
    pub(super) fn is_in_sync(&self) -> bool {
        matches!(self.state, Some(DeployState::InSync))
    }

    pub(super) fn state(&self) -> String {
        self.state.as_ref().map_or_else(
            || "waits for the certificate".to_owned(),
            ToString::to_string,
        )
    }
}

/// All certificates of `[acme]`, in the order of the file.
pub(super) async fn rows<'c>(acme: &'c AcmeSpec, deploy: &'c [Arc<DeploySpec>]) -> Vec<Row<'c>> {
    let store = Folder::new(&acme.store);
    join_all(
        acme.certificates
            .iter()
            .map(|spec| row(&store, spec, deploy)),
    )
    .await
}

async fn row<'c>(store: &Folder, spec: &'c CertSpec, deploy: &'c [Arc<DeploySpec>]) -> Row<'c> {
    let (stored, progress) = (
        store.certificate(&spec.name),
        store.order_record(&spec.name),
    );
    let cert = stored.as_ref().ok().and_then(Option::as_ref);
    let of_this = deploy
        .iter()
        .filter(|target| target.certificate == spec.name);
    let consumers = join_all(of_this.map(|target| consumer(target, cert))).await;
    Row {
        spec,
        stored,
        progress,
        consumers,
    }
}

/// Compares the files first: without them the server cannot have the certificate.
async fn consumer<'c>(spec: &'c DeploySpec, cert: Option<&Stored>) -> Target<'c> {
    let state = match cert {
        None => None,
        Some(cert) => match deploy::state(spec, cert) {
            DeployState::InSync => Some(deploy::served(spec, cert).await),
            mismatch => Some(mismatch),
        },
    };
    Target { spec, state }
}
