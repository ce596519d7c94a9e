//! Lists of networks.

use std::fmt;

use crate::addr::{ClientAddr, Network, NetworkSet};

/// How many networks of a list are shown.
const SHOWN: usize = 16;

/// A list of networks, never empty: an empty list could mean both "no client" and "every client".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(NetworkSet);

impl Networks {
    /// `None` for an empty list.
    pub fn new(networks: Vec<Network>) -> Option<Self> {
        let set: NetworkSet = networks.into_iter().collect();
        (!set.is_empty()).then_some(Self(set))
    }

    /// Whether the address is in one of them.
    pub fn contains(&self, client: ClientAddr) -> bool {
        self.0.contains(client)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, net) in self.0.listed().iter().take(SHOWN).enumerate() {
            write!(f, "{}{net}", if at == 0 { "" } else { ", " })?;
        }
        match self.0.listed().len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_list_the_beginning_is_shown() {
        let list: Vec<Network> = (0..20)
            .map(|n| format!("10.0.0.{n}").parse().unwrap())
            .collect();
        let shown = Networks::new(list).unwrap().to_string();
        assert!(shown.starts_with("10.0.0.0/32, 10.0.0.1/32, "));
        assert!(shown.ends_with(", 10.0.0.15/32 and 4 more"));
    }
}
