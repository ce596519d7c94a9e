//! Certificates, keys and lists on disk: whoever renews them replaces files, and need not tell us.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::secret::SecretSource;
use crate::turn::Secrets;

/// How often the files are looked at.
pub const LOOK: Duration = Duration::from_secs(10);

/// Even if nothing changes the certificates are loaded anew so often: development ones are renewed by that, and those
/// that end soon are warned about.
const RELOAD: Duration = Duration::from_secs(24 * 3600);

/// What the files of a configuration looked like when they were read.
#[derive(Debug)]
pub(super) struct Watch {
    files: Vec<Option<Look>>,
    since: Instant,
}

/// One file: where it lies, when it was written, how long it is. `None` of it while there is none.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    inode: (u64, u64),
    written: (i64, i64),
    /// Also of its owner and permissions.
    changed: (i64, i64),
    length: u64,
}

impl Watch {
    /// As they are now.
    pub(super) fn new(config: &Config) -> Self {
        let pairs = config.tls.certificates.iter().flat_map(|pair| [&pair.cert, &pair.key]);
        let cas = config.routes.upstreams().iter().filter_map(|upstream| upstream.tls.ca_file.as_ref());
        let places = config.issuers.iter().filter_map(|issuer| issuer.keys.place());
        let cas = cas.chain(places.filter_map(|place| place.ca_file.as_ref()));
        let revoked = config.issuers.iter().filter_map(|issuer| issuer.revoked_file.as_ref());
        let keys = config.issuers.iter().filter_map(|issuer| issuer.keys.file());
        let api_keys = config.turns.iter().filter_map(|turn| turn.api_keys_file.as_ref());
        let secrets = config.turns.iter().flat_map(|turn| {
            let Secrets { signing, former } = &turn.secrets;
            std::iter::once(signing).chain(former).filter_map(SecretSource::file)
        });
        let paths = pairs.chain(cas).chain(revoked).chain(api_keys).map(PathBuf::as_path);
        Self { files: paths.chain(keys).chain(secrets).map(look).collect(), since: Instant::now() }
    }

    /// Whether it is time to load what `now` saw.
    pub(super) fn wants(&self, now: &Self) -> bool {
        self.files != now.files || now.since.duration_since(self.since) >= RELOAD
    }
}

fn look(path: &Path) -> Option<Look> {
    let meta = path.metadata().ok()?;
    Some(Look {
        inode: (meta.dev(), meta.ino()),
        written: (meta.mtime(), meta.mtime_nsec()),
        changed: (meta.ctime(), meta.ctime_nsec()),
        length: meta.len(),
    })
}
