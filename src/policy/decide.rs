//! A policy, and how it decides.

use std::sync::Arc;

use super::denied::Denied;
use super::facts::Facts;
use super::login::LoginRule;
use super::networks::Networks;
use super::permit::Permit;
use super::rule::{Conditions, Requirement, Rule};
use super::token_rule::TokenRule;
use crate::addr::ClientAddr;
use crate::signalling::rules::MessageRules;

/// A compiled policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    name: Arc<str>,
    rule: Rule,
    messages: Option<Arc<MessageRules>>,
    login: Option<Arc<LoginRule>>,
}

impl Policy {
    /// The name of the built-in policy that admits every client.
    pub const OPEN: &'static str = "open";

    /// A policy by its name in `gateway.toml`.
    pub fn new(name: &str, rule: Rule) -> Self {
        Self {
            name: name.into(),
            rule,
            messages: None,
            login: None,
        }
    }

    /// The same policy with a login that it accepts, or asks for as well.
    pub fn with_login(self, login: Option<LoginRule>) -> Self {
        Self {
            login: login.map(Arc::new),
            ..self
        }
    }

    /// The login that it accepts, if any.
    pub fn login(&self) -> Option<&Arc<LoginRule>> {
        self.login.as_ref()
    }

    /// Whether a client needs a login, whatever else it presents.
    fn needs_login(&self) -> bool {
        self.login.as_ref().is_some_and(|login| !login.is_enough)
    }

    /// The same policy with rules for each message of the clients that it admits.
    pub fn with_messages(self, rules: MessageRules) -> Self {
        Self {
            messages: Some(Arc::new(rules.of_policy(&self.name))),
            ..self
        }
    }

    /// Its name in `gateway.toml`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it requires.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Its rules for messages, if it has any.
    pub fn messages(&self) -> Option<&MessageRules> {
        self.messages.as_deref()
    }

    /// Whether it admits the same clients as another, to the same messages.
    pub fn permits_the_same(&self, other: &Self) -> bool {
        // Most routes share their policies.
        if std::ptr::eq(self, other) {
            return true;
        }
        let of_messages = self.messages().map(MessageRules::rules);
        self.rule == other.rule
            && self.login == other.login
            && of_messages == other.messages().map(MessageRules::rules)
    }

    /// Which tokens it accepts, if any.
    pub fn token_rule(&self) -> Option<&TokenRule> {
        let Rule::Conditions(conditions) = &self.rule else {
            return None;
        };
        match &conditions.requirement {
            Requirement::Address(_) | Requirement::Login => None,
            Requirement::Token(rule)
            | Requirement::Either(_, rule)
            | Requirement::Both(_, rule) => Some(rule),
        }
    }

    /// Which tokens would make a difference to this client: none if its address alone decides.
    pub fn asks_for_token(&self, client: ClientAddr) -> Option<&TokenRule> {
        let Rule::Conditions(Conditions { deny, requirement }) = &self.rule else {
            return None;
        };
        if deny.as_ref().is_some_and(|deny| deny.contains(client)) {
            return None;
        }
        match requirement {
            Requirement::Address(_) | Requirement::Login => None,
            Requirement::Token(rule) => Some(rule),
            Requirement::Either(allow, rule) => (!allow.contains(client)).then_some(rule),
            Requirement::Both(allow, rule) => allow.contains(client).then_some(rule),
        }
    }

    /// Whether an address alone can satisfy the policy.
    pub fn takes_addresses(&self) -> bool {
        let Rule::Conditions(Conditions { requirement, .. }) = &self.rule else {
            return false;
        };
        match requirement {
            Requirement::Address(_) | Requirement::Either(..) => !self.needs_login(),
            Requirement::Both(_, rule) => rule.is_optional,
            Requirement::Token(_) | Requirement::Login => false,
        }
    }

    /// Whether a client may have no token.
    pub fn admits_without_token(&self) -> bool {
        self.takes_addresses() || self.token_rule().is_none_or(|rule| rule.is_optional)
    }

    /// Whether something that a browser sends by itself, an address, a cookie or a password, can
    /// satisfy the policy.
    pub fn takes_ambient(&self) -> bool {
        self.login.is_some()
            || self.takes_addresses()
            || self.token_rule().is_some_and(TokenRule::takes_cookies)
    }

    /// Whether the client's address is on the policy's allow list, whatever else the policy
    /// requires.
    pub fn lists(&self, client: ClientAddr) -> bool {
        let Rule::Conditions(Conditions { requirement, .. }) = &self.rule else {
            return false;
        };
        match requirement {
            Requirement::Address(allow)
            | Requirement::Either(allow, _)
            | Requirement::Both(allow, _) => allow.contains(client),
            Requirement::Token(_) | Requirement::Login => false,
        }
    }

    /// Decides on everything but a login.
    ///
    /// # Errors
    /// The requirement that is not met.
    pub fn authorize(&self, facts: &Facts<'_>) -> Result<Permit, Denied> {
        let permit = self.decide(facts)?;
        match self.needs_login() {
            true => Err(Denied::NoLogin),
            false => Ok(self.with_rules(permit)),
        }
    }

    /// The permit with the rules for its messages.
    pub(super) fn with_rules(&self, permit: Permit) -> Permit {
        Permit {
            rules: self.messages.clone(),
            ..permit
        }
    }

    fn decide(&self, facts: &Facts<'_>) -> Result<Permit, Denied> {
        let Rule::Conditions(Conditions { deny, requirement }) = &self.rule else {
            return Ok(Permit::OPEN);
        };
        if deny
            .as_ref()
            .is_some_and(|deny| deny.contains(facts.client))
        {
            return Err(Denied::Listed);
        }
        let is_allowed = |allow: &Networks| allow.contains(facts.client);
        match requirement {
            Requirement::Address(allow) if is_allowed(allow) => Ok(Permit::BY_ADDRESS),
            Requirement::Either(allow, _) if is_allowed(allow) => Ok(Permit::BY_ADDRESS),
            Requirement::Both(allow, rule) if is_allowed(allow) => {
                let permit = rule.authorize(facts)?;
                match permit.token() {
                    Some(_) => Ok(permit),
                    None => Ok(Permit::BY_ADDRESS),
                }
            }
            Requirement::Address(_) | Requirement::Both(..) => Err(Denied::Address),
            Requirement::Login => Err(Denied::NoLogin),
            Requirement::Token(rule) | Requirement::Either(_, rule) => rule.authorize(facts),
        }
    }

    /// Decides by the token alone, as if the client's address were not on the allow list. `None` if
    /// the policy admits no client by a token alone.
    pub fn authorize_by_token(&self, facts: &Facts<'_>) -> Option<Result<Permit, Denied>> {
        let Rule::Conditions(Conditions { deny, requirement }) = &self.rule else {
            return None;
        };
        if deny
            .as_ref()
            .is_some_and(|deny| deny.contains(facts.client))
        {
            return Some(Err(Denied::Listed));
        }
        match requirement {
            Requirement::Token(rule) | Requirement::Either(_, rule) => {
                Some(rule.authorize(facts).map(|permit| self.with_rules(permit)))
            }
            Requirement::Address(_) | Requirement::Both(..) | Requirement::Login => None,
        }
    }

    /// Decides again about a client that was admitted by a token: by the token where that is
    /// possible, even if the address would be enough now. The page that sent the request may be one
    /// that the address does not admit.
    ///
    /// # Errors
    /// The requirement that is no longer met.
    pub fn authorize_again(&self, facts: &Facts<'_>) -> Result<Permit, Denied> {
        self.authorize_by_token(facts)
            .unwrap_or_else(|| self.authorize(facts))
    }
}
