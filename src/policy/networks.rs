//! Lists of networks.

use std::fmt;

use crate::addr::{ClientAddr, Network};

/// A list of networks, never empty: an empty list could mean both "no client" and "every client".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Box<[Network]>);

impl Networks {
    /// `None` for an empty list.
    pub fn new(networks: Vec<Network>) -> Option<Self> {
        (!networks.is_empty()).then(|| Self(networks.into()))
    }

    /// Whether the address is in one of them.
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
