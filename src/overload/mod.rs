//! When the gateway accepts no new work: its memory is nearly used up, or a worker cannot keep up.
//! What has been accepted before goes on.

mod lag;
mod memory;

pub use lag::{Lag, LagChange};
pub use memory::{Memory, MemoryChange, MemoryLevels, cgroup_limit, resident};

/// Why new work is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overload {
    /// The process has nearly as much memory as `limits.memory`.
    #[error("limits.memory is nearly reached")]
    Memory,
    /// The worker runs its tasks too late.
    #[error("the worker that serves the connection is overloaded")]
    Lag,
}
