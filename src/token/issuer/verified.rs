//! A token whose signature is good.

use std::sync::Arc;

use crate::token::claims::Claims;
use crate::token::keys::KeyPrint;

/// A token of which the signature is good. Whether it is good now is asked at each use.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The name of who signed it.
    pub issuer: Arc<str>,
    /// By which key.
    pub key: KeyPrint,
    /// What it claims.
    pub claims: Claims,
    /// Which token it is, among all that this process has seen.
    pub tag: Tag,
}

/// A keyed hash of a token: equal tags are equal tokens, and nobody outside can make one.
pub type Tag = [u8; 32];
