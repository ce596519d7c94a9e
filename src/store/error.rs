//! Errors of a store. Each message tells the operator what to do.

use std::io;
use std::path::Path;

use crate::disk::Untrusted;

/// Why something cannot be read from the store or written to it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Writing failed.
    #[error(
        "{place} cannot be written; let the user that runs ianitor write there, and see that there \
         is room"
    )]
    Write {
        /// What it is about, for messages.
        place: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Reading failed.
    #[error("{place} cannot be read; let the user that runs ianitor read it")]
    Read {
        /// What it is about, for messages.
        place: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Another user controls where a part of the path leads.
    #[error("{place} is not used: {why}")]
    Untrusted {
        /// What it is about, for messages.
        place: String,
        /// Which part, who owns it, and what to do.
        why: Untrusted,
    },
    /// The content of the store is not what was written.
    #[error("{place} is damaged: {what}; the running gateway replaces it")]
    Damaged {
        /// What it is about, for messages.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is no certificate to change.
    #[error("there is no certificate at {place}; order one first")]
    Absent {
        /// Where it would be, for messages.
        place: String,
    },
}

/// An error of writing at this path.
pub(super) fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let place = path.display().to_string();
    move |error| match Untrusted::of(error) {
        Ok(why) => StoreError::Untrusted { place, why },
        Err(cause) => StoreError::Write { place, cause },
    }
}

/// An error of reading at this path.
pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let place = path.display().to_string();
    move |error| match Untrusted::of(error) {
        Ok(why) => StoreError::Untrusted { place, why },
        Err(cause) => StoreError::Read { place, cause },
    }
}
