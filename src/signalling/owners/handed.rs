//! Whose sessions there are, for the process that replaces this one.
//!
//! Everything is handed over once ([`Owners::hand_over`]), and from then on what changes
//! ([`ChangeLog`]): requests that are still served here create sessions that clients then use
//! there. Sessions that end with a connection stay with it, in this process.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use serde::{Deserialize, Serialize};

use super::{Attached, Handle, Owner, Owners, Session};
use crate::signalling::rules::{Entries, Entry, RoomId};

/// One thing that belongs to a client, or one that does not exist any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handed {
    /// A session with its handles.
    Session {
        /// Whose it is.
        owner: Owner,
        /// Its id.
        id: i64,
        /// How long it has not been used.
        idle: Duration,
        /// Its handles, all of them.
        handles: Vec<HandedHandle>,
    },
    /// A session that is still used, though perhaps only by a connection of the old process.
    Used {
        /// Whose it is.
        owner: Owner,
        /// Its id.
        id: i64,
        /// How long it has not been used.
        idle: Duration,
    },
    /// The same of one that has a text as its id.
    NamedUsed {
        /// Whose it is.
        owner: Owner,
        /// Its id.
        id: Box<str>,
        /// How long it has not been used.
        idle: Duration,
    },
    /// A session that has ended.
    Ended {
        /// Whose it was.
        owner: Owner,
        /// Its id.
        id: i64,
    },
    /// A session that has a text as its id, with the objects that have been used in it.
    Named {
        /// Whose it is.
        owner: Owner,
        /// Its id.
        id: Box<str>,
        /// How long it has not been used.
        idle: Duration,
        /// The objects.
        objects: Vec<Box<str>>,
    },
    /// A resource of WHIP or WHEP.
    Resource {
        /// Whose it is.
        owner: Owner,
        /// Its path, as the server has written it.
        path: Box<str>,
        /// The parameters of its query.
        parameters: Vec<(String, String)>,
        /// Whether it is the URL that took the offer, or one above it.
        is_endpoint: bool,
        /// How long it has not been used.
        idle: Duration,
    },
}

/// A handle of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandedHandle {
    id: i64,
    plugin: String,
    rooms: Vec<HandedRoom>,
    is_leaving: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct HandedRoom {
    request: String,
    ptype: Option<String>,
    room: HandedRoomId,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum HandedRoomId {
    Number(i64),
    Text(Box<str>),
}

/// Writes a change.
type Write = Box<dyn Fn(Handed) + Send + Sync>;

/// Where what changes is written from the hand-over on.
#[derive(Default)]
pub(super) struct ChangeLog(ArcSwapOption<Write>);

impl fmt::Debug for ChangeLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeLog")
    }
}

impl ChangeLog {
    /// Writes a change, if another process wants to know of it and it is not bound to a connection.
    pub(super) fn note(&self, owner: Owner, change: impl FnOnce() -> Option<Handed>) {
        if owner.is_connection() {
            return;
        }
        if let Some(write) = &*self.0.load()
            && let Some(change) = change()
        {
            write(change);
        }
    }
}

impl Owners {
    /// Calls this, and nothing that was given before, with each change from now on.
    pub fn write_changes(&self, write: impl Fn(Handed) + Send + Sync + 'static) {
        self.change_log.0.store(Some(Arc::new(Box::new(write))));
    }

