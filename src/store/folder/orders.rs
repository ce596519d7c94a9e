//! Open orders, each with the private key of its certificate.

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use super::super::{OpenOrder, StoreError, optional_time, unix_time};
use super::{files, parse};
use crate::clock::UnixTime;
use crate::disk::Dir;
use crate::secret::Secret;

/// The content of `order.json`. The key is in the same file, so that neither can exist without the
/// other.
#[derive(Serialize, Deserialize)]
pub(super) struct OrderFile {
    url: String,
    directory: String,
    account: String,
    hosts: Vec<String>,
    key_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    challenge: String,
    #[serde(with = "unix_time")]
    begun: UnixTime,
    #[serde(
        default,
        with = "optional_time",
        skip_serializing_if = "Option::is_none"
    )]
    expires: Option<UnixTime>,
    #[serde(default)]
    waited: u64,
    #[serde(default)]
    troubles: u32,
    key: String,
}

pub(super) fn read(folder: &Dir, name: &str) -> Result<Option<OpenOrder>, StoreError> {
    let Some(bytes) = files::read(folder, name)? else {
        return Ok(None);
    };
    let path = folder.path().join(name);
    let file: OrderFile = parse(&path, &bytes)?;
    let damaged = |what: String| StoreError::Damaged {
        place: path.display().to_string(),
        what,
    };
    PrivateKeyDer::from_pem_slice(file.key.as_bytes())
        .map_err(|error| damaged(format!("key: {error}")))?;
    let OrderFile {
        url,
        directory,
        account,
        hosts,
        key_type,
        profile,
        challenge,
        ..
    } = file;
    let OrderFile {
        begun,
        expires,
        waited,
        troubles,
        ..
    } = file;
    let key = Secret::new(file.key);
    let order = OpenOrder {
        url,
        directory,
        account,
        hosts,
        key_type,
        profile,
        challenge,
        key,
        begun,
        expires,
        waited,
        troubles,
    };
    Ok(Some(order))
}

impl From<&OpenOrder> for OrderFile {
    fn from(order: &OpenOrder) -> Self {
        let OpenOrder {
            url,
            directory,
            account,
            hosts,
            key_type,
            profile,
            challenge,
            ..
        } = order.clone();
        let OpenOrder {
            begun,
            expires,
            waited,
            troubles,
            ..
        } = *order;
        let key = order.key.reveal().clone();
        Self {
            url,
            directory,
            account,
            hosts,
            key_type,
            profile,
            challenge,
            begun,
            expires,
            waited,
            troubles,
            key,
        }
    }
}
