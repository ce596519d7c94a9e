//! Which names lead to an IPv4 address now. Janus ends when it is given a TURN server whose name
//! does not resolve.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::host::HostName;
use crate::resolve::Resolver;

/// For a name server to answer. Janus asks while a call is being set up, and waits for 10 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer is good for so long: a burst of calls asks the name server once.
const FRESH: Duration = Duration::from_secs(5);

/// So many names are remembered. They come from the configuration, which has few; reloads may bring
/// others.
const MOST: usize = 256;

/// What the name server has said of late.
#[derive(Debug)]
pub struct Names {
    known: RefCell<HashMap<HostName, Rc<Known>>>,
    resolver: Resolver,
}

/// When a name was looked up, and whether it has an address. Locked while it is being looked up, so
/// that it is asked for once at a time.
type Known = Mutex<Option<(Instant, bool)>>;

impl Names {
    /// Nothing is known yet.
    pub fn new(resolver: &Resolver) -> Self {
        Self {
            known: RefCell::default(),
            resolver: resolver.clone(),
        }
    }

    /// Whether the name resolves to an IPv4 address, as far as that is known within [`PATIENCE`].
    pub(super) async fn has_ipv4(&self, name: &HostName) -> bool {
        let entry = self.entry(name);
        let mut known = entry.lock().await;
        if let Some((at, has)) = *known
            && at.elapsed() < FRESH
        {
            return has;
        }
        let has = self.look_up(name).await;
        *known = Some((Instant::now(), has));
        has
    }

    fn entry(&self, name: &HostName) -> Rc<Known> {
        let mut names = self.known.borrow_mut();
        if names.len() >= MOST && !names.contains_key(name) {
            names.clear();
        }
        Rc::clone(names.entry(name.clone()).or_default())
    }

    /// As it is now: what was good a minute ago would end Janus all the same.
    async fn look_up(&self, name: &HostName) -> bool {
        let found = match tokio::time::timeout(PATIENCE, self.resolver.look_up(name.as_str())).await
        {
            Ok(Ok(all)) => all
                .iter()
                .any(|addr| addr.is_ipv4())
                .then_some(())
                .ok_or("has no IPv4 address"),
            Ok(Err(_)) => Err("does not resolve"),
            Err(_) => Err("is not resolved in time"),
        };
        if let Err(why) = found {
            tracing::warn!(%name, why, "a TURN server is not told to Janus, which would end when it cannot resolve the name");
        }
        found.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let names = Names::new(&Resolver::system());
        for n in 0..2 * MOST {
            names.entry(&format!("n{n}.example").parse().unwrap());
        }
        assert!(names.known.borrow().len() <= MOST);
    }
}
