//! The secrets that a set-up needs.

use std::collections::BTreeMap;

use super::setup::{Service, Setup};

/// The bytes of a secret, which hexadecimal digits write.
const LENGTH: usize = 32;

/// The system gave no random numbers.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// Secrets by the names of their files.
#[derive(Clone)]
pub struct Secrets(BTreeMap<&'static str, String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The names of the secrets of a server.
fn names(service: Service) -> &'static [&'static str] {
    match service {
        Service::Janus => &["app", "janus-admin", "janus-api"],
        Service::Kurento => &["kurento-apps"],
        Service::Jitsi => &["jitsi-app"],
        Service::Coturn => &["app", "turn"],
    }
}

impl Secrets {
    /// New random secrets for a set-up.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(setup: &Setup) -> Result<Self, NoRandomness> {
        let names = setup.services.iter().flat_map(|service| names(*service));
        let mut all = BTreeMap::new();
        for name in names {
            let mut bytes = [0; LENGTH];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            all.insert(*name, digits.collect());
        }
        Ok(Self(all))
    }

    /// Each secret, with the name of its file.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, text)| (*name, text.as_str()))
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}
