//! Which names resolve to an IPv4 address now. Janus exits if it is given a TURN server whose name
//! does not resolve.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::clock;
use crate::host::HostName;
use crate::resolve::Resolver;
use crate::telemetry::summed;

/// How long a name server may take. Janus asks while a call is being set up, and waits for 10 s.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long an answer is cached: a burst of calls asks the name server once.
const FRESH: Duration = Duration::from_secs(5);

/// How many names are cached. They come from the configuration, which has few; reloads may bring
/// others.
const MOST_NAMES: usize = 256;

/// The name server's recent answers.
#[derive(Debug)]
pub struct Names {
    known: RefCell<HashMap<HostName, Rc<Known>>>,
    resolver: Resolver,
}

/// When a name was looked up, and whether it has an address. It is locked during a lookup, so that
/// there is one at a time for each name.
type Known = Mutex<Option<(Instant, bool)>>;

impl Names {
    /// An empty cache.
    pub fn new(resolver: &Resolver) -> Self {
        Self {
            known: RefCell::default(),
            resolver: resolver.clone(),
        }
    }

    /// Whether the name resolves to an IPv4 address within [`TIMEOUT`].
    pub(super) async fn has_ipv4(&self, name: &HostName) -> bool {
        let entry = self.entry(name);
        let mut known = entry.lock().await;
        if let Some((at, has)) = *known
            && at.elapsed() < FRESH
        {
            return has;
        }
        let has = self.look_up(name).await;
        *known = Some((clock::monotonic(), has));
        has
    }

    fn entry(&self, name: &HostName) -> Rc<Known> {
        let mut names = self.known.borrow_mut();
        if names.len() >= MOST_NAMES && !names.contains_key(name) {
            names.clear();
        }
        Rc::clone(names.entry(name.clone()).or_default())
    }

    /// Looks the name up. An old answer is of no use: Janus resolves the name itself.
    async fn look_up(&self, name: &HostName) -> bool {
        let found = match tokio::time::timeout(TIMEOUT, self.resolver.look_up(name.as_str())).await
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
            let name = name.clone();
            summed("turn_name", name.clone().as_str(), move |times| {
                tracing::warn!(
                    %name,
                    times,
                    why,
                    "a TURN server is left out for Janus, which exits if it cannot resolve its name"
                );
            });
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
        for n in 0..2 * MOST_NAMES {
            names.entry(&format!("n{n}.example").parse().unwrap());
        }
        assert!(names.known.borrow().len() <= MOST_NAMES);
    }
}
