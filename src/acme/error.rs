//! Why there is no certificate, in words for the operator: the CA's own, and what to do about it.

use std::fmt;
use std::time::Duration;

use instant_acme::Problem;

use super::ChallengeKind;
use super::client::ClientError;
use super::current::Unread;
use super::directory::NoDirectory;
use crate::host::HostName;
use crate::secret::NoSecret;
use crate::store::StoreError;
use crate::telemetry::escape::steers;
use crate::tls;
use crate::tls::challenges::NoOffer;

/// Why an order did not lead to a certificate.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The store does not take or give.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store gives is no certificate.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// There is nothing to try things out with.
    #[error(
        "the running gateway has no directory to try things out with; write acme.staging and reload it"
    )]
    NoStaging,
    /// The CA file.
    #[error(transparent)]
    Ca(#[from] tls::LoadError),
    /// The CA's directory.
    #[error(transparent)]
    Directory(NoDirectory),
    /// No answer of the CA.
    #[error(transparent)]
    Client(ClientError),
    /// The CA said no.
    #[error("{}", Said(.0))]
    Api(Problem),
    /// The CA could not verify that a name is ours.
    #[error("the CA refused {host} by {}: {}", .kind.name(), Said(.problem))]
    Refused {
        /// The name.
        host: HostName,
        /// By which challenge.
        kind: ChallengeKind,
        /// Its words.
        problem: Problem,
    },
    /// By none of the challenges, of which there are several.
    #[error("{}", EachKind(.0))]
    ByNoKind(Vec<OrderError>),
    /// The CA wants a name proved in other ways.
    #[error("the CA does not take {} for {host}; it offers {}", .kind.name(), .offered.escape_debug())]
    NoChallenge {
        /// The name.
        host: String,
        /// What we would have answered.
        kind: ChallengeKind,
        /// What it would take.
        offered: String,
    },
    /// The configuration names no challenge.
    #[error("acme.challenges is empty; write \"tls-alpn-01\" or \"http-01\"")]
    NoKind,
    /// The CA wants no proof and gives no certificate.
    #[error("the CA ended the order as {0} and did not say why")]
    Ended(String),
    /// The CA does not look at the names.
    #[error("the CA has not looked whether the names are ours in time; the order is still open")]
    Late,
    /// It signs the certificate, and that takes longer.
    #[error("the CA has not finished the order yet; it is asked again in {} s", .again.as_secs())]
    Unfinished {
        /// When it is asked again.
        again: Duration,
    },
    /// It never came to an end.
    #[error("the CA has not finished the order {0} in all the time that it had; a new one is made")]
    GivenUp(String),
    /// What the CA gave cannot be served.
    #[error("the certificate that came cannot be used")]
    Unusable(#[source] tls::Problem),
    /// What the CA gave is for others.
    #[error("the certificate that came does not name {0}")]
    LacksHost(HostName),
    /// The CA takes nobody whom it does not know.
    #[error(
        "the CA wants an account that you have with it; write external_account = {{ key_id = \"…\", key_file = \"…\" }}"
    )]
    ExternalAccountRequired,
    /// The key of the external account.
    #[error(transparent)]
    ExternalSecret(#[from] NoSecret),
    /// The key of the external account is not what CAs give.
    #[error("the key of external_account is not base64url; copy it as the CA shows it")]
    ExternalKey,
    /// The CA has other profiles.
    #[error("the CA has no profile \"{wanted}\"; it has {}", .offered.escape_debug())]
    NoProfile {
        /// What was asked for.
        wanted: String,
        /// What there is.
        offered: String,
    },
    /// What the CA says about renewals is not what RFC 9773 has.
    #[error("the CA's renewal information is not that of RFC 9773")]
    RenewalInfo(#[source] serde_json::Error),
    /// A key could not be made or read.
    #[error("a private key could not be made or read")]
    Key(#[source] rcgen::Error),
    /// The answer to a challenge could not be made.
    #[error(transparent)]
    Offer(#[from] NoOffer),
    /// Anything else between the CA and us.
    #[error("the exchange with the CA failed")]
    Exchange(#[source] instant_acme::Error),
    /// Work of ours ended in the middle.
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

/// How soon it is worth to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The CA or the way to it is down: soon.
    Away,
    /// The CA limits how often it is asked, and has said for how long.
    Limited,
    /// Somebody has to do something: soon at first, as they may be at it, then late, for CAs count
    /// how often they are asked.
    Refused,
    /// It has cost what CAs give seldom, a certificate above all: late.
    Counted,
}

impl OrderError {
    /// What became of the challenges that were tried.
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

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Api(problem) if is_server_trouble(problem) => Kind::Away,
            Self::Directory(_) | Self::Client(_) | Self::Exchange(_) | Self::Interrupted => {
                Kind::Away
            }
            Self::Store(_) | Self::Unread(_) | Self::Ca(_) | Self::ExternalSecret(_) => Kind::Away,
            Self::Unusable(_) | Self::LacksHost(_) | Self::GivenUp(_) => Kind::Counted,
            error if error.is_rate_limit() => Kind::Counted,
            _ => Kind::Refused,
        }
    }

    /// Whether the order may be gone on with after this: the CA has not ended it.
    pub(super) fn leaves_order_open(&self) -> bool {
        match self {
            Self::Api(problem) => is_server_trouble(problem) || self.is_rate_limit(),
            Self::Directory(_) | Self::Client(_) | Self::Interrupted | Self::Store(_) => true,
            Self::Late | Self::Unfinished { .. } => true,
            _ => false,
        }
    }

    /// Whether the CA has answered with trouble of its own.
    pub(super) fn is_server_trouble(&self) -> bool {
        matches!(self, Self::Api(problem) if is_server_trouble(problem))
    }

    /// Whether what the store has cannot be used as it is, whoever reads it.
    pub(super) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Unread(Unread::Unusable { .. } | Unread::Store(StoreError::Damaged { .. }))
                | Self::Store(StoreError::Damaged { .. })
        )
    }

    /// Whether the CA limits how often it is asked.
    pub(super) fn is_rate_limit(&self) -> bool {
        self.word() == Some("rateLimited")
    }

    /// Whether the account's key cannot be read, so that nothing can be asked for in its name.
    pub(super) fn is_damaged_account(&self) -> bool {
        matches!(self, Self::Store(StoreError::Damaged { .. }) | Self::Key(_))
    }

    /// Whether another challenge may do what this one did not.
    pub(super) fn is_of_challenge(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::NoChallenge { .. } | Self::Ended(_)
        )
    }

    /// The last part of the problem's type.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Api(problem) | Self::Refused { problem, .. } => type_of(problem),
            Self::ByNoKind(all) => all.last()?.word(),
            _ => None,
        }
    }

    /// Whether the CA did not take one nonce after another.
    pub(super) fn is_of_nonce(&self) -> bool {
        self.word() == Some("badNonce")
    }

    /// Whether the CA does not know our account.
    pub(super) fn is_unknown_account(&self) -> bool {
        self.word() == Some("accountDoesNotExist")
    }

    /// Whether the certificate was taken back before.
    pub(super) fn is_revoked_already(&self) -> bool {
        self.word() == Some("alreadyRevoked")
    }

    /// Whether the CA may not want to hear which certificate this one replaces. It has a word for
    /// one that was replaced already; Let's Encrypt says `malformed` of one that it does not know,
    /// and `unauthorized` of that of another account.
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

