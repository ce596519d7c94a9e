//! The certificate of a client, as it was shown in the handshake.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use super::super::pem::PemFile;
use super::super::problem::Problem;
use super::super::x509;
use super::dn::{Dn, hex};
use super::reason::BadCertificate;
use crate::clock::UnixTime;
use crate::host::HostPattern;

/// The certificate of a client with those of its issuers. Only the key is proven: whether the
/// certificate counts, a [`ClientAuthority`](super::ClientAuthority) says.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientCertificate(Box<[CertificateDer<'static>]>);

impl ClientCertificate {
    /// What a handshake has shown; `None` if that was nothing.
    pub fn shown(chain: Option<&[CertificateDer<'_>]>) -> Option<Self> {
        let chain = chain.filter(|chain| !chain.is_empty())?;
        let owned = chain.iter().map(|cert| cert.clone().into_owned());
        Some(Self(owned.collect()))
    }

    /// What a client would show with this PEM file.
    ///
    /// # Errors
    /// If the file cannot be read or has no certificate.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let chain = PemFile::read(path)?.chain()?;
        Ok(Self(chain.into()))
    }

    /// The client's own certificate, and those behind it.
    pub(super) fn split(&self) -> Option<(&CertificateDer<'static>, &[CertificateDer<'static>])> {
        self.0.split_first()
    }

    /// What the certificate says.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn facts(&self) -> Result<CertFacts, BadCertificate> {
        let (leaf, _) = self.split().ok_or(BadCertificate::Unreadable)?;
        CertFacts::of(leaf).map_err(|_| BadCertificate::Unreadable)
    }
}

/// What the certificate of a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertFacts {
    /// Whose it is.
    pub subject: Dn,
    /// Who has signed it.
    pub issuer: Dn,
    /// Its subject alternative names.
    pub names: Vec<San>,
    /// Its serial number in hexadecimal.
    pub serial: Box<str>,
    /// The SHA-256 of the certificate in hexadecimal.
    pub fingerprint: Box<str>,
    /// The last second of its validity.
    pub not_after: UnixTime,
}

impl CertFacts {
    pub(super) fn of(leaf: &CertificateDer<'_>) -> Result<Self, Problem> {
        let cert = x509::parse(leaf)?;
        let san = cert.subject_alternative_name().map_err(Problem::BadNames)?;
        let names = san.iter().flat_map(|san| &san.value.general_names);
        let (_, not_after) = x509::validity(&cert);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf);
        Ok(Self {
            subject: Dn::of(cert.subject()),
            issuer: Dn::of(cert.issuer()),
            names: names.filter_map(San::of).collect(),
            serial: x509::serial_digits(cert.raw_serial()).into(),
            fingerprint: hex(digest.as_ref()).into(),
            not_after: not_after.into(),
        })
    }

    /// Who the client is: its common name, or its first other name, or its whole subject.
    pub fn user(&self) -> String {
        let common = self.subject.values("CN").find(|name| !name.is_empty());
        let named = || self.names.first().map(ToString::to_string);
        match common {
            Some(name) => name.to_owned(),
            None => named().unwrap_or_else(|| self.subject.to_string()),
        }
    }
}

/// A subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum San {
    /// A DNS name.
    Dns(HostPattern),
    /// An address of email.
    Email(Box<str>),
    /// A URI.
    Uri(Box<str>),
    /// An IP address.
    Ip(IpAddr),
}

impl San {
    /// The claim that names of its kind are in.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dns(_) => "dns",
            Self::Email(_) => "email",
            Self::Uri(_) => "uri",
            Self::Ip(_) => "ip",
        }
    }

    /// `None` for kinds that no policy can ask for, and for what is no such name.
    fn of(name: &GeneralName<'_>) -> Option<Self> {
        match name {
            GeneralName::DNSName(text) => text.parse().ok().map(Self::Dns),
            GeneralName::RFC822Name(text) => Some(Self::Email((*text).into())),
            GeneralName::URI(text) => Some(Self::Uri((*text).into())),
            GeneralName::IPAddress(bytes) => x509::address(bytes).map(Self::Ip),
            _ => None,
        }
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(pattern) => pattern.fmt(f),
            Self::Email(text) | Self::Uri(text) => f.write_str(text),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}
