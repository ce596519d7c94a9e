//! The conditions of a policy.

use std::fmt;

use super::networks::Networks;
use super::token_rule::TokenRule;

/// What a policy requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing: the built-in policy `open`, which has to be named explicitly.
    Open,
    /// These conditions.
    Conditions(Conditions),
}

/// The conditions of a policy of `gateway.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Clients from these networks are denied, whatever else they present.
    pub deny: Option<Networks>,
    /// What admits a client.
    pub requirement: Requirement,
}

/// What admits a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The address alone.
    Address(Networks),
    /// A token alone.
    Token(TokenRule),
    /// Either of them.
    Either(Networks, TokenRule),
    /// Both of them.
    Both(Networks, TokenRule),
    /// Neither: the login of the policy alone.
    Login,
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.requirement {
            Requirement::Address(allow) => allow.fmt(f),
            Requirement::Token(rule) => rule.fmt(f),
            Requirement::Either(allow, rule) => write!(f, "{allow}; or {rule}"),
            Requirement::Both(allow, rule) => write!(f, "{allow}; with {rule}"),
            Requirement::Login => f.write_str("by login"),
        }?;
        match &self.deny {
            Some(deny) => write!(f, "; never {deny}"),
            None => Ok(()),
        }
    }
}
