//! Whose resources there are at a server of WHIP and WHEP (RFC 9725): URLs that the server has
//! given to those who have sent an offer.
//!
//! A resource is known by its path at the server, and stands for everything below it. Servers read
//! the case of letters, a slash at the end and parameters (`;x`) in different ways, so that none of
//! these tells two resources apart. A path that the server gives again is the newer client's. Some
//! servers name the URL that took the offer, or one above it, for each of their streams, which they
//! tell apart by the token: there each client has its own resource.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Owner;
use super::quota::{Place, Quota};

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
}

#[derive(Debug, Default)]
struct State {
    resources: HashMap<u64, Resource>,
    /// The numbers of those of each client, which grow with time.
    by_owner: HashMap<Owner, BTreeSet<u64>>,
    by_name: HashMap<Box<str>, u64>,
    /// Those that are named as the URL that took the offer.
    by_endpoint: HashMap<(Owner, Box<str>), u64>,
    last: u64,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Resource {
    place: Place,
    name: Box<str>,
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

/// A path at the server, with its query.
#[derive(Clone, Copy, Debug)]
pub struct ResourcePath<'t> {
    /// In its one spelling.
    pub path: &'t str,
    /// Some servers name resources by it.
    pub query: Option<&'t str>,
}

impl ResourcePath<'_> {
    /// The path by which a resource is known.
    fn canonical_path(self) -> String {
        let lower = self.path.to_ascii_lowercase();
        let without = |segment: &str| {
            let end = segment.find(';').into_iter().chain(segment.find("%3b"));
            let end = end.min().unwrap_or(segment.len());
            segment[..end].to_owned()
        };
        let mut path = match lower.contains([';', '%']) {
            true => lower.split('/').map(without).collect::<Vec<_>>().join("/"),
            false => lower,
        };
        path.truncate(path.trim_end_matches('/').len());
        path
    }
}

fn with_query(path: &str, query: &str) -> String {
    format!("{path}?{}", query.to_ascii_lowercase())
}

impl Resources {
    pub(super) fn new(idle: Duration, most_per_owner: usize, quota: Arc<Quota>) -> Self {
        Self {
            idle,
            most_per_owner,
            quota,
            state: Mutex::default(),
        }
    }

    /// The server has taken an offer at `endpoint`, and has given the client this resource.
    pub fn created(&self, owner: Owner, endpoint: &str, resource: ResourcePath<'_>, now: Instant) {
        let query = None;
        let endpoint = ResourcePath {
            path: endpoint,
            query,
        };
        let (endpoint, path) = (endpoint.canonical_path(), resource.canonical_path());
        let name = match resource.query {
            Some(query) => with_query(&path, query),
            None => path,
        };
        if name.len() > LONGEST {
            return;
        }
        let below = endpoint.strip_prefix(&*name);
        let is_endpoint = below.is_some_and(|below| below.is_empty() || below.starts_with('/'));
        let mut state = self.state.lock();
        if let Some(id) = state.named(owner, &name, is_endpoint) {
            state.forget(id);
        }
        let Some(place) = self.place(&mut state, owner) else {
            return;
        };
        let resource = Resource {
            place,
            name: name.into(),
            is_endpoint,
            used: now,
        };
        state.insert(owner, resource);
    }

    /// What a request is for.
    pub fn find(&self, owner: Owner, target: ResourcePath<'_>, now: Instant) -> ResourceLookup {
        let mut state = self.state.lock();
        if state.resources.is_empty() {
            return ResourceLookup::Nothing;
        }
        let path = target.canonical_path();
        let whole = target.query.map(|query| with_query(&path, query));
        let exact = whole.iter().chain([&path]);
        let exact = exact.filter_map(|name| state.by_name.get(&**name).copied());
        let found = exact.map(|id| (id, true)).next();
        let found = found.or_else(|| Some((state.above(&path)?, false)));
        let of_endpoint = || Some((state.named(owner, &path, true)?, true));
        let Some((id, is_exact)) = found.or_else(of_endpoint) else {
            return ResourceLookup::Nothing;
        };
        match state.resources.get_mut(&id) {
            Some(resource) if resource.place.owner() == owner => {
                resource.used = now;
                match is_exact {
                    true => ResourceLookup::Own(ResourceId(id)),
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
        match resource.is_endpoint {
            true => self.by_endpoint.insert((owner, name), id),
            false => self.by_name.insert(name, id),
        };
        self.by_owner.entry(owner).or_default().insert(id);
        self.resources.insert(id, resource);
    }

    /// The resource with this very name.
    fn named(&self, owner: Owner, name: &str, is_endpoint: bool) -> Option<u64> {
        match is_endpoint {
            true => self.by_endpoint.get(&(owner, name.into())).copied(),
            false => self.by_name.get(name).copied(),
        }
    }

    /// The nearest resource that a path is below.
    fn above(&self, mut path: &str) -> Option<u64> {
        while let Some(end) = path.rfind('/') {
            path = &path[..end];
            if path.len() <= LONGEST
                && let Some(id) = self.by_name.get(path)
            {
                return Some(*id);
            }
        }
        None
    }

    fn forget(&mut self, id: u64) {
        let Some(resource) = self.resources.remove(&id) else {
            return;
        };
        let owner = resource.place.owner();
        match resource.is_endpoint {
            true => self.by_endpoint.remove(&(owner, resource.name)),
            false => self.by_name.remove(&resource.name),
        };
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
