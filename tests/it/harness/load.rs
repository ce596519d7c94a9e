//! Load on threads of a scope, which has to end also where the test fails: a scope waits for its
//! threads, and a test that waits forever says nothing.

use std::sync::atomic::{AtomicBool, Ordering};

/// Sets a flag when it is dropped, so that a panic ends the load as well.
#[derive(Debug)]
pub(crate) struct StopOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
