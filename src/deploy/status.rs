//! What there is to be seen of deployments, for metrics, the status page and `ianitor certs`.

use crate::clock::UnixTime;
use crate::store::Name;

use super::Consumer;

/// What a `[[deploy]]` has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployStatus {
    /// Where the configuration says so: `deploy[0]`.
    pub config_key: String,
    /// The certificate.
    pub certificate: Name,
    /// For whom it is.
    pub to: Consumer,
    /// When it was last brought there and, where that is asked for, verified; since the start.
    pub done: Option<UnixTime>,
    /// Whether the target has what it should: nothing has to be written, told or verified.
    pub in_sync: bool,
    /// Deployments that went well, since the start.
    pub succeeded: u64,
    /// Deployments that did not, since the start.
    pub failed: u64,
    /// How many have failed since the last that went well.
    pub failures: u32,
    /// What the last one failed of.
    pub error: Option<String>,
    /// When it is tried again.
    pub next: Option<UnixTime>,
}
