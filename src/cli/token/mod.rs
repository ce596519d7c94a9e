//! `ianitor token`: makes tokens for testing, and explains why one would or would not pass.

mod command;
mod explain;
mod inspect;
mod lookup;
mod mint;

pub(crate) use command::{Token, run};
