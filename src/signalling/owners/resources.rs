//! Whose resources there are at a server of WHIP and WHEP (RFC 9725): URLs that the server has
//! given to those who have sent an offer.
//!
//! A resource is known by its path at the server, and stands for everything below it. Servers read
//! the case of letters, a slash at the end and parameters (`;x`) in different ways, so that a path
//! that differs from one of another client only in these is refused, unless the server has given
//! the client exactly it. The very path that the server gives again is the newer client's.
//!
//! Where the server's URL has a query, a request is for the resource if it has all of its
//! parameters, in any order and encoding, whatever others it has.
//!
//! Some servers answer every offer with the same `Location`: the URL that the offer was sent to, or
//! one above it. They know by the token which stream a request is for. There, that URL is the
//! resource of each client that has sent an offer, and others may still send theirs to it.

mod found;
mod handed;
mod path;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Owner;
use super::handed::ChangeLog;
use super::quota::{Place, Quota};
use found::{Found, note};
pub use path::ResourcePath;
use path::{Asked, Parameter, Parameters};

/// The longest name in bytes that is remembered.
const LONGEST: usize = 2048;

/// How often all resources are looked through.
const SWEEP_PERIOD: Duration = Duration::from_secs(600);

/// The resources of one upstream. Where there are too many, the oldest ones are forgotten.
#[derive(Debug)]
pub struct Resources {
    /// How long a resource is remembered after its last request.
    idle: Duration,
    most_per_owner: usize,
    quota: Arc<Quota>,
    /// One lock for all: a stream takes a few requests in its whole life.
    state: Mutex<State>,
    change_log: Arc<ChangeLog>,
}

#[derive(Debug, Default)]
struct State {
    resources: HashMap<u64, Resource>,
    /// The numbers of those of each client, which grow with time.
    by_owner: HashMap<Owner, BTreeSet<u64>>,
    /// All those whose names differ only in what servers read in different ways, by the longest
    /// parameter of their query.
    by_name: HashMap<Box<str>, HashMap<Option<Parameter>, Vec<u64>>>,
    /// Those that are named as the URL that took the offer.
    by_endpoint: HashMap<(Owner, Box<str>), u64>,
    last: u64,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Resource {
    place: Place,
    /// As the server has written it.
    path: Box<str>,
    parameters: Parameters,
    name: Box<str>,
    longest: Option<Parameter>,
    is_endpoint: bool,
    used: Instant,
}

/// One resource, also if another one gets its path later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceId(u64);

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceLookup {
    /// No resource that is known.
    Nothing,
    /// A resource of the client.
    Own(ResourceId),
    /// Something below a resource of the client.
    BelowOwn,
    /// A resource of another client, or something below it.
    OfAnother,
}

impl Resources {
    pub(super) fn new(
        idle: Duration,
        most_per_owner: usize,
        quota: Arc<Quota>,
        change_log: Arc<ChangeLog>,
    ) -> Self {
        Self {
            idle,
            most_per_owner,
            quota,
            state: Mutex::default(),
            change_log,
        }
    }

    /// The server has taken an offer at `endpoint`, and has given the client this resource.
    pub fn created(&self, owner: Owner, endpoint: &str, resource: ResourcePath<'_>, now: Instant) {
        let query = None;
        let endpoint = ResourcePath {
            path: endpoint,
            query,
        };
        let (endpoint, name) = (endpoint.canonical_path(), resource.canonical_path());
        if resource.path.len() + resource.query.map_or(0, str::len) > LONGEST {
            return;
        }
        let parameters = Parameters::parse(resource.query);
        let longest = parameters.longest();
        let below = endpoint.strip_prefix(&*name);
        let is_endpoint = longest.is_none()
            && below.is_some_and(|below| below.is_empty() || below.starts_with('/'));
        let mut state = self.state.lock();
        let same = match is_endpoint {
            true => state.of_endpoint(owner, &name),
            false => state.spelled((&name, &longest), resource.path, &parameters),
        };
        if let Some(id) = same {
            state.forget(id);
        }
        let Some(place) = self.place(&mut state, owner) else {
            return;
        };
        let resource = Resource {
            place,
            path: resource.path.into(),
            parameters,
            name: name.into(),
            longest,
            is_endpoint,
            used: now,
        };
        self.change_log.note(owner, || Some(resource.handed(now)));
        state.insert(owner, resource);
    }

    /// What a request is for.
    pub fn find(&self, owner: Owner, target: ResourcePath<'_>, now: Instant) -> ResourceLookup {
        let asked = Asked::new(target);
        let mut state = self.state.lock();
        let Some(found) = state.find(owner, &asked) else {
            return ResourceLookup::Nothing;
        };
        match state.resources.get_mut(&found.id) {
            Some(resource) if found.is_own => {
                resource.used = now;
                match found.is_whole {
                    true => ResourceLookup::Own(ResourceId(found.id)),
                    false => ResourceLookup::BelowOwn,
                }
            }
            _ => ResourceLookup::OfAnother,
        }
    }

    /// The server does not have this resource any more.
    pub fn forget(&self, ResourceId(id): ResourceId) {
        self.state.lock().forget(id);
    }

