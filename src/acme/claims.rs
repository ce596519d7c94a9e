//! One order at a time for each host.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::host::HostName;

/// Hosts that are being proved. A handshake does not say which order it is for, so that two orders for one host, as for two
/// kinds of key, would take each other's answer away.
#[derive(Debug, Default)]
pub(super) struct Claims {
    taken: Mutex<HashSet<HostName>>,
    given_back: Notify,
}

/// Hosts that nobody else may prove until this is dropped.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    hosts: &'a [HostName],
}

impl Claims {
    /// Waits until nobody else has any of these.
    pub(super) async fn claim<'a>(&'a self, hosts: &'a [HostName]) -> Claim<'a> {
        loop {
            // Before the look, so that what is given back after it is heard of.
            let mut given_back = pin!(self.given_back.notified());
            given_back.as_mut().enable();
            if let Some(claim) = self.try_claim(hosts) {
                return claim;
            }
            given_back.await;
        }
    }

    fn try_claim<'a>(&'a self, hosts: &'a [HostName]) -> Option<Claim<'a>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.iter().any(|host| taken.contains(host)) {
            return None;
        }
        taken.extend(hosts.iter().cloned());
        Some(Claim { claims: self, hosts })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut taken = self.claims.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for host in self.hosts {
            taken.remove(host);
        }
        self.claims.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_host_is_proved_once_at_a_time() {
        let hosts = ["a.example", "b.example", "c.example"].map(|host| host.parse::<HostName>().unwrap());
        let claims = Claims::default();
        let first = claims.claim(&hosts[..2]).await;
        let _another = claims.claim(&hosts[2..]).await;
        assert!(claims.try_claim(&hosts[1..2]).is_none());
        let (_second, ()) = tokio::join!(claims.claim(&hosts[1..2]), async { drop(first) });
        assert!(claims.try_claim(&hosts[..1]).is_some());
    }
}
