//! Named sessions and objects, for the process that replaces this one.

use std::time::Instant;

use super::super::handed::Handed;
use super::{Holdings, Objects, Owner};

impl Objects {
    /// Everything that belongs to clients and not to a connection.
    pub(in crate::signalling::owners) fn hand_over(&self, now: Instant) -> Vec<Handed> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let clients = shard.iter().filter(|(owner, _)| !owner.is_connection());
            for (owner, holdings) in clients {
                let ids = holdings.sessions.keys();
                all.extend(ids.filter_map(|id| holdings.handed(*owner, id, now)));
            }
        }
        all
    }

    /// Notes when a session was used, if there is such a session of the client.
    pub(in crate::signalling::owners) fn refresh(
        &self,
        owner: Owner,
        session: &str,
        used: Instant,
    ) -> bool {
        let mut shard = self.shard(owner).lock();
        let holdings = shard.get_mut(&owner);
        let found = holdings.and_then(|holdings| holdings.sessions.get_mut(session));
        found.is_some_and(|session| {
            session.used = session.used.max(used);
            true
        })
    }

    /// Writes a session as it is now to the log of changes.
    pub(super) fn note(&self, owner: Owner, session: &str, now: Instant) {
        self.change_log.note(owner, || {
            let shard = self.shard(owner).lock();
            shard.get(&owner)?.handed(owner, session, now)
        });
    }
}

impl Holdings {
    fn handed(&self, owner: Owner, id: &str, now: Instant) -> Option<Handed> {
        let session = self.sessions.get(id)?;
        let used_here = self
            .roots
            .iter()
            .filter(|(_, root)| root.sessions.contains(&session.number));
        Some(Handed::Named {
            owner,
            id: id.into(),
            idle: now.saturating_duration_since(session.used),
            objects: used_here.map(|(object, _)| object.clone()).collect(),
        })
    }
}
