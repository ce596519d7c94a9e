//! What one client uses of the routes that have a rate.

use std::time::Duration;

use parking_lot::Mutex;

use crate::limits::Rate;

/// A client's requests on the routes that have a rate.
#[derive(Debug, Default)]
pub(super) struct RouteRates {
    /// The number of each route, and when the client has its full allowance there again, in
    /// microseconds since start. Only requests of this client wait for the lock.
    full_at: Mutex<Vec<(usize, u64)>>,
}

impl RouteRates {
    /// Counts a request against the rate on a route. The error is how long the client should wait.
    pub(super) fn request(&self, route: usize, now: u64, rate: Rate) -> Result<(), Duration> {
        let mut all = self.full_at.lock();
        if let Some((_, full_at)) = all.iter_mut().find(|(other, _)| *other == route) {
            *full_at = rate.take(*full_at, now)?;
            return Ok(());
        }
        // So the list is never longer than there are routes with a rate.
        all.retain(|(_, full_at)| *full_at > now);
        all.push((route, rate.take(0, now)?));
        Ok(())
    }

    /// Whether the client has its full allowance everywhere.
    pub(super) fn are_full(&self, now: u64) -> bool {
        self.full_at
            .lock()
            .iter()
            .all(|(_, full_at)| *full_at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_client_is_bounded() {
        let rates = RouteRates::default();
        let rate = Rate::new(1, Duration::from_secs(1));
        for route in 0..1_000 {
            let now = route as u64 * 500_000;
            rates.request(route, now, rate).unwrap();
        }
        assert!(rates.full_at.lock().len() <= 3);
        assert!(!rates.are_full(0));
        assert!(rates.are_full(u64::MAX));
    }
}
