//! Requests whose answers change what belongs to whom.

use crate::signalling::owners::{Place, PluginName};

/// How many answers a connection may wait for.
pub(super) const MOST: usize = 64;

/// What to do when the answer comes.
#[derive(Debug)]
pub(super) enum Call {
    /// The session in the answer is the client's.
    Create(Place),
    /// The handle in the answer is attached to this plugin.
    Attach(Place, i64, PluginName),
    /// The session is over.
    Destroy(i64),
    /// The handle of the session is gone.
    Detach(i64, i64),
}
