//! Lists of what is open on a worker: a tick, a reload or a drain has to reach all of it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Waker};

use slab::Slab;

/// All open items of one kind.
#[derive(Debug)]
pub struct Registry<T> {
    items: RefCell<Slab<Rc<T>>>,
}

impl<T> Registry<T> {
    /// An empty list.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            items: RefCell::default(),
        })
    }

    /// Adds an item, until the returned guard is dropped.
    pub fn enter(self: &Rc<Self>, item: Rc<T>) -> Registered<T> {
        let key = self.items.borrow_mut().insert(Rc::clone(&item));
        Registered {
            registry: Rc::clone(self),
            key,
            item,
        }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.items.borrow().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.items.borrow().is_empty()
    }

    /// Calls a function with each item. It may wake tasks, but must not add or remove items. If it
    /// panics, it is still called with the items that follow.
    pub fn each(&self, mut look: impl FnMut(&T)) {
        for (_, item) in self.items.borrow().iter() {
            // The panic hook has counted and logged it.
            let _ = catch_unwind(AssertUnwindSafe(|| look(item)));
        }
    }
}

/// Keeps an item in its list, until it is dropped.
#[derive(Debug)]
pub struct Registered<T> {
    registry: Rc<Registry<T>>,
    key: usize,
    item: Rc<T>,
}

impl<T> std::ops::Deref for Registered<T> {
    type Target = Rc<T>;

    fn deref(&self) -> &Rc<T> {
        &self.item
    }
}

impl<T> Drop for Registered<T> {
    fn drop(&mut self) {
        self.registry.items.borrow_mut().remove(self.key);
    }
}

/// The waker of the one task that serves an item.
#[derive(Debug, Default)]
pub struct TaskWaker(RefCell<Option<Waker>>);

impl TaskWaker {
    /// Remembers the task that is being polled.
    pub fn register(&self, cx: &Context<'_>) {
        let mut waker = self.0.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Wakes the task.
    pub fn wake(&self) {
        if let Some(waker) = &*self.0.borrow() {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_about_one_item_keeps_no_other_from_its_turn() {
        let registry = Registry::new();
        let items: Vec<_> = (0..4).map(|item| registry.enter(Rc::new(item))).collect();
        let mut seen = Vec::new();
        registry.each(|item| {
            assert!(*item != 1, "a fault");
            seen.push(*item);
        });
        assert_eq!(seen, [0, 2, 3]);
        drop(items);
        assert!(registry.is_empty());
    }
}
