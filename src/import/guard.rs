//! What limited paths without being a route.

use super::model::{Matching, Route, Target};
use crate::nginx::{Directive, Place};

/// Paths that a directive limited, of which only their beginning is known.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// Every path that was limited begins so, character by character.
    pub(super) front: String,
    /// Whether only files have to be kept back, as their text must not be shown.
    pub(super) only_files: bool,
    /// Whether routes to files keep these paths back anyway.
    pub(super) spares_files: bool,
    /// Whether it came before every location, and not only before those without modifier.
    pub(super) is_first: bool,
    pub(super) place: Place,
    pub(super) shown: String,
}

impl Guard {
    pub(super) fn limits(directive: &Directive, front: String) -> Self {
        Self {
            front,
            only_files: false,
            spares_files: false,
            is_first: false,
            place: directive.place.clone(),
            shown: directive.shown(),
        }
    }

    pub(super) fn hides_files(directive: &Directive, front: String) -> Self {
        Self {
            only_files: true,
            ..Self::limits(directive, front)
        }
    }

    /// Whether the route would take over requests that were limited.
    pub(super) fn is_about(&self, route: &Route) -> bool {
        let is_files = matches!(route.target, Target::Files { .. });
        let by_matching = match route.matching {
            Matching::Priority => self.is_first,
            // A file alone has nothing below it.
            Matching::Exact => self.is_first || !is_files,
            Matching::Prefix | Matching::Regexp => true,
        };
        let by_target = match is_files {
            true => !self.spares_files,
            false => !self.only_files,
        };
        by_matching && by_target && !is_redirect(route)
    }
}

pub(super) fn is_redirect(route: &Route) -> bool {
    matches!(route.target, Target::Redirect { .. })
}
