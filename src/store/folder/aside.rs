//! What is damaged is moved aside, under a name with the time, so that something new can have its
//! name and an operator can examine it: `key.pem.damaged-2026-11-30T090550Z`.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::path::Path;

use super::super::StoreError;
use super::super::error::unwritable;
use crate::clock::UnixTime;
use crate::disk::{Dir, FileLock, Trust};

/// Stands between the name of something and the time at which it was moved aside.
const DAMAGED: &str = ".damaged-";

/// How many damaged ones of a name are kept, so that a bad disk does not fill up.
const KEPT: usize = 5;

/// Moves something aside and logs it; nothing happens if it is not there. The caller holds the
/// folder's lock.
pub(super) fn set_aside(folder: &Dir, name: &str, why: &str) -> Result<(), StoreError> {
    let moved = rename(folder, name).and_then(|moved| folder.sync().map(|()| moved));
    let path = folder.path().join(name);
    let Some(to) = moved.map_err(unwritable(&path))? else {
        return Ok(());
    };
    tracing::warn!(
        path = %path.display(), why, to,
        "a part of the certificate store is damaged: it is set aside and made anew"
    );
    remove_old(folder, name);
    Ok(())
}

/// Whether this is the name of something that was moved aside, and of what.
pub(super) fn original(name: &str) -> Option<&str> {
    // A host may have a label that looks like the separator.
    let (original, time) = name.rsplit_once(DAMAGED)?;
    time.starts_with(|first: char| first.is_ascii_digit())
        .then_some(original)
}

/// Returns the new name.
fn rename(folder: &Dir, name: &str) -> io::Result<Option<String>> {
    let to = new_name(&aside(folder, name)?, name);
    match folder.rename(name, &to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        renamed => renamed.map(|()| Some(to)),
    }
}

/// A name with the time, and a number if several are moved in one second.
fn new_name(aside: &[String], name: &str) -> String {
    let first = format!("{name}{DAMAGED}{}", UnixTime::now()).replace(':', "");
    match aside.last().filter(|last| time(last) == time(&first)) {
        Some(last) => format!("{first}-{}", number(last) + 1),
        None => first,
    }
}

/// Removes the oldest ones beyond [`KEPT`]. What cannot be removed only uses space.
fn remove_old(folder: &Dir, name: &str) {
    let all = aside(folder, name).unwrap_or_default();
    for old in all.iter().rev().skip(KEPT) {
        _ = folder.remove_all(old);
    }
}

/// What was moved aside under this name, the oldest first.
fn aside(folder: &Dir, name: &str) -> io::Result<Vec<String>> {
    let all = folder.names()?.into_iter();
    let all = all.filter_map(|one| one.into_string().ok());
    let mut all: Vec<String> = all.filter(|one| original(one) == Some(name)).collect();
    all.sort_by_cached_key(|one| (time(one).to_owned(), number(one)));
    Ok(all)
}

/// The time in a name, without the number that may follow it.
fn time(name: &str) -> &str {
    let time = name.rsplit_once(DAMAGED).map_or("", |(_, time)| time);
    time.split_once('Z').map_or(time, |(time, _)| time)
}

/// The number that follows the time.
fn number(name: &str) -> u32 {
    let number = name.rsplit_once("Z-").and_then(|(_, n)| n.parse().ok());
    number.unwrap_or(1)
}

/// Moves aside what has a name in this folder and is not of the kind that belongs there, such as a
/// file in place of a folder. Processes that do this at the same time wait for each other, so
/// that none moves what another has just created.
pub(super) fn make_way(
    folder: &Dir,
    name: &str,
    why: &str,
    belongs: impl Fn(&Metadata) -> bool,
) -> Result<(), StoreError> {
    let path = folder.path().join(name);
    let _lock = FileLock::of_folder(folder).map_err(unwritable(&path))?;
    match folder.look(name) {
        Ok(found) if !belongs(&found) => set_aside(folder, name, why),
        _ => Ok(()),
    }
}

/// Moves aside what is not a folder on the way from the store to a folder in it. A link stays: what
/// it leads to may be unavailable for a while.
pub(super) fn make_way_to(store: &Path, folder: &Path) -> Result<(), StoreError> {
    let Ok(below) = folder.strip_prefix(store) else {
        return Ok(());
    };
    let mut above = store.to_owned();
    for part in below.iter().filter_map(OsStr::to_str) {
        let Ok(dir) = Dir::open(&above, &Trust::links()) else {
            return Ok(());
        };
        make_way(&dir, part, "it is not a folder", |found| {
            found.is_dir() || found.is_symlink()
        })?;
        above.push(part);
    }
    Ok(())
}
