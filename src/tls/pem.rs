//! Reads the certificates and the key of a PEM file, in any order.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::client_problem::ClientAuthProblem;
use super::problem::Problem;
use crate::disk::{self, NotAFile};

/// Far larger than any chain with its key; a wrong path may lead to a huge file.
const MAX_FILE: u64 = 1 << 20;

/// A list has some 40 bytes for each revoked certificate.
const MAX_LISTS: u64 = 32 << 20;

/// The certificates and keys of one file.
pub(super) struct PemFile {
    certs: Vec<CertificateDer<'static>>,
    keys: Vec<PrivateKeyDer<'static>>,
    /// The path, if the file has a key that needs a passphrase.
    locked: Option<PathBuf>,
}

impl PemFile {
    pub(super) fn read(path: &Path) -> Result<Self, Problem> {
        let bytes = read(path)?;
        // Some Windows editors write a byte order mark, which would hide the first section.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        // DER, PKCS#12 included, begins with a SEQUENCE.
        if text.first() == Some(&0x30) && text.contains(&0) {
            return Err(Problem::Binary);
        }
        // The old format of OpenSSL for encrypted keys has header lines inside the section, which
        // the PEM reader does not accept.
        if contains(text, b"Proc-Type: 4,ENCRYPTED") {
            return Err(Problem::Locked(path.to_owned()));
        }
        let mut file = Self::parse(text).map_err(Problem::Damaged)?;
        file.locked =
            contains(text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----").then(|| path.to_owned());
        Ok(file)
    }

    /// The lists of revoked certificates of a file; at least one.
    pub(super) fn read_lists(
        path: &Path,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, Problem> {
        let bytes = disk::read(path, MAX_LISTS).map_err(unreadable)?;
        let mut lists = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(&bytes) {
            if let (SectionKind::Crl, der) = section.map_err(Problem::Damaged)? {
                lists.push(der.into());
            }
        }
        match lists.is_empty() {
            true => Err(ClientAuthProblem::NoList.into()),
            false => Ok(lists),
        }
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, rustls::pki_types::pem::Error> {
        let mut file = Self {
            certs: Vec::new(),
            keys: Vec::new(),
            locked: None,
        };
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
            let (kind, der) = section?;
            match kind {
                SectionKind::Certificate => file.certs.push(der.into()),
                kind => file.keys.extend(PrivateKeyDer::from_pem(kind, der)),
            }
        }
        Ok(file)
    }

    /// The certificates in the order of the file; at least one.
    pub(super) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, Problem> {
        if self.certs.is_empty() {
            Err(Problem::NoCertificate)
        } else {
            Ok(self.certs.clone())
        }
    }

    /// The private key.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, Problem> {
        match (&self.keys[..], &self.locked) {
            ([], Some(path)) => Err(Problem::Locked(path.clone())),
            ([], None) => Err(Problem::NoKey),
            ([key], _) => Ok(key.clone_key()),
            (keys, _) => Err(Problem::SeveralKeys(keys.len())),
        }
    }
}

fn contains(text: &[u8], line: &[u8]) -> bool {
    text.windows(line.len()).any(|window| window == line)
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    disk::read(path, MAX_FILE).map_err(unreadable)
}

pub(super) fn unreadable(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::NotFound => Problem::Missing,
        io::ErrorKind::PermissionDenied => Problem::NotAllowed(error),
        io::ErrorKind::NotADirectory => Problem::Missing,
        io::ErrorKind::FileTooLarge => Problem::TooLarge,
        _ if NotAFile::is(&error) => Problem::NotAFile,
        _ => Problem::Read(error),
    }
}
