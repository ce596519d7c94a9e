//! What a CA says about itself (RFC 8555, section 7.1.1).

use serde::Deserialize;
use std::collections::BTreeMap;

use super::client::{Client, ClientError};

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
        serde_json::from_slice(&got.body).map_err(NoDirectory::NotOne)
    }
}

/// Why there is no directory.
#[derive(Debug, thiserror::Error)]
pub enum NoDirectory {
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Another answer.
    #[error("the CA answered with what is no ACME directory; is `directory` the right URL?")]
    NotOne(#[source] serde_json::Error),
}
