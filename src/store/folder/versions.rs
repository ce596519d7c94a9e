//! The versions of one certificate: numbered folders.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use super::super::{Bundle, Meta, StoreError, Stored};
use super::{aside, files};
use crate::clock::UnixTime;
use crate::disk::{Dir, FileStamp};
use crate::secret::Secret;
use crate::telemetry::Chain;

const CHAIN: &str = "fullchain.pem";
const KEY: &str = "privkey.pem";
const META: &str = "certificate.json";

/// The names of a version that is still being written, and of one that is being removed.
const NEW: &str = ".new";
const OLD: &str = ".old";

/// How many versions are kept: the newest, and the one before it, for a manual rollback.
const KEPT: usize = 2;

/// The content of `certificate.json`.
#[derive(Serialize, Deserialize)]
struct MetaFile {
    #[serde(flatten)]
    meta: Meta,
    /// The digest of the chain: without its last certificate a chain is valid PEM, too. Older
    /// versions of ianitor did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fullchain_sha256: Option<String>,
}

impl MetaFile {
    fn of(bundle: &Bundle) -> Self {
        Self {
            meta: bundle.meta.clone(),
            fullchain_sha256: Some(files::sha256(bundle.chain.trim_end().as_bytes())),
        }
    }
}

/// The folder of one certificate.
pub(super) struct Versions {
    store: PathBuf,
    folder: PathBuf,
}

/// Changes whenever the newest version may have changed. It is found without reading a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VersionsStamp {
    highest: u64,
    stamp: Option<FileStamp>,
}

/// The newest complete version.
pub(super) struct Newest {
    pub(super) stored: Stored,
    /// Its folder.
    folder: Dir,
    /// Why a newer version cannot be read.
    damage: Option<StoreError>,
}

impl Newest {
    /// Whether reading the same files again would give the same result. Other read errors than
    /// damage may be temporary.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.damage, None | Some(StoreError::Damaged { .. }))
    }

    /// Logs that a newer version cannot be read.
    pub(super) fn warn(&self) {
        if let Some(damage) = &self.damage {
            let version = self.stored.version;
            tracing::warn!(
                error = %Chain(damage), version,
                "the newest stored certificate cannot be read: an older version is used"
            );
        }
    }
}

impl Versions {
    pub(super) fn new(store: PathBuf, folder: PathBuf) -> Self {
        Self { store, folder }
    }

    /// The path of a version, for messages.
    fn folder_of(&self, version: u64) -> PathBuf {
        self.folder.join(folder_name(version))
    }

    /// Reads the newest complete version.
    pub(super) fn newest(&self) -> Result<Option<Newest>, StoreError> {
        let Some(folder) = files::open(&self.folder)? else {
            return Ok(None);
        };
        self.newest_in(&folder)
    }

    fn newest_in(&self, folder: &Dir) -> Result<Option<Newest>, StoreError> {
        // A version may be removed between listing the folder and reading it, because newer ones
        // were added or because it is damaged: another iteration finds what there is now.
        loop {
            let (mut damage, mut is_gone) = (None, false);
            for version in self.numbers(folder)? {
                match self.read(folder, version) {
                    Ok((folder, stored)) => {
                        return Ok(Some(Newest {
                            stored,
                            folder,
                            damage,
                        }));
                    }
                    Err(_) if !is_there(folder, version) => is_gone = true,
                    Err(error) => damage = damage.or(Some(error)),
                }
            }
            match damage {
                _ if is_gone => {}
                Some(damage) => return Err(damage),
                None => return Ok(None),
            }
        }
    }

    /// The highest number, and when an entry of its folder was last added or removed.
    pub(super) fn stamp(&self) -> Result<Option<VersionsStamp>, StoreError> {
        let Some(folder) = files::open(&self.folder)? else {
            return Ok(None);
        };
        let Some(highest) = self.numbers(&folder)?.first().copied() else {
            return Ok(None);
        };
        let found = folder.look(folder_name(highest)).ok();
        let stamp = found.map(|found| FileStamp::from(&found));
        Ok(Some(VersionsStamp { highest, stamp }))
    }

    /// Adds a version and removes those that are no longer kept.
    pub(super) fn put(&self, new: &Bundle) -> Result<u64, StoreError> {
        let files::LockedDir { dir: folder, .. } = &files::lock(&self.store, &self.folder)?;
        folder
            .remove_all(NEW)
            .map_err(files::unwritable(&self.folder.join(NEW)))?;
        let meta = files::json(&self.folder, &MetaFile::of(new))?;
        let version = self.highest_ever(folder)?.saturating_add(1);
        let written =
            write(folder, new, &meta).and_then(|()| folder.rename(NEW, folder_name(version)));
        if written.is_err() {
            // Frees the space. An error here has the same cause as the first, which is returned.
            _ = folder.remove_all(NEW);
        }
        written
            .and_then(|()| folder.sync())
            .map_err(files::unwritable(&self.folder_of(version)))?;
        self.tidy(folder);
        Ok(version)
    }

    /// Marks the newest version as revoked.
    pub(super) fn revoked(&self, at: UnixTime) -> Result<(), StoreError> {
        let absent = || StoreError::Absent {
            place: self.folder.display().to_string(),
        };
        files::open(&self.folder)?.ok_or_else(absent)?;
        let locked = files::lock(&self.store, &self.folder)?;
        let newest = self.newest_in(&locked.dir)?.ok_or_else(absent)?;
        let mut bundle = newest.stored.bundle;
        bundle.meta.revoked = Some(at);
        let path = newest.folder.path().join(META);
        let meta = files::json(&path, &MetaFile::of(&bundle))?;
        files::replace(&newest.folder, META, &meta)
    }

