//! The upstreams, policies and TURN servers that routes refer to.

use std::path::Path;
use std::sync::Arc;

use super::policies::NamedPolicy;
use super::turn::NamedTurn;
use super::upstreams::Upstream;
use crate::config::diagnostics::Diagnostics;
use crate::config::tables::RawDefaults;
use crate::policy::Policy;

/// The context of routes.
pub(super) struct Context<'a> {
    /// Whether clients with a server name that no certificate has are answered, or such whose
    /// server name another proxy has seen.
    pub(super) takes_any_host: bool,
    pub(super) upstreams: &'a [Upstream],
    pub(super) policies: &'a [NamedPolicy],
    pub(super) turns: &'a [NamedTurn],
    /// What routes inherit.
    pub(super) defaults: Option<&'a RawDefaults>,
    /// The default of `body`.
    pub(super) body_limit: u64,
    /// The folder that paths are relative to.
    pub(super) folder: &'a Path,
}

/// The names that routes refer to.
pub(super) struct Names<'a> {
    pub(super) context: &'a Context<'a>,
    /// The policy `"open"`, which no table declares.
    pub(super) open: Arc<Policy>,
    pub(super) diag: &'a Diagnostics<'a>,
}
