//! A token whose signature is good.

use std::fmt;
use std::sync::Arc;

use crate::token::claims::Claims;
use crate::token::keys::KeyPrint;

/// A token with a good signature. Whether it is valid now is checked on each use.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The name of the issuer that signed it.
    pub issuer: Arc<str>,
    /// The key that it was verified with.
    pub key: KeyPrint,
    /// Its claims.
    pub claims: Claims,
    /// Identifies the token in this process.
    pub tag: Tag,
}

/// Who the token is for: the name of its issuer and, behind a colon, its subject.
impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.issuer)?;
        match self.claims.subject() {
            Some(subject) => write!(f, ":{subject}"),
            None => Ok(()),
        }
    }
}

/// A keyed hash of a token: equal tokens have equal tags, and no client can make a tag.
pub type Tag = [u8; 32];
