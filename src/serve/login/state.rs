//! What a worker remembers of logins: answers of services that still hold, and what they are asked
//! about again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use super::request::Question;
use crate::policy::LoggedIn;
use crate::tick::Tick;
use crate::token::issuer::Tag;

/// At least this many answers are remembered, and at most twice as many.
const GENERATION: usize = 1024;

/// What a worker remembers of logins.
#[derive(Debug, Default)]
pub struct Logins {
    /// When the first is full it replaces the second, whose answers are forgotten.
    answers: RefCell<[HashMap<Tag, Cached>; 2]>,
    pub(super) watched: RefCell<Vec<Watched>>,
}

#[derive(Debug)]
struct Cached {
    login: Rc<LoggedIn>,
    until: Tick,
}

/// A login that is judged again while something is open by it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) login: Weak<LoggedIn>,
    pub(super) question: Rc<Question>,
    /// The tick at which the service is asked again.
    pub(super) due: Tick,
    /// How often it has given no answer since the last one.
    pub(super) failures: u32,
}

impl Logins {
    /// An answer that still holds.
    pub(super) fn get(&self, tag: &Tag, now: Tick) -> Option<Rc<LoggedIn>> {
        let answers = self.answers.borrow();
        let cached = answers.iter().find_map(|answers| answers.get(tag))?;
        (cached.until > now && !cached.login.is_withdrawn()).then(|| Rc::clone(&cached.login))
    }

    /// Remembers an answer.
    pub(super) fn insert(&self, tag: Tag, login: &Rc<LoggedIn>, until: Tick) {
        let answers = &mut *self.answers.borrow_mut();
        if answers[0].len() >= GENERATION {
            answers[1] = std::mem::take(&mut answers[0]);
        }
        let login = Rc::clone(login);
        answers[0].insert(tag, Cached { login, until });
    }

    /// Forgets answers that no longer hold.
    pub(super) fn sweep(&self, now: Tick) {
        for answers in self.answers.borrow_mut().iter_mut() {
            answers.retain(|_, cached| cached.until > now);
        }
    }

    /// Forgets all answers: the configuration has changed.
    pub(in crate::serve) fn forget(&self) {
        *self.answers.borrow_mut() = Default::default();
    }
}
