//! What a policy is asked about.

use std::rc::Rc;

use crate::addr::ClientAddr;
use crate::clock::UnixTime;
use crate::token::BadToken;
use crate::token::issuer::{Issuer, Verified};

/// What a policy is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// Who asks.
    pub client: ClientAddr,
    /// What the clock says.
    pub now: UnixTime,
    /// What he has with him.
    pub token: Token<'f>,
}

/// A token, as far as it has been looked at.
#[derive(Clone, Copy, Debug)]
pub enum Token<'f> {
    /// None was sent.
    None,
    /// It proves nothing.
    Bad(BadToken),
    /// One of the issuers signed it. Whether it is good now is for the policy to ask.
    Signed(&'f Issuer, &'f Rc<Verified>),
}