fn type_of(problem: &Problem) -> Option<&str> {
    problem
        .r#type
        .as_deref()
        .map(|text| text.rsplit(':').next().unwrap_or(text))
}

fn is_server_trouble(problem: &Problem) -> bool {
    let is_passing = matches!(
        type_of(problem),
        Some("serverInternal" | "badNonce" | "accountDoesNotExist" | "orderNotReady")
    );
    is_passing || problem.status.is_some_and(|status| status >= 500)
}

/// What became of each challenge. The name is told once, if it is one.
struct EachKind<'a>(&'a [OrderError]);

impl fmt::Display for EachKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = None;
        for (at, error) in self.0.iter().enumerate() {
            let and = if at == 0 { "" } else { "; and " };
            match error {
                OrderError::Refused {
                    host,
                    kind,
                    problem,
                } if told == Some(host) => {
                    write!(f, "{and}by {}: {}", kind.name(), Said(problem))?;
                }
                other => write!(f, "{and}{other}")?,
            }
            told = if let OrderError::Refused { host, .. } = error {
                Some(host)
            } else {
                None
            };
        }
        Ok(())
    }
}

/// A problem in the CA's words, as far as they fit into a log and a terminal.
pub(super) struct Said<'a>(pub(super) &'a Problem);

/// So many characters of each of its sentences are told, and so many of the parts.
const LONGEST: usize = 1000;
const MOST: usize = 20;

/// Without what would be more than text on a terminal.
fn plain(text: &str) -> String {
    text.chars()
        .take(LONGEST)
        .map(|c| if steers(c) { ' ' } else { c })
        .collect()
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            detail,
            status,
            subproblems,
            ..
        } = self.0;
        match (detail.as_deref().map(plain), type_of(self.0).map(plain)) {
            (Some(detail), Some(word)) => write!(f, "{detail:?} ({word})")?,
            (Some(detail), None) => write!(f, "{detail:?}")?,
            (None, Some(word)) => f.write_str(&word)?,
            (None, None) => write!(f, "status {}", status.unwrap_or(0))?,
        }
        for sub in subproblems.iter().take(MOST) {
            write!(f, "; {}", plain(&sub.to_string()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
