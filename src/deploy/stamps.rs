//! What can be seen of the files of a `[[deploy]]` without opening them: whether anybody has
//! touched them since.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;

use super::{DeploySpec, FileForm};
use crate::secret::SecretSource;

/// One for each file that is written, and for each password that is read; `None` for what is not
/// there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamps(Vec<Option<Stamp>>);

/// Another file, or a change of content, owner, group or mode, changes this.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamps {
    pub(super) fn of(spec: &DeploySpec) -> Self {
        let mut stamps = Vec::new();
        for output in &spec.files {
            stamps.push(
                fs::symlink_metadata(&output.path)
                    .ok()
                    .map(|file| Stamp::of(&file)),
            );
            if let FileForm::Pkcs12 {
                password: SecretSource::File(path),
            } = &output.form
            {
                stamps.push(fs::metadata(path).ok().map(|file| Stamp::of(&file)));
            }
        }
        Self(stamps)
    }
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        let changed = (file.ctime(), file.ctime_nsec());
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            changed,
        }
    }
}
