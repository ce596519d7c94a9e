//! What a request may mean among the resources that are known.

use super::super::Owner;
use super::Resource;

/// What a path means, as far as resources are known.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) id: u64,
    /// Whether it is the resource, and not something below it.
    pub(super) is_whole: bool,
    /// Whether everything that the path may mean is the client's.
    pub(super) is_own: bool,
}

/// Adds these resources to what was found. Whether that is all: one has this very spelling, or one
/// is another client's.
pub(super) fn note<'r>(
    found: &mut Option<Found>,
    owner: Owner,
    (all, is_whole): (impl Iterator<Item = (u64, &'r Resource)>, bool),
    is_spelled: impl Fn(&Resource) -> bool,
) -> bool {
    let all: Vec<(u64, &Resource)> = all.collect();
    let exact = all.iter().filter(|(_, resource)| is_spelled(resource));
    let exact: Vec<(u64, &Resource)> = exact.copied().collect();
    let has_exact = !exact.is_empty();
    let meant = if has_exact { exact } else { all };
    let Some((id, _)) = meant.last() else {
        return false;
    };
    let are_own = meant
        .iter()
        .all(|(_, resource)| resource.place.owner() == owner);
    let found = found.get_or_insert(Found {
        id: *id,
        is_whole,
        is_own: true,
    });
    found.is_own &= are_own;
    has_exact || !are_own
}
