//! What a verification needs to know, and how it can fail.

use std::sync::Arc;
use std::time::Duration;

use super::cache::TokenCache;
use super::failures::{AuthFailures, FailureKey};
use crate::addr::ClientAddr;
use crate::limits::Limits;
use crate::policy::Denied;
use crate::token::issuer::Issuer;
use crate::token::location::Located;

/// What a verification needs beside the token and the rule. Everything is borrowed: a context costs
/// nothing to make.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// The tokens that this worker has verified.
    pub cache: &'c TokenCache,
    /// The failures of all clients.
    pub failures: &'c AuthFailures,
    /// The issuers in force; rules name them by their index.
    pub issuers: &'c [Arc<Issuer>],
    /// The limits in force.
    pub limits: &'c Limits,
    /// The client that sent the token.
    pub client: ClientAddr,
    /// Whether the client's address is on the policy's allow list. Such a client is counted apart
    /// from others of its network.
    pub is_listed: bool,
}

impl Context<'_> {
    /// Whether a token is longer than `limits.token`.
    pub(super) fn is_too_long(&self, token: &Located<'_>) -> bool {
        token.text.len() as u64 > self.limits.token
    }

    /// How the client's failures are counted; `None` if they are not.
    pub(super) fn failure_key(&self) -> Option<FailureKey> {
        FailureKey::new(self.client, self.is_listed, self.limits)
    }

    /// Counts a forged token or a wrong API key, and rejects it after a delay that grows with the
    /// count. A client that is over its limit, and has to wait for `too_many`, is rejected at once
    /// and not counted further.
    pub(super) async fn forged(&self, why: Denied, too_many: Option<Duration>) -> Failure {
        match self.count(too_many).await {
            Ok(()) => Failure::Denied(why),
            Err(wait) => Failure::TooMany(wait),
        }
    }

    /// Counts a failure, and waits for as long as its answer is delayed.
    ///
    /// # Errors
    /// How long the client has to wait, if it is over its limit.
    pub(super) async fn count(&self, too_many: Option<Duration>) -> Result<(), Duration> {
        if let Some(wait) = too_many {
            return Err(wait);
        }
        let rate = self.limits.bad_tokens_per_client;
        tokio::time::sleep(self.failures.count(self.failure_key(), rate)).await;
        Ok(())
    }

    /// How long the client has to wait before another failure of it is answered, if it is over its
    /// limit.
    pub(super) fn too_many(&self) -> Option<Duration> {
        let rate = self.limits.bad_tokens_per_client;
        self.failures.check(self.failure_key(), rate).err()
    }
}

/// Why a token or an API key is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is not valid.
    Denied(Denied),
    /// The client has sent too many forged ones (`limits.bad_tokens_per_client`), and has to wait
    /// this long.
    TooMany(Duration),
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}
