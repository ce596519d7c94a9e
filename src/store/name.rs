//! The name of a certificate in the store.

use std::fmt;
use std::str::FromStr;

/// A certificate's name: its first host, and a suffix if another certificate has the same first
/// host. It has only letters, digits, dots, hyphens and underscores, so it cannot lead out of a
/// folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// The text of the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the lock that is held while this certificate is ordered or revoked.
    pub fn order_lock(&self) -> String {
        format!("{self}.order")
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_name = !text.is_empty()
            && !text.starts_with('.')
            && text.len() <= 280
            && text.chars().all(is_plain);
        if is_name {
            Ok(Self(text.into()))
        } else {
            Err(BadName)
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a valid name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a valid name for a certificate")]
pub struct BadName;