    /// Everything that belongs to clients and not to a connection.
    pub fn hand_over(&self, now: Instant) -> Vec<Handed> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let sessions = shard.lock();
            let handed = sessions
                .iter()
                .map(|(id, session)| session.handed(*id, now));
            all.extend(handed.flatten());
        }
        all.extend(self.objects.hand_over(now));
        all.extend(self.resources.hand_over(now));
        all
    }

    /// The sessions that there still are, with how long they have not been used. What is in them
    /// may have changed in the other process meanwhile.
    pub fn used(&self, now: Instant) -> Vec<Handed> {
        let all = self.hand_over(now).into_iter();
        let used = all.filter_map(|handed| match handed {
            Handed::Session {
                owner, id, idle, ..
            } => Some(Handed::Used { owner, id, idle }),
            Handed::Named {
                owner, id, idle, ..
            } => Some(Handed::NamedUsed { owner, id, idle }),
            _ => None,
        });
        used.collect()
    }

    /// Notes when a session was used, if there is such a session of the client.
    fn refresh(&self, owner: Owner, id: i64, used: Instant) -> bool {
        let known = self.with_own(owner, id, |session| session.used = session.used.max(used));
        known.is_some()
    }

    /// Takes what another process hands over. What has no place here, because another client has
    /// it or there are too many, is left out.
    pub fn take(&self, handed: Handed, now: Instant) {
        match handed {
            Handed::Session {
                owner,
                id,
                idle,
                handles,
            } => self.take_session((owner, id), handles, before(now, idle)),
            Handed::Used { owner, id, idle } => _ = self.refresh(owner, id, before(now, idle)),
            Handed::NamedUsed { owner, id, idle } => {
                self.objects.refresh(owner, &id, before(now, idle));
            }
            Handed::Ended { owner, id } => self.forget(owner, id),
            Handed::Named {
                owner,
                id,
                idle,
                objects,
            } => self.take_named((owner, &id), &objects, before(now, idle)),
            Handed::Resource {
                owner,
                path,
                parameters,
                is_endpoint,
                idle,
            } => {
                let used = before(now, idle);
                self.resources
                    .take(owner, path, parameters, (is_endpoint, used));
            }
        }
    }

    fn take_session(&self, (owner, id): (Owner, i64), handed: Vec<HandedHandle>, used: Instant) {
        if !self.refresh(owner, id, used) {
            let Ok(place) = self.reserve_session(owner) else {
                return;
            };
            self.created(place, id, used);
        }
        let mut handles = Vec::new();
        for handle in handed {
            let Some(place) = self.reserve_handle(owner) else {
                break;
            };
            let attached = Attached {
                entered: handle.entered(),
                plugin: handle.plugin.into(),
            };
            handles.push((handle.id, Handle { attached, place }));
        }
        self.with_own(owner, id, |session| session.handles.extend(handles));
    }

    fn take_named(&self, (owner, id): (Owner, &str), objects: &[Box<str>], used: Instant) {
        if !self.objects.refresh(owner, id, used) {
            let Ok(place) = self.reserve_session(owner) else {
                return;
            };
            self.objects.session_created(place, id, used);
        }
        for object in objects {
            if self.objects.has_object(owner, Some(id), object) {
                continue;
            }
            if let Some(place) = self.reserve_handle(owner) {
                self.objects.object_created(place, id, object);
            }
        }
    }

    /// Writes a session as it is now to the log of changes.
    pub(super) fn note_session(&self, owner: Owner, id: i64, now: Instant) {
        self.change_log.note(owner, || {
            let sessions = self.shard(id).lock();
            let session = sessions.get(&id)?;
            session.handed(id, now)
        });
    }
}

/// The time so long before another; that one where the machine was not running yet.
pub(super) fn before(now: Instant, idle: Duration) -> Instant {
    now.checked_sub(idle).unwrap_or(now)
}

impl Session {
    fn handed(&self, id: i64, now: Instant) -> Option<Handed> {
        let owner = self.place.owner();
        let handles = self.handles.iter();
        (!owner.is_connection()).then(|| Handed::Session {
            owner,
            id,
            idle: now.saturating_duration_since(self.used),
            handles: handles
                .map(|(id, handle)| HandedHandle::of(*id, &handle.attached))
                .collect(),
        })
    }
}

impl HandedHandle {
    fn of(id: i64, attached: &Attached) -> Self {
        let rooms = attached.entered.iter().map(|entry| HandedRoom {
            request: entry.request.to_owned(),
            ptype: entry.ptype.map(str::to_owned),
            room: match &entry.room {
                RoomId::Number(number) => HandedRoomId::Number(*number),
                RoomId::Text(text) => HandedRoomId::Text(text.clone()),
            },
        });
        Self {
            id,
            plugin: attached.plugin.to_string(),
            rooms: rooms.collect(),
            is_leaving: attached.entered.is_leaving(),
        }
    }

    /// The rooms. One that a request of another version has entered is left out, and with it what
    /// it allows.
    fn entered(&self) -> Entries {
        let rooms = self.rooms.iter().filter_map(|handed| {
            let ptype = handed.ptype.as_deref().map(Entry::word);
            Some(Entry {
                request: Entry::word(&handed.request)?,
                ptype: match ptype {
                    Some(ptype) => Some(ptype?),
                    None => None,
                },
                room: match &handed.room {
                    HandedRoomId::Number(number) => RoomId::Number(*number),
                    HandedRoomId::Text(text) => RoomId::Text(text.clone()),
                },
            })
        });
        Entries::restored(rooms, self.is_leaving)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, ResourceLookup, ResourcePath};
    use super::*;
    use crate::clock;

