//! `ianitor token`: makes tokens for testing, and explains why one would or would not pass.

mod claim_arg;
mod command;
mod explain;
mod inspect;
mod keys;
mod lookup;
mod mint;
mod offline;

pub(crate) use command::{Token, run};
pub(crate) use lookup::named;
pub(crate) use offline::{Offline, offline};
