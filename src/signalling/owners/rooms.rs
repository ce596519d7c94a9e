//! The rooms that handles have entered.

use std::time::Instant;

use super::{Attached, Owner, Owners};
use crate::signalling::rules::{Entries, Entry, TooMany};

impl Owners {
    /// A client asks to enter a room with a handle of its session.
    ///
    /// # Errors
    /// If the handle has entered too many.
    pub fn enter(
        &self,
        owner: Owner,
        (session, handle): (i64, i64),
        entry: Entry,
    ) -> Result<(), TooMany> {
        let mut entered = Ok(());
        self.with_entries(owner, (session, handle), |entries| {
            entered = entries.add(entry);
        });
        entered
    }

    /// Changes the rooms of a handle, if the client has such a handle.
    pub fn with_entries(
        &self,
        owner: Owner,
        (session, handle): (i64, i64),
        change: impl FnOnce(&mut Entries),
    ) {
        let used = self.with_own(owner, session, |session| {
            if let Some(handle) = session.handles.get_mut(&handle) {
                change(&mut handle.attached.entered);
            }
            session.used
        });
        if let Some(used) = used {
            self.note_session(owner, session, used);
        }
    }

    /// What is found first in the handles of a client's session; none if it is not the client's.
    pub fn find_in_handles<T>(
        &self,
        owner: Owner,
        session: i64,
        find: impl FnMut(&Attached) -> Option<T>,
    ) -> Option<T> {
        let sessions = self.shard(session).lock();
        let session = sessions.get(&session);
        let session = session.filter(|session| session.place.owner() == owner)?;
        let mut handles = session.handles.values().map(|handle| &handle.attached);
        handles.find_map(find)
    }

    /// The client may have the handles of the session.
    pub fn note_checked(&self, owner: Owner, session: i64, now: Instant) {
        self.with_own(owner, session, |session| session.checked = now);
    }
}
