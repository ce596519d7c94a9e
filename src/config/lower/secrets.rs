//! Secrets, which are in exactly one of a file, the environment or the configuration.

use std::path::{Path, PathBuf};

use crate::config::diagnostics::Diagnostics;
use crate::config::problem::Spanned;
use crate::secret::{Secret, SecretSource};

/// The keys for the source of a secret.
pub(super) struct Sources<'a> {
    pub(super) file: Option<&'a Spanned<PathBuf>>,
    pub(super) env: Option<&'a Spanned<String>>,
    pub(super) inline: Option<&'a Spanned<String>>,
}

/// `None` if there is none. Of several, which is a problem, the first.
pub(super) fn source(
    from: &Sources<'_>,
    what: &str,
    folder: &Path,
    diag: &Diagnostics<'_>,
) -> Option<SecretSource> {
    let inline = |text: &str| SecretSource::Inline(Secret::new(text.into()));
    let all = [
        from.file
            .map(|path| (&path.place, SecretSource::File(folder.join(&path.value)))),
        from.env
            .map(|name| (&name.place, SecretSource::Env(name.value.as_str().into()))),
        from.inline.map(|text| (&text.place, inline(&text.value))),
    ];
    let mut all = all.into_iter().flatten();
    let (first, source) = all.next()?;
    for (other, _) in all {
        let text = format!(
            "the {what} comes from one place, and {} says another; take one out",
            first.key
        );
        diag.problem(other, text);
    }
    Some(source)
}
