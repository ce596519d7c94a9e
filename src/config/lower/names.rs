//! What routes refer to: the upstreams, policies and TURN servers of the rest of the file.

use std::path::Path;
use std::sync::Arc;

use super::access::NamedPolicy;
use super::turn::NamedTurn;
use super::upstreams::Upstream;
use crate::config::diagnostics::Diagnostics;
use crate::policy::Policy;

/// What the rest of the file gives to routes.
pub(super) struct Context<'a> {
    pub(super) upstreams: &'a [Upstream],
    pub(super) policies: &'a [NamedPolicy],
    pub(super) turns: &'a [NamedTurn],
    /// Where a route says nothing.
    pub(super) body_limit: u64,
    /// What paths are relative to.
    pub(super) folder: &'a Path,
}

/// What routes refer to.
pub(super) struct Names<'a> {
    pub(super) context: &'a Context<'a>,
    /// The policy `"open"`, which no table declares.
    pub(super) open: Arc<Policy>,
    pub(super) diag: &'a Diagnostics<'a>,
}
