//! One WebSocket or long poll of a client.

use std::sync::atomic::Ordering;

use super::client::CountedClient;
use super::uses::ClientUse;

impl CountedClient {
    /// Counts one more; `None` if the client has `most` of them already.
    pub fn begin(&self, kind: ClientUse, most: usize) -> Option<UseSlot> {
        let slot = UseSlot {
            client: self.clone(),
            kind,
        };
        let Some(client) = &self.0 else {
            return Some(slot);
        };
        // Counted first and judged afterwards: dropping the slot takes it back.
        let before = client.uses.of(kind).fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(slot)
    }
}

/// One use of a client, counted until it is dropped. That of a client which is exempt from the
/// limits per client is not counted.
#[derive(Debug)]
pub struct UseSlot {
    client: CountedClient,
    kind: ClientUse,
}

impl Drop for UseSlot {
    fn drop(&mut self) {
        if let Some(client) = &self.client.0 {
            client.uses.of(self.kind).fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::slot::client::ClientCounts;

    #[test]
    fn each_kind_is_counted_alone_and_given_back() {
        let counts = Arc::<ClientCounts>::default();
        let client = CountedClient::new(Some(Arc::clone(&counts)));
        let take = |kind, most| {
            let each = std::iter::from_fn(|| client.begin(kind, most));
            each.take(10).collect::<Vec<_>>()
        };
        let tunnels = take(ClientUse::Tunnel, 3);
        let polls = take(ClientUse::Poll, 2);
        assert_eq!((tunnels.len(), polls.len()), (3, 2));
        assert!(take(ClientUse::Tunnel, 3).is_empty());
        // A lower limit, as after a reload, closes nothing and admits no more.
        drop(polls);
        assert!(take(ClientUse::Tunnel, 1).is_empty());
        assert!(!counts.uses.is_none());
        drop(tunnels);
        assert!(counts.uses.is_none());
        let exempt = CountedClient::exempt();
        let all: Vec<_> = (0..9)
            .map(|_| exempt.begin(ClientUse::Tunnel, 1).is_some())
            .collect();
        assert_eq!(all, [true; 9]);
    }

    #[test]
    fn workers_that_count_for_one_client_at_once_never_admit_more() {
        const MOST: usize = 5;
        let (counts, open) = (Arc::<ClientCounts>::default(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let client = CountedClient::new(Some(Arc::clone(&counts)));
                    for _ in 0..2_000 {
                        let Some(slot) = client.begin(ClientUse::Tunnel, MOST) else {
                            continue;
                        };
                        assert!(open.fetch_add(1, Ordering::SeqCst) < MOST);
                        open.fetch_sub(1, Ordering::SeqCst);
                        drop(slot);
                    }
                });
            }
        });
        assert!(counts.uses.is_none());
    }
}
