//! `ianitor token`: makes tokens for testing, and explains why one would or would not pass.

mod claim_arg;
mod command;
mod explain;
mod inspect;
mod keys;
mod lookup;
mod mint;

pub(crate) use command::{Token, run};
