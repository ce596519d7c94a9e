//! A mutex for each of many things, of which somebody wants several at once.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex as SyncMutex;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The mutexes; one for each key that was ever asked for, so that keys should be few.
#[derive(Clone)]
pub struct KeyedMutex<K>(Arc<SyncMutex<HashMap<K, Arc<Mutex<()>>>>>);

/// The keys are nobody else's until this is dropped.
#[derive(Debug)]
#[must_use = "the keys are free for others when this is dropped"]
pub struct Held(#[expect(dead_code, reason = "held, and let go")] Vec<OwnedMutexGuard<()>>);

impl<K: Ord + Hash + Clone> KeyedMutex<K> {
    /// Waits until nobody else has any of the keys. One may be named twice.
    pub async fn lock_all(&self, keys: impl IntoIterator<Item = K>) -> Held {
        // Always in one order, so that no two wait for each other.
        let keys: BTreeSet<K> = keys.into_iter().collect();
        let mut held = Vec::new();
        for key in keys {
            held.push(self.of(key).lock_owned().await);
        }
        Held(held)
    }

    fn of(&self, key: K) -> Arc<Mutex<()>> {
        let mut all = self.0.lock();
        Arc::clone(all.entry(key).or_default())
    }
}

impl<K> Default for KeyedMutex<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> fmt::Debug for KeyedMutex<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedMutex")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_key_has_one_holder() {
        let all = KeyedMutex::default();
        let first = all.lock_all(["a", "b", "a"]).await;
        assert!(all.lock_all(["c", "b"]).now_or_never().is_none());
        assert!(
            all.lock_all(["c"]).now_or_never().is_some(),
            "what waited in vain holds nothing"
        );
        drop(first);
        assert!(all.lock_all(["b", "a"]).now_or_never().is_some());
    }
}
