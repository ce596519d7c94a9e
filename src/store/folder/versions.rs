//! The versions of one certificate: numbered folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::super::{Bundle, Meta, StoreError, Stored};
use super::files;
use crate::clock::UnixTime;
use crate::secret::Secret;
use crate::telemetry::Chain;

const CHAIN: &str = "fullchain.pem";
const KEY: &str = "privkey.pem";
const META: &str = "certificate.json";

/// A version before it has its number, and one that is being taken away.
const NEW: &str = ".new";
const OLD: &str = ".old";

/// How many stay: the newest, and the one before, to go back to by hand.
const KEPT: usize = 2;

/// The folder of one certificate.
pub(super) struct Versions {
    folder: PathBuf,
}

/// What there is to be seen of versions without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    highest: u64,
    touched: Option<SystemTime>,
}

/// The newest version that is whole.
pub(super) struct Newest {
    pub(super) stored: Stored,
    key: PathBuf,
    /// What is wrong with a newer one.
    damage: Option<StoreError>,
}

impl Newest {
    /// Whether another look at the same would lead to the same: what could not be read now may be read soon.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.damage, None | Some(StoreError::Damaged { .. }))
    }

    /// Tells what the operator should look after.
    pub(super) fn warn(&self) {
        files::warn_if_open(&self.key);
        if let Some(damage) = &self.damage {
            let version = self.stored.version;
            tracing::warn!(error = %Chain(damage), version, "an older certificate is taken from the store");
        }
    }
}

impl Versions {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn folder_of(&self, version: u64) -> PathBuf {
        self.folder.join(format!("{version:04}"))
    }

    /// The newest version that is whole.
    pub(super) fn newest(&self) -> Result<Option<Newest>, StoreError> {
        // A version may be taken away between the look at the folder and the look into it, when there are newer ones.
        // Then there is something new to see, every time.
        loop {
            let (mut damage, mut is_gone) = (None, false);
            for version in self.numbers()? {
                let folder = self.folder_of(version);
                match read(&folder, version) {
                    Ok(stored) => return Ok(Some(Newest { stored, key: folder.join(KEY), damage })),
                    Err(_) if !is_there(&folder) => is_gone = true,
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

    /// What there is to be seen without reading: the highest number, and when something was last put into or taken out
    /// of its folder.
    pub(super) fn look(&self) -> Result<Option<Look>, StoreError> {
        let Some(highest) = self.numbers()?.first().copied() else { return Ok(None) };
        let touched = fs::symlink_metadata(self.folder_of(highest)).and_then(|metadata| metadata.modified()).ok();
        Ok(Some(Look { highest, touched }))
    }

    /// Adds a version and takes those away that nobody needs any more.
    pub(super) fn put(&self, new: &Bundle) -> Result<u64, StoreError> {
        let _alone = files::alone(&self.folder)?;
        let temporary = self.folder.join(NEW);
        remove_folder(&temporary).map_err(files::unwritable(&temporary))?;
        let meta = files::json(&self.folder, &new.meta)?;
        let version = self.numbers()?.first().map_or(1, |newest| newest + 1);
        let written = write(&temporary, new, &meta).and_then(|()| fs::rename(&temporary, self.folder_of(version)));
        if written.is_err() {
            // Gives back what room it took; what keeps it from being removed has been told already.
            _ = remove_folder(&temporary);
        }
        written.and_then(|()| files::sync_folder(&self.folder)).map_err(files::unwritable(&self.folder_of(version)))?;
        self.tidy();
        Ok(version)
    }

    /// Notes in the newest version that it was revoked.
    pub(super) fn revoked(&self, at: UnixTime) -> Result<(), StoreError> {
        let absent = || StoreError::Absent { place: self.folder.display().to_string() };
        if !self.folder.is_dir() {
            return Err(absent());
        }
        let _alone = files::alone(&self.folder)?;
        let newest = self.newest()?.ok_or_else(absent)?.stored;
        let path = self.folder_of(newest.version).join(META);
        let meta = Meta { revoked: Some(at), ..newest.bundle.meta };
        files::replace(&path, &files::json(&path, &meta)?)
    }

    /// The numbers that there are, the highest first.
    fn numbers(&self) -> Result<Vec<u64>, StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(files::unreadable(&self.folder)(error)),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry.map_err(files::unreadable(&self.folder))?.file_name();
            numbers.extend(name.to_str().and_then(number));
        }
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    /// Failing is no reason to refuse a certificate that is safely there.
    fn tidy(&self) {
        let old = self.folder.join(OLD);
        let tidied = self.numbers().map(|numbers| {
            let mut left = remove_folder(&old);
            for version in numbers.into_iter().skip(KEPT) {
                // Renamed first, so that a crash leaves no numbered folder with a part of its files.
                let folder = self.folder_of(version);
                left = left.and_then(|()| fs::rename(folder, &old)).and_then(|()| remove_folder(&old));
            }
            left.map_err(files::unwritable(&self.folder))
        });
        if let Err(error) = tidied.and_then(|left| left) {
            tracing::warn!(error = %Chain(&error), "old certificates stay in the store");
        }
    }
}

/// The number of a version: digits as they are written here, nothing else.
fn number(name: &str) -> Option<u64> {
    name.parse().ok().filter(|number| format!("{number:04}") == name)
}

fn write(folder: &Path, new: &Bundle, meta: &[u8]) -> io::Result<()> {
    files::make_new(folder)?;
    files::write_new(&folder.join(KEY), new.key.reveal().as_bytes())?;
    files::write_new(&folder.join(CHAIN), new.chain.as_bytes())?;
    files::write_new(&folder.join(META), meta)?;
    files::sync_folder(folder)
}

fn read(folder: &Path, version: u64) -> Result<Stored, StoreError> {
    let damaged = |file: &str, what: &dyn std::fmt::Display| StoreError::Damaged {
        place: folder.display().to_string(),
        what: format!("{file}: {what}"),
    };
    let text = |file: &str| {
        let bytes = files::read(&folder.join(file))?.ok_or_else(|| damaged(file, &"is missing"))?;
        String::from_utf8(bytes).map_err(|_| damaged(file, &"is not text"))
    };
    let (chain, key, meta) = (text(CHAIN)?, Secret::new(text(KEY)?), text(META)?);
    CertificateDer::from_pem_slice(chain.as_bytes()).map_err(|error| damaged(CHAIN, &error))?;
    // Those of the issuers too: a handshake without them fails at most clients.
    let whole = CertificateDer::pem_slice_iter(chain.as_bytes()).try_for_each(|one| one.map(drop));
    whole.map_err(|error| damaged(CHAIN, &error))?;
    PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|error| damaged(KEY, &error))?;
    let meta = serde_json::from_str(&meta).map_err(|error| damaged(META, &error))?;
    Ok(Stored { version, bundle: Bundle { chain, key, meta } })
}

/// Takes a folder away, if it is there, or what else has its name.
fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(folder),
        other => other,
    }
}

/// Whether the name is taken, be it by a folder or not.
fn is_there(path: &Path) -> bool {
    !fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
