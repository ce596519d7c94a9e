//! The files of the development certificates: whole or absent, never half, never somebody else's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::pem::{self, PemFile};
use super::problem::Problem;
use super::x509;
use crate::disk::{self, Dir, FileLock, NotAFile, Trust};
use crate::host::HostName;

/// The configuration key of development certificates, for messages.
pub(super) const CONFIG_KEY: &str = "tls.self_signed";

/// How the common name of everything made here begins: what does not is somebody else's file.
pub(super) const MARK: &str = "ianitor development";

/// Stands before our keys, for the same purpose: keys have no names. PEM readers skip it (RFC 7468,
/// section 2).
const KEY_MARK: &str = "# ianitor development key\n";

const KEY_MODE: u32 = 0o600;
const CERT_MODE: u32 = 0o644;
const LOCK_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o755;

/// Far above any key.
const LARGEST_KEY: u64 = 1 << 20;

/// Where one certificate and its key are kept.
pub(super) struct Pair {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

impl Pair {
    pub(super) fn of_ca(folder: &Path) -> Self {
        Self::new(folder, "ca")
    }

    pub(super) fn of_host(folder: &Path, host: &HostName) -> Self {
        let host = host.as_str();
        // A host called `ca`, or `x-key` beside `x`, would share a file with another certificate.
        // No name ends in a dot once normalised, so that one more keeps them apart.
        if host == "ca" || host.ends_with("-key") {
            Self::new(folder, &format!("{host}."))
        } else {
            Self::new(folder, host)
        }
    }

    fn new(folder: &Path, stem: &str) -> Self {
        Self {
            cert: folder.join(format!("{stem}.pem")),
            key: folder.join(format!("{stem}-key.pem")),
        }
    }

    /// Whether writing would destroy nothing that others made; else the file and why not.
    pub(super) fn may_be_written(&self) -> Result<(), (&Path, Problem)> {
        is_our_cert(&self.cert).map_err(|problem| (self.cert.as_path(), problem))?;
        is_our_key(&self.key).map_err(|problem| (self.key.as_path(), problem))
    }

    /// Writes both, each whole. A reader that comes in between sees two that do not match, and
    /// waits for the lock.
    pub(super) fn write(&self, cert: &str, key: &str) -> Result<(), (&Path, Problem)> {
        let key = format!("{KEY_MARK}{key}");
        replace(&self.key, key.as_bytes(), KEY_MODE)
            .map_err(|e| (self.key.as_path(), Problem::Write(e)))?;
        replace(&self.cert, cert.as_bytes(), CERT_MODE)
            .map_err(|e| (self.cert.as_path(), Problem::Write(e)))
    }
}

fn is_our_cert(path: &Path) -> Result<(), Problem> {
    let chain = match PemFile::read(path).and_then(|file| file.chain()) {
        Err(Problem::Missing) => return Ok(()),
        Err(Problem::NoCertificate) => return Err(Problem::NotOurs),
        other => other?,
    };
    let cert = x509::parse(&chain[0])?;
    let ours = x509::common_name(&cert).is_some_and(|name| name.starts_with(MARK));
    if ours { Ok(()) } else { Err(Problem::NotOurs) }
}

fn is_our_key(path: &Path) -> Result<(), Problem> {
    match disk::read(path, LARGEST_KEY).map_err(pem::unreadable) {
        Ok(bytes) if bytes.starts_with(KEY_MARK.as_bytes()) => Ok(()),
        Ok(_) | Err(Problem::TooLarge) => Err(Problem::NotOurs),
        Err(Problem::Missing) => Ok(()),
        Err(problem) => Err(problem),
    }
}

/// Makes the folder if need be and keeps other processes out until the value is dropped: two that
/// make a CA at the same time would leave the certificate of one beside the key of the other.
pub(super) fn lock(folder: &Path) -> io::Result<FileLock> {
    let folder = Dir::open_or_make(folder, &Trust::links(), FOLDER_MODE)?;
    FileLock::wait(&folder, ".lock", LOCK_MODE)
}

/// Replaces a file by a complete one, which is on the disk before it gets the name. The caller
/// holds the lock.
fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or(NotAFile).map_err(io::Error::other)?;
    let temporary = Path::new(name).with_extension("pem.new");
    let folder = Dir::open(path.parent().unwrap_or(Path::new("")), &Trust::links())?;
    folder.replace(name, &temporary, mode, content, |_| Ok(()))
}

/// The names in the certificate for a host: `localhost` is also asked for by its addresses.
pub(super) fn names_of(host: &HostName) -> Vec<HostName> {
    let mut names = vec![host.clone()];
    if host.as_str() == "localhost" {
        names.extend(
            [
                IpAddr::from(Ipv4Addr::LOCALHOST),
                IpAddr::from(Ipv6Addr::LOCALHOST),
            ]
            .map(HostName::from),
        );
    }
    names
}
