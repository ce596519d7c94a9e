//! The WebSockets of each subject, on all workers.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::signalling::owners::Owner;

/// How many WebSockets each subject has open. A subject is in the list only while it has one, so
/// the list is never longer than there are connections.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct SubjectTunnels(Mutex<HashMap<Owner, usize>>);

impl SubjectTunnels {
    /// Counts one more WebSocket of a subject; `None` if there are `most` already.
    pub(super) fn begin(self: &Arc<Self>, subject: Owner, most: usize) -> Option<SubjectTunnel> {
        let mut open = self.0.lock();
        let count = open.get(&subject).copied().unwrap_or_default();
        (count < most).then(|| {
            open.insert(subject, count + 1);
            SubjectTunnel {
                all: Arc::clone(self),
                subject,
            }
        })
    }
}

/// One WebSocket of a subject, from its handshake on, counted until it is dropped.
#[derive(Debug)]
pub(super) struct SubjectTunnel {
    all: Arc<SubjectTunnels>,
    subject: Owner,
}

impl Drop for SubjectTunnel {
    fn drop(&mut self) {
        let mut open = self.all.0.lock();
        if let Some(count) = open.get_mut(&self.subject) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn subject(name: &str) -> Owner {
        Owner::of_subject("iss", name)
    }

    #[test]
    fn a_subject_is_forgotten_when_its_last_websocket_is_closed() {
        let tunnels = Arc::<SubjectTunnels>::default();
        let take = |name, most| tunnels.begin(subject(name), most);
        let held = [take("alice", 2).unwrap(), take("alice", 2).unwrap()];
        assert!(take("alice", 2).is_none());
        assert!(take("alice", 3).is_some());
        assert!(take("bob", 1).is_some());
        assert_eq!(tunnels.0.lock().len(), 1);
        drop(held);
        assert!(tunnels.0.lock().is_empty());
    }

    #[test]
    fn workers_that_open_websockets_of_one_subject_at_once_never_admit_more() {
        const MOST: usize = 3;
        let tunnels = Arc::<SubjectTunnels>::default();
        let open = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let Some(tunnel) = tunnels.begin(subject("alice"), MOST) else {
                            continue;
                        };
                        assert!(open.fetch_add(1, Ordering::SeqCst) < MOST);
                        open.fetch_sub(1, Ordering::SeqCst);
                        drop(tunnel);
                    }
                });
            }
        });
        assert!(tunnels.0.lock().is_empty());
    }
}
