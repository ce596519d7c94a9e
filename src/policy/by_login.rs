//! How a policy decides about a client that is logged in.

use std::rc::Rc;

use super::decide::Policy;
use super::denied::Denied;
use super::login::LoggedIn;
use super::networks::Networks;
use super::permit::{Permit, Principal};
use super::rule::{Requirement, Rule};
use crate::addr::ClientAddr;
use crate::tls::BadCertificate;

impl Policy {
    /// Decides about a client that is logged in.
    ///
    /// # Errors
    /// The requirement that is not met.
    pub fn authorize_login(
        &self,
        client: ClientAddr,
        login: &Rc<LoggedIn>,
    ) -> Result<Permit, Denied> {
        let (Some(rule), Rule::Conditions(conditions)) = (self.login(), self.rule()) else {
            return Err(Denied::NoLogin);
        };
        let has = |nets: &Option<Networks>| nets.as_ref().is_some_and(|nets| nets.contains(client));
        if has(&conditions.deny) {
            return Err(Denied::Listed);
        }
        if !rule.is_enough && !self.lists(client) {
            return Err(Denied::Address);
        }
        if login.is_withdrawn() || !rule.service.says_the_same(&login.rule.service) {
            return Err(Denied::NoLogin);
        }
        let mut ends = None;
        if let (Some(rule), Some(shown)) = (rule.certificate(), &login.certificate) {
            if !rule.admits(&shown.facts) {
                return Err(Denied::Certificate(BadCertificate::Name));
            }
            ends = rule.on_expiry.ends(shown.expires);
        }
        let mut claims = rule.claims.iter();
        if let Some(at) = claims.position(|claim| !claim.is_met(&login.verified.claims)) {
            return Err(Denied::Claim(at));
        }
        Ok(self.with_rules(Permit {
            principal: Principal::Login(Rc::clone(login)),
            ends,
            is_ambient: true,
            ..Permit::OPEN
        }))
    }

    /// Whether nothing but a login admits a client.
    pub fn is_login_alone(&self) -> bool {
        let Rule::Conditions(conditions) = self.rule() else {
            return false;
        };
        matches!(conditions.requirement, Requirement::Login)
    }
}
