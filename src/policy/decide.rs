//! A policy, and how it decides.

use std::sync::Arc;

use super::denied::Denied;
use super::facts::Facts;
use super::networks::Networks;
use super::permit::Permit;
use super::rule::{Conditions, Rule, Ways};
use super::token_rule::TokenRule;
use crate::addr::ClientAddr;

/// A compiled policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    name: Arc<str>,
    rule: Rule,
}

impl Policy {
    /// The built-in policy that lets everybody pass.
    pub const OPEN: &'static str = "open";

    /// A policy by its name in `gateway.toml`.
    pub fn new(name: &str, rule: Rule) -> Self {
        Self {
            name: name.into(),
            rule,
        }
    }

    /// Its name in `gateway.toml`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it asks for.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Which tokens it takes, if any.
    pub fn token_rule(&self) -> Option<&TokenRule> {
        match &self.rule {
            Rule::Conditions(Conditions {
                ways: Ways::Token(rule) | Ways::Either(_, rule) | Ways::Both(_, rule),
                ..
            }) => Some(rule),
            Rule::Open | Rule::Conditions(_) => None,
        }
    }

    /// Which tokens would make a difference to this client: none, where his address alone decides.
    pub fn asks_for_token(&self, client: ClientAddr) -> Option<&TokenRule> {
        let Rule::Conditions(Conditions { deny, ways }) = &self.rule else {
            return None;
        };
        if deny.as_ref().is_some_and(|deny| deny.contains(client)) {
            return None;
        }
        match ways {
            Ways::Address(_) => None,
            Ways::Token(rule) => Some(rule),
            Ways::Either(allow, rule) => (!allow.contains(client)).then_some(rule),
            Ways::Both(allow, rule) => allow.contains(client).then_some(rule),
        }
    }

    /// Whether an address alone may satisfy the policy.
    pub fn takes_addresses(&self) -> bool {
        matches!(
            &self.rule,
            Rule::Conditions(Conditions {
                ways: Ways::Address(_) | Ways::Either(..),
                ..
            })
        )
    }

    /// Whether a browser sends by itself what may satisfy the policy: its address, or a cookie.
    pub fn takes_ambient(&self) -> bool {
        self.takes_addresses() || self.token_rule().is_some_and(TokenRule::takes_cookies)
    }

    /// Whether the client's address is on the policy's allow list, whatever else is asked for.
    pub fn lists(&self, client: ClientAddr) -> bool {
        let Rule::Conditions(Conditions { ways, .. }) = &self.rule else {
            return false;
        };
        match ways {
            Ways::Address(allow) | Ways::Either(allow, _) | Ways::Both(allow, _) => {
                allow.contains(client)
            }
            Ways::Token(_) => false,
        }
    }

    /// Decides.
    ///
    /// # Errors
    /// Which rule was not met.
    pub fn authorize(&self, facts: &Facts<'_>) -> Result<Permit, Denied> {
        let Rule::Conditions(Conditions { deny, ways }) = &self.rule else {
            return Ok(Permit::OPEN);
        };
        if deny
            .as_ref()
            .is_some_and(|deny| deny.contains(facts.client))
        {
            return Err(Denied::Listed);
        }
        let is_allowed = |allow: &Networks| allow.contains(facts.client);
        match ways {
            Ways::Address(allow) if is_allowed(allow) => Ok(Permit::BY_ADDRESS),
            Ways::Either(allow, _) if is_allowed(allow) => Ok(Permit::BY_ADDRESS),
            Ways::Both(allow, rule) if is_allowed(allow) => rule.authorize(facts),
            Ways::Address(_) | Ways::Both(..) => Err(Denied::Address),
            Ways::Token(rule) | Ways::Either(_, rule) => rule.authorize(facts),
        }
    }

    /// Decides by the token alone, as if the client's address were on no list. `None` where the
    /// policy does not let anybody in by that.
    pub fn authorize_by_token(&self, facts: &Facts<'_>) -> Option<Result<Permit, Denied>> {
        let Rule::Conditions(Conditions { deny, ways }) = &self.rule else {
            return None;
        };
        if deny
            .as_ref()
            .is_some_and(|deny| deny.contains(facts.client))
        {
            return Some(Err(Denied::Listed));
        }
        match ways {
            Ways::Token(rule) | Ways::Either(_, rule) => Some(rule.authorize(facts)),
            Ways::Address(_) | Ways::Both(..) => None,
        }
    }

    /// Decides once more about somebody who was let in by a token: by that, whatever the address is
    /// good for. The page may be one that the address would not have let in.
    ///
    /// # Errors
    /// Which rule is no longer met.
    pub fn authorize_again(&self, facts: &Facts<'_>) -> Result<Permit, Denied> {
        self.authorize_by_token(facts)
            .unwrap_or_else(|| self.authorize(facts))
    }
}
