//! Open orders. The private key of the certificate is in the same file, so that neither can exist
//! without the other.

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::super::{OpenOrder, StoreError};
use super::{files, parse};
use crate::disk::Dir;

pub(super) fn read(folder: &Dir, name: &str) -> Result<Option<OpenOrder>, StoreError> {
    let Some(bytes) = files::read(folder, name)? else {
        return Ok(None);
    };
    let path = folder.path().join(name);
    let order: OpenOrder = parse(&path, &bytes)?;
    PrivateKeyDer::from_pem_slice(order.key.reveal().as_bytes()).map_err(|error| {
        StoreError::Damaged {
            place: path.display().to_string(),
            what: format!("key: {error}"),
        }
    })?;
    Ok(Some(order))
}
