//! What a CA says about itself (RFC 8555, section 7.1.1).

use serde::Deserialize;
use std::collections::BTreeMap;

use super::client::{Client, ClientError};
use super::error::OrderError;
use super::{AcmeSpec, CertSpec};

/// The part of a directory that instant-acme keeps to itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    #[serde(default)]
    pub(super) meta: Meta,
    /// Where it says when certificates should be renewed (RFC 9773); not every CA does.
    pub(super) renewal_info: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) terms_of_service: Option<String>,
    #[serde(default)]
    pub(super) external_account_required: bool,
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, String>,
}

impl Directory {
    /// Fetches it.
    ///
    /// # Errors
    /// That it cannot be had, or is none.
    pub(super) async fn fetch(client: &Client, url: &str) -> Result<Self, NoDirectory> {
        let got = client.get(url).await?;
        serde_json::from_slice(&got.body).map_err(|error| NoDirectory::NotOne(url.into(), error))
    }
}

impl Directory {
    /// Whether it has the profile that is asked for.
    pub(super) fn check_profile(&self, cert: &CertSpec) -> Result<(), OrderError> {
        let profiles = &self.meta.profiles;
        match &cert.profile {
            Some(wanted) if !profiles.contains_key(&**wanted) => {
                let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
                let offered = if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                };
                Err(OrderError::NoProfile {
                    wanted: wanted.to_string(),
                    offered,
                })
            }
            _ => Ok(()),
        }
    }

    /// Whether it makes an account for whom it does not know.
    pub(super) fn check_account(&self, spec: &AcmeSpec) -> Result<(), OrderError> {
        let is_lacking = self.meta.external_account_required && spec.external_account.is_none();
        if is_lacking {
            Err(OrderError::ExternalAccountRequired)
        } else {
            Ok(())
        }
    }
}

/// Why there is no directory.
#[derive(Debug, thiserror::Error)]
pub enum NoDirectory {
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Another answer.
    #[error("{0} answered with what is no ACME directory; is it the right URL?")]
    NotOne(Box<str>, #[source] serde_json::Error),
}
