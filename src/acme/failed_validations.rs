//! The failed validations of the last hour, by CA and name. CAs limit them for an account and a
//! name, whichever certificate the name is ordered for: Let's Encrypt allows five per hour.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Moment;
use crate::host::HostName;

/// How many may fail in [`PERIOD`] until orders that no operator asked for have to wait.
const ALLOWED: usize = 5;

/// How long a failed validation counts.
const PERIOD: Duration = Duration::from_secs(3600);

/// The URL of a CA's directory, and a name.
type Key = (Box<str>, HostName);

/// For each directory and name, when its failures no longer count.
#[derive(Debug, Default)]
pub(super) struct FailedValidations(Mutex<HashMap<Key, Vec<Moment>>>);

impl FailedValidations {
    /// Notes that the CA with this directory could not validate a name.
    pub(super) fn note(&self, directory: &str, host: &HostName) {
        self.note_until(directory, host, Moment::after(PERIOD));
    }

    fn note_until(&self, directory: &str, host: &HostName, end: Moment) {
        let mut all = self.0.lock();
        all.retain(|_, ends| {
            ends.retain(|end| !end.has_come());
            !ends.is_empty()
        });
        let ends = all.entry((directory.into(), host.clone())).or_default();
        ends.push(end);
    }

    /// How many validations of each of these names may fail now.
    pub(super) fn left(&self, directory: &str, hosts: &[HostName]) -> usize {
        let most = hosts.iter().map(|host| self.ends(directory, host).len());
        ALLOWED.saturating_sub(most.max().unwrap_or(0))
    }

    /// How long to wait until one validation of each of these names may fail.
    pub(super) fn wait(&self, directory: &str, hosts: &[HostName]) -> Duration {
        let waits = hosts.iter().filter_map(|host| {
            let mut ends = self.ends(directory, host);
            ends.sort_unstable();
            // What has to be over is all but the last few.
            let over = ends.len().checked_sub(ALLOWED)?;
            Some(ends[over].left())
        });
        waits.max().unwrap_or_default()
    }

    /// When the failures of a name that still count no longer do.
    fn ends(&self, directory: &str, host: &HostName) -> Vec<Moment> {
        let all = self.0.lock();
        let ends = all.get(&(directory.into(), host.clone()));
        let ends = ends.into_iter().flatten().copied();
        ends.filter(|end| !end.has_come()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = "https://ca.example/directory";

    fn hosts(names: &[&str]) -> Vec<HostName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn five_failures_of_a_name_in_an_hour_are_all() {
        let all = FailedValidations::default();
        let [a, b] = ["a.example", "b.example"].map(|name| name.parse().unwrap());
        let both = hosts(&["a.example", "b.example"]);
        for left in (0..5).rev() {
            assert_eq!(all.wait(CA, &both), Duration::ZERO);
            all.note(CA, &a);
            assert_eq!(all.left(CA, &both), left);
        }
        assert_eq!((all.left(CA, &both[1..]), all.left("other", &both)), (5, 5));
        let wait = all.wait(CA, &both);
        assert!(wait <= PERIOD && wait > PERIOD - Duration::from_secs(60));
        assert_eq!(all.wait(CA, &both[1..]), Duration::ZERO);
        all.note(CA, &b);
        assert_eq!(all.left(CA, &both[1..]), 4);
    }

    /// An operator may ask for more than that.
    #[test]
    fn what_no_longer_counts_is_forgotten_and_the_next_wait_is_for_the_oldest_that_does() {
        let all = FailedValidations::default();
        let a = hosts(&["a.example"]);
        for wait in [0, 0, 600, 1200, 1800, 2400, 3000, 3600] {
            let end = Moment::after(Duration::from_secs(wait));
            all.note_until(CA, &a[0], end);
        }
        assert_eq!(all.left(CA, &a), 0);
        let wait = all.wait(CA, &a).as_secs();
        assert!((1100..=1200).contains(&wait), "{wait}");
        assert_eq!(all.0.lock().values().next().map(Vec::len), Some(6));
    }
}
