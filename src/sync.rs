//! The atomics and locks of what several workers write. `tests/races` compiles those modules with
//! others in their place, by which it runs them in every order.

pub use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub use parking_lot::{Mutex, MutexGuard};
