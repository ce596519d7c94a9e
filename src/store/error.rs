//! What can be wrong with a store, in words for the operator.

use std::io;

use crate::disk::Untrusted;

/// Why something cannot be read from the store, or kept in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store does not take what should be kept.
    #[error(
        "{place} cannot be written; let the user that runs ianitor write there, and see that there is room"
    )]
    Write {
        /// What, for people.
        place: String,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The store does not give what it has.
    #[error("{place} cannot be read; let the user that runs ianitor read it")]
    Read {
        /// What, for people.
        place: String,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// Somebody else decides where a part of the path leads.
    #[error("{place} is not used: {why}")]
    Untrusted {
        /// What, for people.
        place: String,
        /// Which part, whose it is, and what to do.
        why: Untrusted,
    },
    /// Something in the store is not what was put there.
    #[error("{place} is damaged: {what}; the running gateway makes it anew")]
    Damaged {
        /// What, for people.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// What should be changed is not there.
    #[error("there is no certificate at {place}; order one first")]
    Absent {
        /// Where it would be, for people.
        place: String,
    },
}
