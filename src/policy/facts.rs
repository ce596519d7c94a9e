//! What a policy is asked about.

use std::rc::Rc;

use crate::addr::ClientAddr;
use crate::clock::UnixTime;
use crate::token::BadToken;
use crate::token::issuer::{Issuer, Verified};

/// What a policy is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// The client that the request is from.
    pub client: ClientAddr,
    /// The current time.
    pub now: UnixTime,
    /// The token that came with the request.
    pub token: Token<'f>,
}

/// What is known about the token of a request.
#[derive(Clone, Copy, Debug)]
pub enum Token<'f> {
    /// None was sent.
    None,
    /// It is not valid.
    Bad(BadToken),
    /// One of the issuers signed it. Whether it is valid now is for the policy to decide.
    Signed(&'f Issuer, &'f Rc<Verified>),
}
