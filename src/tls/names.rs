//! The index of a table: certificates by host name.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::SignatureAlgorithm;

use super::entry::CertEntry;
use super::info::{CertInfo, Origin};
use crate::host::{HostName, HostPattern};

/// The certificates of one name, the preferred one first.
pub(super) type Group = Vec<Arc<CertEntry>>;

/// Certificates by exact name and by wildcard.
#[derive(Default)]
pub(super) struct Names {
    exact: HashMap<Box<str>, Group>,
    /// By the name after `*.`.
    wildcard: HashMap<Box<str>, Group>,
}

impl Names {
    /// Certificates that are not valid now are left out of names for which a valid one exists.
    pub(super) fn new(entries: &[Arc<CertEntry>], now: SystemTime) -> Self {
        let mut names = Self::default();
        for entry in entries.iter().filter(|entry| !entry.info.is_placeholder()) {
            for name in &entry.info.names {
                names.insert(name, entry);
            }
        }
        for group in names.exact.values_mut().chain(names.wildcard.values_mut()) {
            filter_and_sort(group, now);
        }
        names.prefer_valid_wildcards(now);
        for entry in entries.iter().filter(|entry| entry.info.is_placeholder()) {
            for name in &entry.info.names {
                names.fill_in(name, entry);
            }
        }
        names
    }

    /// A placeholder is added only to names without any certificate: an expired one was at least
    /// issued by a CA.
    fn fill_in(&mut self, name: &HostPattern, placeholder: &Arc<CertEntry>) {
        if self.get_pattern(name).is_none() {
            self.insert(name, placeholder);
        }
    }

    /// Whether a certificate is in the group of any of its names.
    pub(super) fn has(&self, entry: &Arc<CertEntry>) -> bool {
        let contains = |group: &Group| group.iter().any(|member| Arc::ptr_eq(member, entry));
        entry
            .info
            .names
            .iter()
            .filter_map(|name| self.get_pattern(name))
            .any(contains)
    }

    pub(super) fn get(&self, host: &HostName) -> Option<&Group> {
        self.exact
            .get(host.as_str())
            .or_else(|| self.wildcard.get(host.parent()?))
    }

    /// The group of a name as it is written in certificates, possibly a wildcard.
    pub(super) fn get_pattern(&self, name: &HostPattern) -> Option<&Group> {
        match name {
            HostPattern::Exact(host) => self.get(host),
            HostPattern::Wildcard(parent) => self.wildcard.get(parent.as_str()),
        }
    }

    /// Every certificate that is served for a host of the pattern. For a wildcard this includes
    /// certificates for single hosts below it: an operator may have one for each.
    pub(super) fn under<'n>(
        &'n self,
        pattern: &'n HostPattern,
    ) -> impl Iterator<Item = &'n Arc<CertEntry>> {
        let parent = match pattern {
            HostPattern::Exact(_) => None,
            HostPattern::Wildcard(parent) => Some(parent.as_str()),
        };
        let is_below = move |host: &str| host.split_once('.').map(|(_, above)| above) == parent;
        let below = self
            .exact
            .iter()
            .filter(move |(host, _)| parent.is_some() && is_below(host));
        self.get_pattern(pattern)
            .into_iter()
            .chain(below.map(|(_, group)| group))
            .flatten()
    }

    fn insert(&mut self, name: &HostPattern, entry: &Arc<CertEntry>) {
        let (map, host) = match name {
            HostPattern::Exact(host) => (&mut self.exact, host),
            HostPattern::Wildcard(parent) => (&mut self.wildcard, parent),
        };
        map.entry(host.as_str().into())
            .or_default()
            .push(Arc::clone(entry));
    }

    fn prefer_valid_wildcards(&mut self, now: SystemTime) {
        let wildcard = &self.wildcard;
        self.exact.retain(|host, group| {
            let above = host
                .split_once('.')
                .and_then(|(_, parent)| wildcard.get(parent));
            is_valid(group, now) || !above.is_some_and(|group| is_valid(group, now))
        });
    }
}

/// Removes certificates that are not valid now if there is a valid one, and sorts the rest by
/// preference; equal ones stay in the order of the configuration. Of ordered certificates the
/// newest comes first: when a host moves from one certificate to another, both exist for a while.
fn filter_and_sort(group: &mut Group, now: SystemTime) {
    if is_valid(group, now) {
        group.retain(|entry| entry.info.out_of_date(now).is_none());
    }
    let begin = |info: &CertInfo| (info.origin == Origin::Ordered).then_some(info.not_before);
    group.sort_by_key(|entry| {
        (
            entry.info.origin,
            rank(entry.info.algorithm),
            Reverse(begin(&entry.info)),
        )
    });
}

fn is_valid(group: &Group, now: SystemTime) -> bool {
    group
        .iter()
        .any(|entry| entry.info.out_of_date(now).is_none())
}

/// ECDSA first: its signatures need a tenth of the time of RSA's, and its chains are smaller.
fn rank(algorithm: SignatureAlgorithm) -> u8 {
    match algorithm {
        SignatureAlgorithm::ECDSA => 0,
        SignatureAlgorithm::ED25519 => 1,
        SignatureAlgorithm::RSA => 2,
        _ => 3,
    }
}
