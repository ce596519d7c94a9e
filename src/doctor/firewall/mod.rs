//! Whether the rules of a firewall let a new connection from anywhere in: yes, no, or unknown.
//!
//! The connection comes from a public address by an interface that is not known. What a rule asks
//! beyond protocol, port, source and state is unknown, and so is what follows from it.

pub mod iptables;
pub mod nft;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::read::sockets::Socket;

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// It is let in.
    Yes,
    /// It is dropped or rejected.
    No,
    /// The rules do not say it to us.
    Unknown,
}

/// The rules of one family of addresses.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    /// The chains that a packet to this machine enters: their names and policies.
    bases: Vec<(String, Target)>,
    chains: BTreeMap<String, Vec<Rule>>,
    /// Ports that are sent to another machine or container before these chains.
    forwarded: Vec<RangeInclusive<u16>>,
}

/// IPv4 and IPv6; `None` where no rules were given.
#[derive(Clone, Debug, Default)]
pub struct Firewall {
    /// For IPv4.
    pub v4: Option<Ruleset>,
    /// For IPv6.
    pub v6: Option<Ruleset>,
}

#[derive(Clone, Debug)]
struct Rule {
    conditions: Vec<Condition>,
    target: Target,
}

#[derive(Clone, Debug)]
enum Condition {
    IsTcp(bool),
    Ports(Vec<RangeInclusive<u16>>),
    NotPorts(Vec<RangeInclusive<u16>>),
    /// Such as a source that is not the whole Internet: some connections, but not any.
    Never,
    /// Such as an interface.
    Perhaps,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
    /// A log line or a counter.
    Next,
}

/// What may happen at the end of a chain.
#[derive(Clone, Copy, Default)]
struct Ends {
    accept: bool,
    drop: bool,
    through: bool,
}

impl Ends {
    const ALL: Self = Self {
        accept: true,
        drop: true,
        through: true,
    };

    fn or(self, other: Self) -> Self {
        Self {
            accept: self.accept || other.accept,
            drop: self.drop || other.drop,
            through: self.through || other.through,
        }
    }
}

const DEEPEST: usize = 16;
/// Chains that are looked at for one question: rules can name each other in a great many ways.
const MOST_STEPS: usize = 100_000;

impl Firewall {
    /// Whether a connection to a socket is let in from anywhere.
    pub fn passes(&self, socket: &Socket) -> Passes {
        let family = |rules: &Option<Ruleset>| match rules {
            Some(rules) => rules.passes(socket.is_tcp, socket.port),
            None => Passes::Unknown,
        };
        match socket.address {
            std::net::IpAddr::V4(_) => family(&self.v4),
            // A socket of all IPv6 addresses takes IPv4 as well.
            std::net::IpAddr::V6(_) => match (family(&self.v4), family(&self.v6)) {
                (Passes::Yes, _) | (_, Passes::Yes) => Passes::Yes,
                (Passes::No, Passes::No) => Passes::No,
                _ => Passes::Unknown,
            },
        }
    }

    /// Whether a port is certainly closed to IPv4 from anywhere, and to IPv6 as far as rules for it
    /// were given.
    pub fn shuts(&self, is_tcp: bool, port: u16) -> bool {
        let rules = [&self.v4, &self.v6].into_iter().flatten();
        let mut answers = rules.map(|rules| rules.passes(is_tcp, port)).peekable();
        answers.peek().is_some() && answers.all(|answer| answer == Passes::No)
    }
}

impl Ruleset {
    fn passes(&self, is_tcp: bool, port: u16) -> Passes {
        if self.forwarded.iter().any(|ports| ports.contains(&port)) {
            return Passes::Unknown;
        }
        let (mut all_accept, mut steps) = (true, MOST_STEPS);
        for (name, policy) in &self.bases {
            let mut ends = self.walk(name, (is_tcp, port), 0, &mut steps);
            if ends.through {
                ends.accept |= *policy == Target::Accept;
                ends.drop |= *policy == Target::Drop;
            }
            if ends.drop && !ends.accept {
                return Passes::No;
            }
            all_accept &= !ends.drop;
        }
        match all_accept {
            true => Passes::Yes,
            false => Passes::Unknown,
        }
    }

    fn walk(&self, chain: &str, to: (bool, u16), depth: usize, steps: &mut usize) -> Ends {
        let Some(rules) = self.chains.get(chain).filter(|_| depth < DEEPEST) else {
            return Ends::ALL;
        };
        let mut ends = Ends::default();
        for rule in rules {
            let Some(left) = steps.checked_sub(1) else {
                return Ends::ALL;
            };
            *steps = left;
            let Some(is_certain) = rule.matches(to) else {
                continue;
            };
            let then = self.ends_of(&rule.target, to, depth, steps);
            let goes_on = match rule.target {
                Target::Jump(_) | Target::Next => then.through,
                _ => false,
            };
            let leaves = Ends {
                through: then.through && !matches!(rule.target, Target::Jump(_) | Target::Next),
                ..then
            };
            ends = ends.or(leaves);
            if is_certain && !goes_on {
                return ends;
            }
        }
        ends.through = true;
        ends
    }

    fn ends_of(&self, target: &Target, to: (bool, u16), depth: usize, steps: &mut usize) -> Ends {
        let none = Ends::default();
        match target {
            Target::Accept => Ends {
                accept: true,
                ..none
            },
            Target::Drop => Ends { drop: true, ..none },
            Target::Return | Target::Next => Ends {
                through: true,
                ..none
            },
            Target::Jump(chain) | Target::Goto(chain) => self.walk(chain, to, depth + 1, steps),
        }
    }
}

impl Rule {
    /// Whether a connection is one of the rule's: certainly, perhaps, or (`None`) not.
    fn matches(&self, (is_tcp, port): (bool, u16)) -> Option<bool> {
        let mut is_certain = true;
        for condition in &self.conditions {
            let holds = match condition {
                Condition::IsTcp(wanted) => *wanted == is_tcp,
                Condition::Ports(ports) => ports.iter().any(|ports| ports.contains(&port)),
                Condition::NotPorts(ports) => !ports.iter().any(|ports| ports.contains(&port)),
                Condition::Never => false,
                Condition::Perhaps => {
                    is_certain = false;
                    true
                }
            };
            if !holds {
                return None;
            }
        }
        Some(is_certain)
    }
}
