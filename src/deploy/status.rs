//! The status of deployments, for metrics and the status page.

use crate::clock::UnixTime;
use crate::store::Name;

use super::Consumer;

/// The status of one `[[deploy]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployStatus {
    /// Where the configuration says so: `deploy[0]`.
    pub config_key: String,
    /// The certificate.
    pub certificate: Name,
    /// The kind of server.
    pub to: Consumer,
    /// When it was last deployed and, with `verify`, verified, since the start.
    pub done: Option<UnixTime>,
    /// Whether nothing has to be written, notified or verified.
    pub in_sync: bool,
    /// Successful deployments since the start.
    pub succeeded: u64,
    /// Failed deployments since the start.
    pub failed: u64,
    /// Failures since the last success.
    pub failures: u32,
    /// Why the last one failed.
    pub error: Option<String>,
    /// When the next attempt is made.
    pub next: Option<UnixTime>,
}
