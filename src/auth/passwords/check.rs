//! The check of a name and a password.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::users::{Hashed, Users};
use crate::auth::context::{Context, Failure};
use crate::policy::Denied;

/// How many passwords may wait for their turn.
const MOST_WAITING: usize = 64;

/// The longest password in bytes.
const LONGEST: usize = 1024;

/// The hashes that are being computed, on all workers: half of the cores may be busy with them.
#[derive(Debug)]
pub struct Hashing {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Default for Hashing {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            turns: Arc::new(Semaphore::new((cores / 2).max(1))),
            waiting: AtomicUsize::new(0),
        }
    }
}

/// A request that waits for its turn, counted until it is dropped.
struct Waiting<'h>(&'h AtomicUsize);

impl<'h> Waiting<'h> {
    fn new(hashing: &'h Hashing) -> Option<Self> {
        let before = hashing.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(&hashing.waiting);
        (before < MOST_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a name and a password are not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordFailure {
    /// They are wrong, or the client has tried too many.
    Failure(Failure),
    /// Too many are being checked.
    Busy,
}

/// Checks a name and a password, as `name:password`, and returns the hash that it has in the file.
/// What was right a short time ago is accepted at once, whatever else the client has sent. All
/// others wait for their turn, and a client that has tried too many gets none.
///
/// # Errors
/// Why they are not accepted.
pub async fn check_password(
    context: &Context<'_>,
    users: &Arc<Users>,
    hashing: &Hashing,
    credentials: &str,
) -> Result<Arc<str>, PasswordFailure> {
    let (name, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let tag = context.cache.tag(credentials);
    let found = users.find(name);
    let known = || found.filter(|_| users.was_right(&tag));
    if let Some(hashed) = known() {
        return Ok(Arc::clone(&hashed.text));
    }
    if let Some(wait) = context.too_many() {
        return Err(PasswordFailure::Failure(Failure::TooMany(wait)));
    }
    let waiting = Waiting::new(hashing).ok_or(PasswordFailure::Busy)?;
    let turn = Arc::clone(&hashing.turns).acquire_owned().await;
    drop(waiting);
    let turn = turn.map_err(|_| PasswordFailure::Busy)?;
    // A page loads twenty files at once, all with the same password.
    if let Some(hashed) = known() {
        return Ok(Arc::clone(&hashed.text));
    }
    let compared = found.unwrap_or_else(|| users.instead(context.cache.tag(name)));
    let is_right = match password.len() <= LONGEST {
        true => {
            let (compared, password) = (Hashed::clone(compared), password.to_owned());
            let task = spawn_blocking(move || {
                // Held until the hash is computed, also where the client has gone.
                let _turn = turn;
                compared.kind.verify(&password, &compared.text)
            });
            task.await.unwrap_or(false)
        }
        false => false,
    };
    match found.filter(|_| is_right) {
        Some(hashed) => {
            users.note_right(tag);
            Ok(Arc::clone(&hashed.text))
        }
        None => {
            let too_many = context.too_many();
            let failure = context.forged(Denied::Password, too_many).await;
            Err(PasswordFailure::Failure(failure))
        }
    }
}
