//! What `quota.rs` has from its parent, with fewer shards: each is a lock to keep track of.

#[path = "../../../src/signalling/owners/quota.rs"]
mod quota;

use loom::thread;

const SHARDS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Owner([u8; 16]);

/// Of two owners that enter at once, one gets the only place, and leaves nothing behind.
pub(crate) fn one_place_is_taken_once() {
    let quota = quota::Quota::new(1, 1);
    let other = std::sync::Arc::clone(&quota);
    let entered = thread::spawn(move || other.enter(Owner([1; 16])));
    let mine = quota.enter(Owner([2; 16]));
    let others = entered.join().unwrap();
    assert_eq!(
        (mine.is_some(), others.is_some()),
        (mine.is_some(), mine.is_none())
    );
    drop((mine, others));
    assert_eq!(quota.taken(), 0);
    assert!(quota.enter(Owner([1; 16])).is_some());
}
