//! Open files. They have a limit of their own, so that files and sockets to servers do not take
//! each other's descriptors.

use std::sync::Arc;

use super::client::{ClientCounts, CountedClient};
use crate::sync::{AtomicUsize, Ordering};

/// Room for open files, shared by all workers.
#[derive(Debug)]
pub struct OpenFiles {
    most: AtomicUsize,
    open: AtomicUsize,
}

impl OpenFiles {
    /// Room for at most `most` files.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: AtomicUsize::new(most),
            open: AtomicUsize::new(0),
        })
    }

    /// Changes how many there may be. Open files stay open.
    pub fn allow(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Takes room for one more; `None` if there is none. A client may have as many as are still
    /// free: half of all, if the others have none.
    pub fn take(self: &Arc<Self>, client: &CountedClient) -> Option<FileSlot> {
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        let mine = client
            .0
            .as_ref()
            .map_or(0, |client| client.files.fetch_add(1, Ordering::Relaxed));
        // Counted first and judged afterwards: dropping the slot takes it back.
        let slot = FileSlot {
            files: Arc::clone(self),
            client: client.0.as_deref().cloned(),
        };
        let free = self.most.load(Ordering::Relaxed).saturating_sub(open);
        (mine < free).then_some(slot)
    }
}

/// Room for one open file, until it is dropped.
#[derive(Debug)]
pub struct FileSlot {
    files: Arc<OpenFiles>,
    client: Option<Arc<ClientCounts>>,
}

impl Drop for FileSlot {
    fn drop(&mut self) {
        self.files.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(client) = &self.client {
            client.files.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_takes_half_of_the_files_and_gives_them_back() {
        let files = OpenFiles::new(100);
        let (one, other) = (
            CountedClient::new(Some(Arc::default())),
            CountedClient::new(Some(Arc::default())),
        );
        let take =
            |client: &CountedClient| std::iter::from_fn(|| files.take(client)).collect::<Vec<_>>();
        let held = take(&one);
        assert_eq!((held.len(), take(&other).len()), (50, 25));
        assert_eq!(take(&CountedClient::exempt()).len(), 50);
        drop(held);
        assert_eq!(take(&one).len(), 50);
    }
}
