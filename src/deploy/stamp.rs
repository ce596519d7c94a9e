//! What can be seen of the files of a `[[deploy]]` without opening them: whether anybody has
//! touched them since.

use super::{DeploySpec, FileForm};
use crate::disk::FileStamp;
use crate::secret::SecretSource;

/// One for each file that is written, and for each password that is read; `None` for what is not
/// there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamps(Vec<Option<FileStamp>>);

impl Stamps {
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
