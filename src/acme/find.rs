//! The certificate that an operator means.

use std::sync::Arc;

use super::{AcmeSpec, CertSpec};
use crate::host::HostName;

/// Why no certificate was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// None has the name or the host.
    #[error("[acme] has no certificate for \"{asked}\"; it has: {known}")]
    None {
        /// The name or host.
        asked: String,
        /// Every certificate with its hosts.
        known: String,
    },
    /// The host is in several.
    #[error("which one for {asked}? write its name: {names}")]
    Several {
        /// The host.
        asked: String,
        /// The names of those certificates.
        names: String,
    },
}

impl AcmeSpec {
    /// The certificate of this name, or the only one for this host.
    ///
    /// # Errors
    /// That there is none, or that there are several.
    pub fn find(&self, asked: &str) -> Result<&Arc<CertSpec>, FindError> {
        let all = &self.certificates;
        if let Some(named) = all.iter().find(|cert| cert.name.as_str() == asked) {
            return Ok(named);
        }
        let host: Option<HostName> = asked.parse().ok();
        let of_host: Vec<_> = all
            .iter()
            .filter(|cert| host.as_ref().is_some_and(|h| cert.hosts.contains(h)))
            .collect();
        let asked = asked.to_owned();
        match &of_host[..] {
            [only] => Ok(only),
            [] => {
                let known: Vec<String> = all.iter().map(|cert| with_hosts(cert)).collect();
                Err(FindError::None {
                    asked,
                    known: known.join(", "),
                })
            }
            several => {
                let names: Vec<&str> = several.iter().map(|cert| cert.name.as_str()).collect();
                Err(FindError::Several {
                    asked,
                    names: names.join(", "),
                })
            }
        }
    }
}

/// The name, and in brackets the hosts where they are others.
fn with_hosts(cert: &CertSpec) -> String {
    let hosts: Vec<&str> = cert.hosts.iter().map(HostName::as_str).collect();
    match &hosts[..] {
        [only] if *only == cert.name.as_str() => (*only).to_owned(),
        several => format!("{} ({})", cert.name, several.join(" ")),
    }
}
