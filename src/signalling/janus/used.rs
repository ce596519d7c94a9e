//! The sessions that a connection uses.

use std::collections::HashSet;
use std::sync::Arc;

use crate::signalling::Context;
use crate::signalling::owners::{Owner, Owners};

/// The sessions that a connection uses: of those that the client has, so at most as many as it may
/// have. Those of a client without a subject end with the connection.
#[derive(Debug, Default)]
pub(super) struct UsedSessions {
    /// Most connections and every request have one, which takes no memory of its own.
    one: Option<i64>,
    more: HashSet<i64>,
    ends: Option<(Owner, Arc<Owners>)>,
}

impl UsedSessions {
    /// A message names a session of the client, or has created one.
    pub(super) fn note(&mut self, session: i64, context: &Context<'_>) {
        if self.one == Some(session) {
            return;
        }
        if self.one.is_none() && !self.more.contains(&session) {
            self.one = Some(session);
        } else if !self.more.insert(session) {
            return;
        }
        if context.owner.is_connection() {
            let owners = || Arc::clone(&context.backend.owners);
            self.ends.get_or_insert_with(|| (context.owner, owners()));
        }
    }

    /// A session is over.
    pub(super) fn forget(&mut self, session: i64) {
        self.one = self.one.filter(|one| *one != session);
        self.more.remove(&session);
    }

    /// Keeps the sessions in use, and forgets those that have ended elsewhere.
    pub(super) fn keep(&mut self, context: &Context<'_>) {
        let owners = &context.backend.owners;
        let is_kept = |session: &i64| owners.keep(context.owner, *session, context.now);
        self.one = self.one.filter(is_kept);
        self.more.retain(is_kept);
    }

    /// The sessions.
    pub(super) fn iter(&self) -> impl Iterator<Item = i64> {
        self.one.iter().chain(&self.more).copied()
    }
}

impl Drop for UsedSessions {
    fn drop(&mut self) {
        if let Some((owner, owners)) = &self.ends {
            // No other connection has this owner.
            for session in self.iter() {
                owners.forget(*owner, session);
            }
        }
    }
}
