//! A certificate in the forms that servers want.

use std::path::Path;

use p12_keystore::{
    Certificate, KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKey, PrivateKeyChain,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::error::DeployError;
use super::{FileForm, Output};
use crate::secret::{Secret, SecretSource};
use crate::store::Stored;

/// What is to be in a file.
#[derive(Debug)]
pub(super) enum Content {
    /// PEM.
    Text(Secret<String>),
    /// PKCS#12: its bytes differ each time that it is made.
    KeyStore(Box<Keys>),
}

/// What is to be in a PKCS#12 file.
#[derive(Debug)]
pub(super) struct Keys {
    password: Secret<String>,
    key: PrivateKey,
    chain: Vec<Certificate>,
    /// The name of the entry in Java.
    alias: String,
}

impl Content {
    pub(super) fn new(output: &Output, cert: &Stored) -> Result<Self, DeployError> {
        let (chain, key) = (
            whole_lines(&cert.bundle.chain),
            whole_lines(cert.bundle.key.reveal()),
        );
        let text = match &output.form {
            FileForm::Chain => chain,
            FileForm::Key => key,
            FileForm::Combined => chain + &key,
            FileForm::Pkcs12 { password } => {
                let password = self::password(&output.path, password)?;
                return Keys::new(&output.path, password, cert)
                    .map(|keys| Self::KeyStore(Box::new(keys)));
            }
        };
        Ok(Self::Text(Secret::new(text)))
    }

    /// Whether a file has this content.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Text(text) => text.reveal().as_bytes() == bytes,
            Self::KeyStore(keys) => keys.are_in(bytes),
        }
    }

    /// Whether a file of this length may have this content.
    pub(super) fn may_have(&self, length: u64) -> bool {
        match self {
            Self::Text(text) => text.reveal().len() as u64 == length,
            Self::KeyStore(_) => true,
        }
    }

    /// What to write.
    pub(super) fn bytes(&self, path: &Path) -> Result<Secret<Vec<u8>>, DeployError> {
        match self {
            Self::Text(text) => Ok(Secret::new(text.reveal().clone().into_bytes())),
            Self::KeyStore(keys) => keys
                .lock_up()
                .map(Secret::new)
                .map_err(|error| DeployError::KeyStore(path.to_owned(), error)),
        }
    }
}

impl Keys {
    fn new(path: &Path, password: Secret<String>, cert: &Stored) -> Result<Self, DeployError> {
        let failed = |error| DeployError::KeyStore(path.to_owned(), error);
        let certs: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(cert.bundle.chain.as_bytes()).collect();
        let chain = certs.map_err(DeployError::Damaged)?;
        if chain.is_empty() {
            return Err(DeployError::NotWhole);
        }
        let key = PrivatePkcs8KeyDer::from_pem_slice(cert.bundle.key.reveal().as_bytes())
            .map_err(DeployError::Damaged)?;
        let key = PrivateKey::from_der(key.secret_pkcs8_der()).map_err(failed)?;
        let chain = chain
            .iter()
            .map(|der| Certificate::from_der(der))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        let alias = cert
            .bundle
            .meta
            .hosts
            .first()
            .map_or("ianitor", |host| host)
            .to_owned();
        Ok(Self {
            password,
            key,
            chain,
            alias,
        })
    }

    fn lock_up(&self) -> Result<Vec<u8>, p12_keystore::error::Error> {
        let chain = PrivateKeyChain::new(&*self.alias, self.key.clone(), self.chain.clone());
        let mut store = KeyStore::new();
        store.add_entry(&self.alias, KeyStoreEntry::PrivateKeyChain(chain));
        store.writer(self.password.reveal()).write()
    }

    /// A file that cannot be opened has another content.
    fn are_in(&self, bytes: &[u8]) -> bool {
        let Ok(archive) = Pkcs12Archive::from_pkcs12(bytes, self.password.reveal()) else {
            return false;
        };
        let has_key = matches!(&archive.keys[..], [bag] if bag.key == self.key);
        has_key && archive.certs.iter().map(|bag| &bag.cert).eq(&self.chain)
    }
}

/// The password of the key store at this path. Java opens a key store only with an ASCII password,
/// even if it was made with another one.
pub(super) fn password(path: &Path, source: &SecretSource) -> Result<Secret<String>, DeployError> {
    match String::from_utf8(source.read()?.reveal().clone()) {
        Ok(text) if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Ok(Secret::new(text)),
        _ => Err(DeployError::PasswordNotAscii(path.to_owned())),
    }
}

/// The server's own certificate.
pub(super) fn leaf(cert: &Stored) -> Result<CertificateDer<'static>, DeployError> {
    match CertificateDer::pem_slice_iter(cert.bundle.chain.as_bytes()).next() {
        Some(leaf) => leaf.map_err(DeployError::Damaged),
        None => Err(DeployError::NotWhole),
    }
}

/// Ends with exactly one newline: a PEM section must begin at the start of a line.
fn whole_lines(pem: &str) -> String {
    format!("{}\n", pem.trim_end())
}
