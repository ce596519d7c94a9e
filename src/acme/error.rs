//! Why an order led to no certificate, in words for the operator.

use std::fmt;
use std::time::Duration;

use instant_acme::Problem;

use super::client::ClientError;
use super::current::Unread;
use super::directory::NoDirectory;
use super::problem::{Said, is_server_trouble, type_of};
use super::schedule::RetryClass;
use super::self_check::Elsewhere;
use super::spec::ChallengeKind;
use crate::host::HostName;
use crate::secret::NoSecret;
use crate::store::StoreError;
use crate::tls;
use crate::tls::challenges::NoOffer;

/// Why an order did not lead to a certificate.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored certificate cannot be served.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// A dry run without a staging directory.
    #[error(
        "the running gateway has no directory to try things out with; write acme.staging and \
         reload it"
    )]
    NoStaging,
    /// `directory_ca` cannot be used.
    #[error(transparent)]
    Ca(#[from] tls::LoadError),
    /// The CA's directory cannot be fetched.
    #[error(transparent)]
    Directory(NoDirectory),
    /// A request to the CA failed.
    #[error(transparent)]
    Client(ClientError),
    /// The CA answered with a problem.
    #[error("{}", Said(.0))]
    Api(Problem),
    /// The CA could not validate a name.
    #[error("the CA refused {host} by {}: {}", .kind.name(), Said(.problem))]
    Refused {
        /// The name.
        host: HostName,
        /// The kind of challenge.
        kind: ChallengeKind,
        /// What the CA said.
        problem: Problem,
    },
    /// Another server answers the challenges.
    #[error("{}; the CA was not asked", Joined(.0))]
    Elsewhere(Vec<Elsewhere>),
    /// The staging directory refused what the CA would refuse.
    #[error("the CA was not asked again, as its staging directory was asked first: {0}")]
    Staging(Box<OrderError>),
    /// Every kind of challenge was refused.
    #[error("{}", EachKind(.0))]
    ByNoKind(Vec<OrderError>),
    /// The CA does not offer the kind of challenge.
    #[error(
        "the CA does not take {} for {host}; it offers {}",
        .kind.name(),
        .offered.escape_debug()
    )]
    NoChallenge {
        /// The name.
        host: String,
        /// The kind that was tried.
        kind: ChallengeKind,
        /// The kinds that the CA offers.
        offered: String,
    },
    /// The configuration names no challenge.
    #[error("acme.challenges is empty; write \"tls-alpn-01\" or \"http-01\"")]
    NoKind,
    /// The CA ended the order without a reason.
    #[error("the CA ended the order as {0} and did not say why")]
    Ended(String),
    /// The CA has not validated the names in time.
    #[error("the CA has not looked whether the names are ours in time; the order is still open")]
    Late,
    /// The CA needs longer to issue the certificate.
    #[error("the CA has not finished the order yet; it is asked again in {} s", .again.as_secs())]
    Unfinished {
        /// When the order is polled again.
        again: Duration,
    },
    /// The CA has not finished the order before it expired.
    #[error("the CA has not finished the order {0} in all the time that it had; a new one is made")]
    GivenUp(String),
    /// The certificate from the CA cannot be served.
    #[error("the certificate that came cannot be used")]
    Unusable(#[source] tls::Problem),
    /// The certificate from the CA lacks a host.
    #[error("the certificate that came does not name {0}")]
    LacksHost(HostName),
    /// The CA requires an external account.
    #[error(
        "the CA wants an account that you have with it; write \
         external_account = {{ key_id = \"…\", key_file = \"…\" }}"
    )]
    ExternalAccountRequired,
    /// The key of the external account cannot be read.
    #[error(transparent)]
    ExternalSecret(#[from] NoSecret),
    /// The key of the external account is malformed.
    #[error("the key of external_account is not base64url; copy it as the CA shows it")]
    ExternalKey,
    /// The CA does not offer the profile.
    #[error("the CA has no profile \"{wanted}\"; it has {}", .offered.escape_debug())]
    NoProfile {
        /// The configured profile.
        wanted: String,
        /// The profiles that the CA offers.
        offered: String,
    },
    /// The CA's renewal information is malformed.
    #[error("the CA's renewal information is not that of RFC 9773")]
    RenewalInfo(#[source] serde_json::Error),
    /// A private key could not be generated or read.
    #[error("a private key could not be made or read")]
    Key(#[source] rcgen::Error),
    /// The response to a challenge could not be generated.
    #[error(transparent)]
    Offer(#[from] NoOffer),
    /// Any other error of the ACME client.
    #[error("the exchange with the CA failed")]
    Exchange(#[source] instant_acme::Error),
    /// A blocking task was cancelled.
    #[error("the work was broken off")]
    Interrupted,
}

impl From<NoDirectory> for OrderError {
    fn from(error: NoDirectory) -> Self {
        Self::Directory(error)
    }
}

impl From<instant_acme::Error> for OrderError {
    fn from(error: instant_acme::Error) -> Self {
        match error {
            instant_acme::Error::Api(problem) => Self::Api(problem),
            instant_acme::Error::Timeout(_) => Self::Late,
            instant_acme::Error::Other(other) => match other.downcast::<ClientError>() {
                Ok(client) => Self::Client(*client),
                Err(other) => Self::Exchange(instant_acme::Error::Other(other)),
            },
            other => Self::Exchange(other),
        }
    }
}

impl OrderError {
    /// Combines the refusals of the challenges that were tried.
    pub(super) fn of_all(mut refusals: Vec<Self>) -> Self {
        match refusals.pop() {
            None => Self::NoKind,
            Some(only) if refusals.is_empty() => only,
            Some(last) => {
                refusals.push(last);
                Self::ByNoKind(refusals)
            }
        }
    }

    /// How soon it makes sense to order again.
    pub(super) fn retry_class(&self) -> RetryClass {
        match self {
            Self::Api(problem) if is_server_trouble(problem) => RetryClass::Transient,
            Self::Directory(_) | Self::Client(_) | Self::Exchange(_) | Self::Interrupted => {
                RetryClass::Transient
            }
            Self::Store(_) | Self::Unread(_) | Self::Ca(_) | Self::ExternalSecret(_) => {
                RetryClass::Transient
            }
            Self::Unusable(_) | Self::LacksHost(_) | Self::GivenUp(_) => RetryClass::Costly,
            error if error.is_rate_limit() => RetryClass::Costly,
            _ => RetryClass::Permanent,
        }
    }

    /// Whether the order can be resumed: the CA has not ended it.
    pub(super) fn leaves_order_open(&self) -> bool {
        match self {
            Self::Api(problem) => is_server_trouble(problem) || self.is_rate_limit(),
            Self::Directory(_) | Self::Client(_) | Self::Interrupted | Self::Store(_) => true,
            Self::Late | Self::Unfinished { .. } => true,
            _ => false,
        }
    }

    /// Whether the CA reported a problem of its own.
    pub(super) fn is_server_trouble(&self) -> bool {
        matches!(self, Self::Api(problem) if is_server_trouble(problem))
    }

    /// Whether something in the store is damaged, so that reading it again does not help.
    pub(super) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Unread(Unread::Unusable { .. } | Unread::Store(StoreError::Damaged { .. }))
                | Self::Store(StoreError::Damaged { .. })
        )
    }

    /// The version of the store that is whole and yet cannot be served.
    pub(super) fn unusable_version(&self) -> Option<u64> {
        match self {
            Self::Unread(Unread::Unusable { version, .. }) => Some(*version),
            _ => None,
        }
    }

    /// Whether a rate limit of the CA was hit.
    pub(super) fn is_rate_limit(&self) -> bool {
        self.word() == Some("rateLimited")
    }

    /// Whether the account's key cannot be read, so that the account is useless.
    pub(super) fn is_damaged_account(&self) -> bool {
        matches!(self, Self::Store(StoreError::Damaged { .. }) | Self::Key(_))
    }

    /// Whether another kind of challenge may succeed.
    pub(super) fn is_of_challenge(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::NoChallenge { .. } | Self::Ended(_)
        )
    }

    /// Whether the CA tried to validate a name and could not, by whatever kind of challenge.
    pub(super) fn is_failed_validation(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Ended(_) => true,
            Self::ByNoKind(all) => all.iter().any(Self::is_failed_validation),
            _ => false,
        }
    }

    /// Whether the CA has not heard of the order, so that it counts nothing.
    pub(super) fn is_before_the_ca(&self) -> bool {
        matches!(self, Self::Elsewhere(_) | Self::Staging(_))
    }

    /// The last part of the problem's type, such as `rateLimited`.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Api(problem) | Self::Refused { problem, .. } => type_of(problem),
            Self::ByNoKind(all) => all.last()?.word(),
            Self::Staging(refused) => refused.word(),
            _ => None,
        }
    }

    /// Whether the CA rejected one nonce after another.
    pub(super) fn is_of_nonce(&self) -> bool {
        self.word() == Some("badNonce")
    }

    /// Whether the CA no longer knows the account.
    pub(super) fn is_unknown_account(&self) -> bool {
        self.word() == Some("accountDoesNotExist")
    }

    /// Whether the certificate was already revoked.
    pub(super) fn is_revoked_already(&self) -> bool {
        self.word() == Some("alreadyRevoked")
    }

    /// Whether the CA may have rejected the order because of `replaces`. There is a type for a
    /// certificate that was replaced already; Let's Encrypt answers `malformed` for one that it
    /// does not know, and `unauthorized` for one of another account.
    pub(super) fn is_of_replaces(&self) -> bool {
        match self {
            Self::Api(problem) => {
                matches!(
                    type_of(problem),
                    Some("alreadyReplaced" | "conflict" | "malformed" | "unauthorized")
                )
            }
            Self::Exchange(error) => error.to_string().starts_with("replaces field mismatch"),
            _ => false,
        }
    }
}

struct Joined<'a>(&'a [Elsewhere]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.0.iter().enumerate() {
            write!(f, "{}{one}", if at == 0 { "" } else { "; and " })?;
        }
        Ok(())
    }
}

/// The refusal of each kind of challenge. A host that all refusals share is named once.
struct EachKind<'a>(&'a [OrderError]);

impl fmt::Display for EachKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut named = None;
        for (at, error) in self.0.iter().enumerate() {
            let and = if at == 0 { "" } else { "; and " };
            match error {
                OrderError::Refused {
                    host,
                    kind,
                    problem,
                } if named == Some(host) => {
                    write!(f, "{and}by {}: {}", kind.name(), Said(problem))?;
                }
                other => write!(f, "{and}{other}")?,
            }
            named = if let OrderError::Refused { host, .. } = error {
                Some(host)
            } else {
                None
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
