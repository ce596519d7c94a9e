//! Secrets, and where they are read from.

use std::fmt;
use std::path::{Path, PathBuf};

/// A value that no log, report or debug print shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Where a secret is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In `gateway.toml` itself.
    Inline(Secret<Box<str>>),
    /// In a file. A newline at its end is not part of the secret.
    File(PathBuf),
    /// In an environment variable.
    Env(Box<str>),
}

/// Why there is no secret. Messages begin with the name of the file or variable.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
    /// The file cannot be read.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// The file is too large, so it is probably another file.
    #[error("{} is larger than any secret; is it the right file?", .0.display())]
    TooLarge(PathBuf),
    /// It is empty.
    #[error("{0} is empty; put the secret there")]
    Empty(String),
    /// The variable is not set.
    #[error("{0} is not in the environment; set the variable where the gateway is started")]
    Unset(String),
}

/// The largest file of a secret in bytes.
const LARGEST: u64 = 64 * 1024;

impl SecretSource {
    /// Reads it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn read(&self) -> Result<Secret<Vec<u8>>, NoSecret> {
        let (secret, from) = match self {
            Self::Inline(secret) => (secret.reveal().as_bytes().to_vec(), "the secret".to_owned()),
            Self::File(path) => (read_file(path)?, path.display().to_string()),
            Self::Env(name) => {
                let value =
                    std::env::var_os(&**name).ok_or_else(|| NoSecret::Unset(name.to_string()))?;
                (value.into_encoded_bytes(), name.to_string())
            }
        };
        if secret.is_empty() {
            Err(NoSecret::Empty(from))
        } else {
            Ok(Secret::new(secret))
        }
    }

    /// Whether it is in the configuration itself.
    pub fn is_inline(&self) -> bool {
        matches!(self, Self::Inline(_))
    }

    /// Its file, if it is in one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Inline(_) | Self::Env(_) => None,
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, NoSecret> {
    let bytes = crate::disk::read(path, LARGEST).map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => NoSecret::TooLarge(path.to_owned()),
        _ => NoSecret::Unreadable(path.to_owned(), error),
    })?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(text.strip_suffix(b"\r").unwrap_or(text).to_vec())
}

/// An error and its cause in one line.
pub fn chain(error: &NoSecret) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
