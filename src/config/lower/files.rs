//! `files` of a route, and the keys beside it.

use std::path::Path;

use crate::config::diagnostics::Diagnostics;
use crate::config::problem::Place;
use crate::config::tables::{FOLLOW_SYMLINKS, RawRoute};
use crate::route::files::{FilesSpec, PageFile};

/// The only status that a page can be for.
const NOT_FOUND: &str = "404";

/// The folder or file, with its pages.
pub(super) fn spec(raw: &RawRoute, root: &Path, diag: &Diagnostics<'_>) -> FilesSpec {
    let follow_symlinks = raw.follow_symlinks.as_ref();
    FilesSpec {
        root: root.to_owned(),
        follow_symlinks: follow_symlinks.map_or(FOLLOW_SYMLINKS, |follow| follow.value),
        compress: raw.compress.as_ref().is_some_and(|compress| compress.value),
        spa: raw.spa.as_ref().map(|page| page.value.clone()),
        not_found: not_found(raw, diag),
    }
}

/// Where the keys are that only such a route has.
pub(super) fn places(raw: &RawRoute) -> impl Iterator<Item = &Place> {
    let places = [
        raw.follow_symlinks.as_ref().map(|key| &key.place),
        raw.compress.as_ref().map(|key| &key.place),
        raw.spa.as_ref().map(|key| &key.place),
        raw.error_pages.as_ref().map(|key| &key.place),
    ];
    places.into_iter().flatten()
}

fn not_found(raw: &RawRoute, diag: &Diagnostics<'_>) -> Option<PageFile> {
    let pages = raw.error_pages.as_ref()?;
    if pages.value.is_empty() {
        let text = "is empty; write { 404 = \"404.html\" }, or leave it out";
        diag.problem(&pages.place, text);
    }
    for (status, _) in &pages.value {
        if status.value != NOT_FOUND {
            let text = "is not 404, and only 404 can have a page; every other status has one of \
                        the gateway's own";
            diag.problem(&status.place, text);
        }
    }
    let mut pages = pages.value.iter();
    let (_, page) = pages.find(|(status, _)| status.value == NOT_FOUND)?;
    Some(page.as_ref()?.value.clone())
}
