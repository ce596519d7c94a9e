//! One mutex for each key, with a way to lock several keys at once.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex as SyncMutex;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The mutexes. One is kept for every key that was ever locked, so there should be few keys.
#[derive(Clone)]
pub struct KeyedMutex<K>(Arc<SyncMutex<HashMap<K, Arc<Mutex<()>>>>>);

/// Locked keys. They are released when this is dropped.
#[derive(Debug)]
#[must_use = "the keys are released when this is dropped"]
pub struct KeyGuards(
    #[expect(dead_code, reason = "only held and dropped")] Vec<OwnedMutexGuard<()>>,
);

impl<K: Ord + Hash + Clone> KeyedMutex<K> {
    /// Waits until all of the keys are free and locks them. A key may occur twice.
    pub async fn lock_all(&self, keys: impl IntoIterator<Item = K>) -> KeyGuards {
        // Always in the same order, so that two callers cannot deadlock.
        let keys: BTreeSet<K> = keys.into_iter().collect();
        let mut guards = Vec::new();
        for key in keys {
            guards.push(self.mutex(key).lock_owned().await);
        }
        KeyGuards(guards)
    }

    fn mutex(&self, key: K) -> Arc<Mutex<()>> {
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
            "a wait that was given up holds no key"
        );
        drop(first);
        assert!(all.lock_all(["b", "a"]).now_or_never().is_some());
    }
}
