//! May they: policies decide on facts and never do I/O. Their answer is a [`Permit`], which nobody else can make and
//! without which no target is reached.

use std::fmt;
use std::sync::Arc;

use crate::addr::{ClientAddr, Network};

/// What a policy is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Who asks.
    pub client: ClientAddr,
}

/// Networks of which there is at least one: an empty list could be read as "nobody" and as "everybody".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Box<[Network]>);

impl Networks {
    /// `None` for an empty list.
    pub fn new(networks: Vec<Network>) -> Option<Self> {
        (!networks.is_empty()).then(|| Self(networks.into()))
    }

    /// Whether one of them has the address.
    pub fn contains(&self, client: ClientAddr) -> bool {
        self.0.iter().any(|net| net.contains(client))
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, net) in self.0.iter().enumerate() {
            write!(f, "{}{net}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// What a policy asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Everybody: the policy `open`, which somebody typed.
    Open,
    /// Who comes from one of these networks.
    Allow(Networks),
}

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
        Self { name: name.into(), rule }
    }

    /// Its name in `gateway.toml`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it asks for.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Decides.
    ///
    /// # Errors
    /// Which rule was not met.
    pub fn authorize(&self, facts: Facts) -> Result<Permit, Denied> {
        match &self.rule {
            Rule::Open => Ok(Permit { _made_here: () }),
            Rule::Allow(networks) if networks.contains(facts.client) => Ok(Permit { _made_here: () }),
            Rule::Allow(_) => Err(Denied::Address),
        }
    }
}

/// Proof that a policy said yes. It goes with the request and stays with the tunnel; only a policy makes one.
#[derive(Debug)]
pub struct Permit {
    _made_here: (),
}

/// Why a policy said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The client's address is in none of the policy's networks.
    #[error("client address is not on the policy's allow list")]
    Address,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(ip: &str) -> Facts {
        Facts { client: ClientAddr::new(ip.parse().unwrap()) }
    }

    #[test]
    fn an_allow_list_is_the_only_way_in() {
        let networks = ["127.0.0.1", "::1", "10.8.0.0/16"].map(|n| n.parse().unwrap()).to_vec();
        let policy = Policy::new("operators", Rule::Allow(Networks::new(networks).unwrap()));
        for ip in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.8.255.255"] {
            assert!(policy.authorize(facts(ip)).is_ok(), "{ip}");
        }
        for ip in ["127.0.0.2", "10.9.0.0", "::2", "::ffff:10.9.0.1", "2001:db8::1"] {
            assert_eq!(policy.authorize(facts(ip)).unwrap_err(), Denied::Address, "{ip}");
        }
    }

    #[test]
    fn no_list_means_nobody_by_accident() {
        assert_eq!(Networks::new(Vec::new()), None);
        assert!(Policy::new(Policy::OPEN, Rule::Open).authorize(facts("192.0.2.1")).is_ok());
    }
}
