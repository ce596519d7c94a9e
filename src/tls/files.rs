//! The files of the development certificates. They are written atomically, and files that ianitor
//! did not write are never overwritten.

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

/// The start of the common name of every development certificate. A certificate without it was not
/// written by ianitor.
pub(super) const MARK: &str = "ianitor development";

/// The first line of every key file, for the same purpose, as keys have no names. PEM readers skip
/// it (RFC 7468, section 2).
const KEY_MARK: &str = "# ianitor development key\n";

const KEY_MODE: u32 = 0o600;
const CERT_MODE: u32 = 0o644;
const LOCK_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o755;

/// Far larger than any key.
const LARGEST_KEY: u64 = 1 << 20;

/// The files of one certificate and its key.
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
        // The host `ca` would share a file with the CA, and `x-key` with the key of `x`. Normalised
        // names do not end in a dot, so an added dot keeps the files apart.
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

    /// Checks that writing would overwrite only files of ianitor.
    ///
    /// # Errors
    /// The file that must not be overwritten, and why.
    pub(super) fn may_be_written(&self) -> Result<(), (&Path, Problem)> {
        is_our_cert(&self.cert).map_err(|problem| (self.cert.as_path(), problem))?;
        is_our_key(&self.key).map_err(|problem| (self.key.as_path(), problem))
    }

    /// Writes both files atomically. A reader in between sees a key and a certificate that do not
    /// match, and then waits for the lock.
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

/// Creates the folder if it does not exist and locks it until the value is dropped. Two processes
/// that generate a CA at the same time could leave the certificate of one with the key of the
/// other.
pub(super) fn lock(folder: &Path) -> io::Result<FileLock> {
    let folder = Dir::open_or_make(folder, &Trust::links(), FOLDER_MODE)?;
    FileLock::wait(&folder, ".lock", LOCK_MODE)
}

/// Replaces a file atomically. The new content is on disk before it gets the name. The caller holds
/// the lock.
fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or(NotAFile).map_err(io::Error::other)?;
    let temporary = Path::new(name).with_extension("pem.new");
    let folder = Dir::open(path.parent().unwrap_or(Path::new("")), &Trust::links())?;
    folder.replace(name, &temporary, mode, content, |_| Ok(()))
}

/// The names in the certificate for a host. `localhost` is also reached by its addresses.
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