    /// The existing numbers, the highest first.
    fn numbers(&self, folder: &Dir) -> Result<Vec<u64>, StoreError> {
        let names = folder.names().map_err(files::unreadable(&self.folder))?;
        let mut numbers: Vec<u64> = names
            .iter()
            .filter_map(|name| number(name.to_str()?))
            .collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    /// The highest number that was ever used, 0 if none was. Other processes would not notice a
    /// version that has the number of one that was moved aside.
    fn highest_ever(&self, folder: &Dir) -> Result<u64, StoreError> {
        let names = folder.names().map_err(files::unreadable(&self.folder))?;
        let numbers = names.iter().filter_map(|name| {
            let name = name.to_str()?;
            number(aside::original(name).unwrap_or(name))
        });
        Ok(numbers.max().unwrap_or(0))
    }

    /// Moves the damaged versions aside, and returns their numbers.
    pub(super) fn set_damaged_aside(&self) -> Result<Vec<u64>, StoreError> {
        let damage = |folder: &Dir, version| match self.read(folder, version) {
            Err(StoreError::Damaged { what, .. }) => Some((version, what)),
            _ => None,
        };
        let all_damage = |folder: &Dir| -> Result<Vec<(u64, String)>, StoreError> {
            let numbers = self.numbers(folder)?.into_iter();
            Ok(numbers
                .filter_map(|version| damage(folder, version))
                .collect())
        };
        // Without damage, which is the rule, nothing is created or locked.
        match files::open(&self.folder) {
            Ok(None) => return Ok(Vec::new()),
            Ok(Some(folder)) if all_damage(&folder)?.is_empty() => return Ok(Vec::new()),
            Ok(Some(_)) | Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        // A version that was removed while it was read looks damaged without the lock.
        let locked = files::lock(&self.store, &self.folder)?;
        let mut moved = Vec::new();
        for (version, why) in all_damage(&locked.dir)? {
            aside::set_aside(&locked.dir, &folder_name(version), &why)?;
            moved.push(version);
        }
        Ok(moved)
    }

    fn read(&self, folder: &Dir, version: u64) -> Result<(Dir, Stored), StoreError> {
        let path = self.folder_of(version);
        let damaged = |what: &str| StoreError::Damaged {
            place: path.display().to_string(),
            what: what.to_owned(),
        };
        let folder = folder
            .below(folder_name(version))
            .map_err(|error| match error.kind() {
                // This includes links.
                io::ErrorKind::NotADirectory => damaged("is not a folder"),
                _ => files::unreadable(&path)(error),
            })?;
        let stored = read(&folder, &path, version)?;
        Ok((folder, stored))
    }

    /// Removes old versions. An error is only logged, because the new version is stored already.
    fn tidy(&self, folder: &Dir) {
        let tidied = self.numbers(folder).and_then(|numbers| {
            let mut left = folder.remove_all(OLD);
            for version in numbers.into_iter().skip(KEPT) {
                // Renamed first, so that a crash does not leave an incomplete numbered folder.
                let renamed = left.and_then(|()| folder.rename(folder_name(version), OLD));
                left = renamed.and_then(|()| folder.remove_all(OLD));
            }
            left.map_err(files::unwritable(&self.folder))
        });
        if let Err(error) = tidied {
            tracing::warn!(
                error = %Chain(&error),
                "old certificates could not be removed from the store"
            );
        }
    }
}

pub(super) fn folder_name(version: u64) -> String {
    format!("{version:04}")
}

/// The number of a version, if this is exactly how its folder is named.
fn number(name: &str) -> Option<u64> {
    name.parse()
        .ok()
        .filter(|number| folder_name(*number) == name)
}

fn write(above: &Dir, new: &Bundle, meta: &[u8]) -> io::Result<()> {
    let folder = files::make_new(above, NEW)?;
    files::write_new(&folder, KEY, new.key.reveal().as_bytes())?;
    files::write_new(&folder, CHAIN, new.chain.as_bytes())?;
    files::write_new(&folder, META, meta)?;
    folder.sync()
}

fn read(folder: &Dir, path: &Path, version: u64) -> Result<Stored, StoreError> {
    let damaged = |file: &str, what: &dyn std::fmt::Display| StoreError::Damaged {
        place: path.display().to_string(),
        what: format!("{file}: {what}"),
    };
    let text = |file: &str| {
        let bytes = files::read(folder, file)?.ok_or_else(|| damaged(file, &"is missing"))?;
        String::from_utf8(bytes).map_err(|_| damaged(file, &"is not text"))
    };
    let (chain, key, meta) = (text(CHAIN)?, Secret::new(text(KEY)?), text(META)?);
    CertificateDer::from_pem_slice(chain.as_bytes()).map_err(|error| damaged(CHAIN, &error))?;
    // The issuers' certificates too: most clients reject a handshake without them.
    let whole = CertificateDer::pem_slice_iter(chain.as_bytes()).try_for_each(|one| one.map(drop));
    whole.map_err(|error| damaged(CHAIN, &error))?;
    PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|error| damaged(KEY, &error))?;
    let MetaFile {
        meta,
        fullchain_sha256,
    } = serde_json::from_str(&meta).map_err(|error| damaged(META, &error))?;
    let found = files::sha256(chain.trim_end().as_bytes());
    if fullchain_sha256.is_some_and(|written| written != found) {
        return Err(damaged(CHAIN, &"is not what was written"));
    }
    Ok(Stored {
        version,
        bundle: Bundle { chain, key, meta },
    })
}

/// Whether anything, a folder or not, has the name of this version.
fn is_there(folder: &Dir, version: u64) -> bool {
    !folder
        .look(folder_name(version))
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
