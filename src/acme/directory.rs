//! The directory of a CA (RFC 8555, section 7.1.1).

use serde::Deserialize;
use std::collections::BTreeMap;

use super::client::{Client, ClientError};

/// The parts of a directory that instant-acme does not expose.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    #[serde(default)]
    pub(super) meta: DirectoryMeta,
    /// Where the CA says when certificates should be renewed (RFC 9773), if it does.
    pub(super) renewal_info: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DirectoryMeta {
    pub(super) terms_of_service: Option<String>,
    #[serde(default)]
    pub(super) external_account_required: bool,
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, String>,
}

impl Directory {
    /// Fetches a directory.
    pub(super) async fn fetch(client: &Client, url: &str) -> Result<Self, NoDirectory> {
        let got = client.get(url).await?;
        serde_json::from_slice(&got.body).map_err(|error| NoDirectory::NotOne(url.into(), error))
    }
}

/// Why there is no directory.
#[derive(Debug, thiserror::Error)]
pub enum NoDirectory {
    /// The request failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer is something else.
    #[error("{0} answered with what is no ACME directory; is it the right URL?")]
    NotOne(Box<str>, #[source] serde_json::Error),
}
