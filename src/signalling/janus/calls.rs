//! Requests whose answers change what belongs to whom.
//!
//! A client chooses the transactions of its requests, so that it could have the answer to one taken
//! for the answer to another: a handle of EchoTest for one of VideoRoom. These requests therefore
//! go to Janus with a transaction of the gateway's, which the client never sees, and their answers
//! come back with the client's.

use std::collections::HashMap;

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

/// The requests of one connection that wait for their answers.
#[derive(Debug)]
pub(super) struct Calls {
    /// Random, so that a client cannot guess a transaction.
    prefix: Box<str>,
    next: u64,
    /// By number, with the client's transaction as it was written.
    waiting: HashMap<u64, (Call, Box<str>)>,
}

impl Calls {
    pub(super) fn new(nonce: u64) -> Self {
        Self {
            prefix: format!("ianitor-{nonce:016x}-").into(),
            next: 0,
            waiting: HashMap::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    /// Remembers a request; the transaction that it goes on with.
    pub(super) fn begin(&mut self, call: Call, transaction: &str) -> String {
        self.next += 1;
        self.waiting.insert(self.next, (call, transaction.into()));
        format!("{}{}", self.prefix, self.next)
    }

    /// The request that this transaction answers, with the client's transaction.
    pub(super) fn end(&mut self, transaction: Text<'_>) -> Option<(Call, Box<str>)> {
        // The gateway's have no escapes, and Janus writes them as they are.
        let number = transaction
            .raw()
            .strip_prefix(&*self.prefix)?
            .parse()
            .ok()?;
        self.waiting.remove(&number)
    }
}