    /// Forgets what has not been used for long.
    pub(super) fn sweep(&self, now: Instant) {
        let mut state = self.state.lock();
        let swept = *state.swept.get_or_insert(now);
        if now.saturating_duration_since(swept) < SWEEP_PERIOD {
            return;
        }
        state.swept = Some(now);
        let is_old = |used| now.saturating_duration_since(used) >= self.idle;
        let all = state.resources.iter();
        let old = all.filter(|(_, resource)| is_old(resource.used));
        let old: Vec<u64> = old.map(|(id, _)| *id).collect();
        old.into_iter().for_each(|id| state.forget(id));
    }

    /// A place for one more. Many who watch leave without a word: their resources make room.
    fn place(&self, state: &mut State, owner: Owner) -> Option<Place> {
        if let Some(place) = self.quota.enter(owner) {
            return Some(place);
        }
        let own = state.by_owner.get(&owner);
        let has_share = own.is_some_and(|own| own.len() >= self.most_per_owner);
        let most = || state.by_owner.values().max_by_key(|all| all.len());
        let of = if has_share { own } else { most() };
        let oldest = *of?.first()?;
        state.forget(oldest);
        self.quota.enter(owner)
    }
}

impl State {
    fn insert(&mut self, owner: Owner, resource: Resource) {
        self.last += 1;
        let (id, name) = (self.last, resource.name.clone());
        if resource.is_endpoint {
            self.by_endpoint.insert((owner, name), id);
        } else {
            let all = self.by_name.entry(name).or_default();
            all.entry(resource.longest.clone()).or_default().push(id);
        }
        self.by_owner.entry(owner).or_default().insert(id);
        self.resources.insert(id, resource);
    }

    /// What a path means. The resource with this very spelling decides, and it is not looked what
    /// is above it; otherwise everything that the path may mean, with what is above, has to be the
    /// client's.
    fn find(&self, owner: Owner, asked: &Asked<'_>) -> Option<Found> {
        let (path, spelling) = (&*asked.path, asked.spelling);
        let mut found = None;
        let keys = asked.keys.iter();
        let named = keys.flat_map(|key| self.with_name(path, key));
        let has_all = |(_, resource): &(u64, &Resource)| {
            let parameters = resource.parameters.folded();
            asked.folded.have(&parameters)
        };
        let named = named.filter(has_all);
        let is_spelled = |resource: &Resource| {
            &*resource.path == spelling && asked.parameters.have(&resource.parameters)
        };
        if note(&mut found, owner, (named, true), is_spelled) {
            return found;
        }
        let is_spelled = |resource: &Resource| &*resource.path == spelling;
        if note(
            &mut found,
            owner,
            (self.with_name(path, &None), true),
            is_spelled,
        ) {
            return found;
        }
        let mut above = path;
        while let Some(end) = above.rfind('/') {
            above = &above[..end];
            let depth = above.matches('/').count();
            let is_spelled = |resource: &Resource| {
                let known = resource.path.trim_end_matches('/');
                let rest = spelling.strip_prefix(known);
                rest.is_some_and(|rest| rest.starts_with('/'))
                    && known.matches('/').count() == depth
            };
            let named = self.with_name(above, &None);
            if above.len() <= LONGEST && note(&mut found, owner, (named, false), is_spelled) {
                return found;
            }
        }
        let endpoint = || {
            Some(Found {
                id: self.of_endpoint(owner, path)?,
                is_whole: true,
                is_own: true,
            })
        };
        found.or_else(endpoint)
    }

    /// The resources with this name and this longest parameter.
    fn with_name<'s>(
        &'s self,
        name: &str,
        longest: &Option<Parameter>,
    ) -> impl Iterator<Item = (u64, &'s Resource)> + use<'s> {
        let all = self.by_name.get(name).and_then(|all| all.get(longest));
        let all = all.into_iter().flatten();
        all.filter_map(|id| Some((*id, self.resources.get(id)?)))
    }

    /// The resource with this name and spelling.
    fn spelled(
        &self,
        (name, longest): (&str, &Option<Parameter>),
        path: &str,
        parameters: &Parameters,
    ) -> Option<u64> {
        let mut all = self.with_name(name, longest);
        let is_spelled =
            |resource: &Resource| &*resource.path == path && resource.parameters == *parameters;
        let found = all.find(|(_, resource)| is_spelled(resource));
        found.map(|(id, _)| id)
    }

    /// The client's resource that is named as the URL that took its offer.
    fn of_endpoint(&self, owner: Owner, name: &str) -> Option<u64> {
        self.by_endpoint.get(&(owner, name.into())).copied()
    }

    fn forget(&mut self, id: u64) {
        let Some(resource) = self.resources.remove(&id) else {
            return;
        };
        let owner = resource.place.owner();
        if resource.is_endpoint {
            self.by_endpoint.remove(&(owner, resource.name));
        } else if let Some(all) = self.by_name.get_mut(&resource.name) {
            if let Some(same) = all.get_mut(&resource.longest) {
                same.retain(|other| *other != id);
                if same.is_empty() {
                    all.remove(&resource.longest);
                }
            }
            if all.is_empty() {
                self.by_name.remove(&resource.name);
            }
        }
        if let Some(own) = self.by_owner.get_mut(&owner) {
            own.remove(&id);
            if own.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
    }
}

#[cfg(test)]
mod tests;
