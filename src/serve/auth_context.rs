//! What `auth` is asked with, and what its failures mean to a request.

use super::Inbound;
use super::reject::Rejection;
use crate::auth::{self, Failure};

/// What `auth` needs to know about a request. `is_listed`: the client's address is on the policy's
/// allow list.
pub(super) fn context(inbound: &Inbound, is_listed: bool) -> auth::Context<'_> {
    let (snapshot, worker) = (&inbound.view.snapshot, &inbound.conn.worker);
    auth::Context {
        cache: &worker.tokens,
        failures: &worker.shared.auth_failures,
        issuers: &snapshot.issuers,
        limits: &snapshot.limits,
        client: inbound.client,
        is_listed,
    }
}

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Denied(denied) => denied.into(),
            Failure::TooMany(wait) => Self::BadTokens(wait),
        }
    }
}
