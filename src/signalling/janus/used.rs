//! The sessions that a connection uses.

use std::sync::Arc;

use crate::signalling::Context;
use crate::signalling::owners::{Owner, Owners};

/// How many sessions of a subject a connection remembers. Those beyond are looked at when a message
/// names them.
const MOST: usize = 64;

/// The sessions that a connection uses. Those of a client without a subject end with it.
#[derive(Debug, Default)]
pub(super) struct UsedSessions {
    /// The one that was used first is the first.
    sessions: Vec<i64>,
    ends: Option<(Owner, Arc<Owners>)>,
}

impl UsedSessions {
    /// A message names a session of the client, or has created one.
    pub(super) fn note(&mut self, session: i64, context: &Context<'_>) {
        // Most connections have one.
        if self.sessions.contains(&session) {
            return;
        }
        if context.owner.is_connection() {
            // As many as a client may have.
            let owners = || Arc::clone(&context.backend.owners);
            self.ends.get_or_insert_with(|| (context.owner, owners()));
        } else if self.sessions.len() >= MOST {
            self.sessions.remove(0);
        }
        self.sessions.push(session);
    }

    /// A session is over.
    pub(super) fn forget(&mut self, session: i64) {
        self.sessions.retain(|used| *used != session);
    }

    /// The sessions.
    pub(super) fn iter(&self) -> impl Iterator<Item = i64> {
        self.sessions.iter().copied()
    }
}

impl Drop for UsedSessions {
    fn drop(&mut self) {
        if let Some((owner, owners)) = &self.ends {
            // No other connection has this owner.
            for session in &self.sessions {
                owners.forget_of(*owner, *session);
            }
        }
    }
}
