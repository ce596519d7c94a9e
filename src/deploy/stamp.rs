//! Whether the files of a `[[deploy]]` have changed, found out without opening them.

use super::{DeploySpec, FileForm};
use crate::disk::FileStamp;
use crate::secret::SecretSource;

/// One for each file that is written and each password that is read; `None` for a missing file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileStamps(Vec<Option<FileStamp>>);

impl FileStamps {
    pub(super) fn of(spec: &DeploySpec) -> Self {
        let mut stamps = Vec::new();
        for output in &spec.files {
            stamps.push(FileStamp::of_link(&output.path));
            if let FileForm::Pkcs12 {
                password: SecretSource::File(path),
            } = &output.form
            {
                stamps.push(FileStamp::of(path));
            }
        }
        Self(stamps)
    }
}
