//! How much each client may have, and all of them.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Owner, SHARDS};
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// Counts places.
#[derive(Debug)]
pub(super) struct Quota {
    most: usize,
    most_per_owner: usize,
    taken: AtomicUsize,
    /// By owner; without those who have none.
    of_owners: [Mutex<HashMap<Owner, usize>>; SHARDS],
}

/// A counted session or handle, until it is dropped.
#[derive(Debug)]
pub struct Place {
    quota: Arc<Quota>,
    owner: Owner,
}

impl Quota {
    pub(super) fn new(most: usize, most_per_owner: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_per_owner,
            taken: AtomicUsize::new(0),
            of_owners: Default::default(),
        })
    }

    /// A place, unless the owner has its share or all are taken.
    pub(super) fn enter(self: &Arc<Self>, owner: Owner) -> Option<Place> {
        // Counted first and judged afterwards, so that two at once are not one too many.
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let of_owner = {
            let mut counts = self.shard(owner).lock();
            let count = counts.entry(owner).or_default();
            *count += 1;
            *count
        };
        let place = Place {
            quota: Arc::clone(self),
            owner,
        };
        (before < self.most && of_owner <= self.most_per_owner).then_some(place)
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn shard(&self, owner: Owner) -> &Mutex<HashMap<Owner, usize>> {
        &self.of_owners[usize::from(owner.0[0]) % SHARDS]
    }
}

impl Place {
    pub(super) fn owner(&self) -> Owner {
        self.owner
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.quota.taken.fetch_sub(1, Ordering::Relaxed);
        let mut counts = self.quota.shard(self.owner).lock();
        if let Some(count) = counts.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.owner);
            }
        }
    }
}
