//! The command line of `ianitor token`.

use std::process::ExitCode;

use clap::Subcommand;

use super::explain::{Inspect, explain};
use super::mint::{Mint, mint};
use crate::cli::output::finish;

/// `ianitor token`.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Sign a token as an issuer would. For testing: a token of this key opens every policy that
    /// accepts the issuer.
    Mint(Mint),
    /// Explain, rule by rule, why a token would or would not pass a policy.
    Inspect(Inspect),
}

pub(crate) fn run(token: &Token) -> ExitCode {
    finish(match token {
        Token::Mint(arguments) => mint(arguments),
        Token::Inspect(arguments) => explain(arguments),
    })
}