    /// What another process has of this, after it has gone through the channel.
    fn handed_over(owners: &Owners, now: Instant) -> Arc<Owners> {
        let other = Owners::new(Limits::default());
        take(&other, &owners.hand_over(now), now);
        other
    }

    fn take(other: &Owners, handed: &[Handed], now: Instant) {
        let text = serde_json::to_string(handed).unwrap();
        for handed in serde_json::from_str::<Vec<Handed>>(&text).unwrap() {
            other.take(handed, now);
        }
    }

    fn entry() -> Entry {
        Entry {
            request: "join",
            ptype: Some("publisher"),
            room: RoomId::Number(1234),
        }
    }

    #[test]
    fn sessions_handles_and_rooms_stay_whose_they_are() {
        let (owners, now) = (Owners::new(Limits::default()), clock::monotonic());
        let alice = Owner::of_subject("staff", "alice");
        let mallory = Owner::of_subject("staff", "mallory");
        let connection = Owner::of_connection(7);
        for (owner, session) in [(alice, 1), (connection, 2)] {
            owners.created(owners.reserve_session(owner).unwrap(), session, now);
            let place = owners.reserve_handle(owner).unwrap();
            owners.attached(place, session, 10, "janus.plugin.videoroom".into());
            owners.enter(owner, (session, 10), entry()).unwrap();
        }
        let other = handed_over(&owners, now);
        let found = other.find(alice, 1, Some(10), now).unwrap();
        assert_eq!(
            found.handle,
            owners.find(alice, 1, Some(10), now).unwrap().handle
        );
        assert!(other.find(mallory, 1, Some(10), now).is_err());
        assert!(other.find(connection, 2, None, now).is_err());
        assert_eq!((other.sessions(), other.handles()), (1, 1));
        // That it is still used changes nothing in it.
        other.with_entries(alice, (1, 10), Entries::clear);
        take(&other, &owners.used(now), now);
        let found = other.find(alice, 1, Some(10), now).unwrap();
        assert!(found.handle.unwrap().entered.is_empty());
        // Once more: nothing is counted twice.
        take(&other, &owners.hand_over(now), now);
        assert_eq!((other.sessions(), other.handles()), (1, 1));
    }

    #[test]
    fn named_sessions_objects_and_resources_stay_whose_they_are() {
        let (owners, now) = (Owners::new(Limits::default()), clock::monotonic());
        let alice = Owner::of_subject("staff", "alice");
        let mallory = Owner::of_subject("staff", "mallory");
        let (objects, resources) = (owners.objects(), owners.resources());
        objects.session_created(owners.reserve_session(alice).unwrap(), "s", now);
        objects.object_created(owners.reserve_handle(alice).unwrap(), "s", "pipeline");
        let resource = ResourcePath {
            path: "/whip/1",
            query: Some("id=A"),
        };
        resources.created(alice, "/whip", resource, now);
        let other = handed_over(&owners, now);
        assert!(other.objects().has_session(alice, "s", now));
        assert!(other.objects().has_object(alice, None, "pipeline/x"));
        assert!(!other.objects().has_object(mallory, None, "pipeline"));
        let found = |owner| other.resources().find(owner, resource, now);
        assert!(matches!(found(alice), ResourceLookup::Own(_)));
        assert_eq!(found(mallory), ResourceLookup::OfAnother);
    }

    #[test]
    fn what_changes_after_the_hand_over_follows() {
        let (owners, now) = (Owners::new(Limits::default()), clock::monotonic());
        let alice = Owner::of_subject("staff", "alice");
        let (change_log, changes) = std::sync::mpsc::channel();
        owners.write_changes(move |change| change_log.send(change).unwrap());
        let other = handed_over(&owners, now);
        let follow = || {
            let mut handed = Vec::new();
            while let Ok(change) = changes.try_recv() {
                handed.push(change);
            }
            take(&other, &handed, now);
        };
        owners.created(owners.reserve_session(alice).unwrap(), 1, now);
        let place = owners.reserve_handle(alice).unwrap();
        owners.attached(place, 1, 10, "janus.plugin.videoroom".into());
        owners.enter(alice, (1, 10), entry()).unwrap();
        owners
            .objects()
            .session_created(owners.reserve_session(alice).unwrap(), "s", now);
        follow();
        let found = other.find(alice, 1, Some(10), now).unwrap();
        assert!(!found.handle.unwrap().entered.is_empty());
        assert!(other.objects().has_session(alice, "s", now));
        owners.forget(alice, 1);
        follow();
        assert!(other.find(alice, 1, None, now).is_err());
    }
}
