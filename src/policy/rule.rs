//! The conditions of a policy.

use std::fmt;

use super::networks::Networks;
use super::token_rule::TokenRule;

/// What a policy asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Everybody: the policy `open`, which somebody typed.
    Open,
    /// Who meets these conditions.
    Conditions(Conditions),
}

/// The conditions of a policy that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Who comes from one of these is not let in, whatever he has with him.
    pub deny: Option<Networks>,
    /// By what one is let in.
    pub ways: Ways,
}

/// By what one is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ways {
    /// The address alone.
    Address(Networks),
    /// A token alone.
    Token(TokenRule),
    /// Either of them.
    Either(Networks, TokenRule),
    /// Both of them.
    Both(Networks, TokenRule),
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ways {
            Ways::Address(allow) => allow.fmt(f),
            Ways::Token(rule) => rule.fmt(f),
            Ways::Either(allow, rule) => write!(f, "{allow}; or {rule}"),
            Ways::Both(allow, rule) => write!(f, "{allow}; with {rule}"),
        }?;
        match &self.deny {
            Some(deny) => write!(f, "; never {deny}"),
            None => Ok(()),
        }
    }
}
