//! Requests whose answers change what belongs to whom.
//!
//! A client chooses the transactions of its requests, so that it could have the answer to one taken
//! for the answer to another: a handle of EchoTest for one of VideoRoom. These requests therefore
//! go to Janus with a transaction of the gateway's, which the client never sees, and their answers
//! come back with the client's.

use crate::signalling::document::Text;
use crate::signalling::owners::{Place, PluginName};

/// How many answers a connection may wait for.
const MOST: usize = 64;

/// What to do when the answer comes.
#[derive(Debug)]
pub(super) enum Call {
    /// The session in the answer is the client's.
    Create(Place),
    /// The handle in the answer is attached to this plugin.
    Attach(Place, i64, PluginName),
    /// The session is over.
    Destroy(i64),
    /// The handle of the session is gone.
    Detach(i64, i64),
}

/// With what the gateway's transactions begin.
const PREFIX: &str = "ianitor-";

/// The requests of one connection that wait for their answers.
#[derive(Debug)]
pub(super) struct Calls {
    /// Random, so that a client cannot guess a transaction.
    nonce: u64,
    next: u64,
    /// Mostly none, which takes no memory, and seldom more than one.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    call: Call,
    /// The client's, as it was written.
    transaction: Box<str>,
}

impl Calls {
    pub(super) fn new(nonce: u64) -> Self {
        Self {
            nonce,
            next: 0,
            waiting: Vec::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Remembers a request; the transaction that it goes on with.
    pub(super) fn begin(&mut self, call: Call, transaction: &str) -> String {
        self.next += 1;
        self.waiting.push(Waiting {
            number: self.next,
            call,
            transaction: transaction.into(),
        });
        format!("{PREFIX}{:016x}-{}", self.nonce, self.next)
    }

    /// The request that this transaction answers, with the client's transaction.
    pub(super) fn end(&mut self, transaction: Text<'_>) -> Option<(Call, Box<str>)> {
        if self.waiting.is_empty() {
            return None;
        }
        // The gateway's have no escapes, and Janus writes them as they are.
        let (nonce, number) = transaction.raw().strip_prefix(PREFIX)?.split_once('-')?;
        let is_own = u64::from_str_radix(nonce, 16) == Ok(self.nonce);
        let number: u64 = number.parse().ok().filter(|_| is_own)?;
        let at = self.waiting.iter().position(|one| one.number == number)?;
        let ended = self.waiting.swap_remove(at);
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
        Some((ended.call, ended.transaction))
    }
}
