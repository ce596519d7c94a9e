//! Who may write a file now. A task that a reload has ended may still be writing, and the one in its place waits for that.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// One for each path.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<PathBuf, Arc<Turn<()>>>>>);

impl Turns {
    /// Waits until nobody else writes any of the files. Always in one order, so that no two wait for each other.
    pub(super) async fn take<'a>(&self, paths: impl Iterator<Item = &'a Path>) -> Vec<OwnedMutexGuard<()>> {
        let paths: BTreeSet<&Path> = paths.collect();
        let mut taken = Vec::new();
        for path in paths {
            taken.push(self.of(path).lock_owned().await);
        }
        taken
    }

    fn of(&self, path: &Path) -> Arc<Turn<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(path.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_has_one_writer() {
        let turns = Turns::default();
        let (one, two, three) = (Path::new("/a"), Path::new("/b"), Path::new("/c"));
        let first = turns.take([one, two, two].into_iter()).await;
        assert_eq!(first.len(), 2);
        assert_eq!(turns.take([three].into_iter()).await.len(), 1);
        assert!(turns.of(two).try_lock_owned().is_err());
        drop(first);
        assert_eq!(turns.take([two, one].into_iter()).await.len(), 2);
    }
}
