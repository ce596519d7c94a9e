//! Lists of what is open on a worker, so that a tick, a reload or a drain can reach all of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use slab::Slab;

/// Everything of one kind that is open.
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

    /// Enters an item; it stays until the guard is dropped.
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

    /// Looks at each. The function must not open or close items of this list; waking a task is
    /// fine.
    pub fn each(&self, mut look: impl FnMut(&T)) {
        for (_, item) in self.items.borrow().iter() {
            look(item);
        }
    }
}

/// An item's stay in its list.
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

    /// Has the task polled again.
    pub fn wake(&self) {
        if let Some(waker) = &*self.0.borrow() {
            waker.wake_by_ref();
        }
    }
}
