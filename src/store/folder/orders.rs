//! Orders that are open at a CA, each with the private key of its certificate.

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use super::super::{OpenOrder, StoreError, optional_time, unix_time};
use super::{files, parse};
use crate::clock::UnixTime;
use crate::disk::Dir;
use crate::secret::Secret;

/// What is in `order.json`. The key is in the same file, so that neither is ever there without the
/// other.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
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
    let kept: Kept = parse(&path, &bytes)?;
    let damaged = |what: String| StoreError::Damaged {
        place: path.display().to_string(),
        what,
    };
    PrivateKeyDer::from_pem_slice(kept.key.as_bytes())
        .map_err(|error| damaged(format!("key: {error}")))?;
    let Kept {
        url,
        directory,
        account,
        hosts,
        key_type,
        profile,
        challenge,
        ..
    } = kept;
    let Kept {
        begun,
        expires,
        waited,
        troubles,
        ..
    } = kept;
    let key = Secret::new(kept.key);
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

impl From<&OpenOrder> for Kept {
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
