//! Errors and warnings about certificates. Each message tells the operator what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types;
use x509_parser::error::X509Error;
use x509_parser::nom;

use super::client_problem::{ClientAuthNotice, ClientAuthProblem};
use super::date::Date;
use crate::host::{HostName, HostPattern};

/// A problem that prevents the use of the table, with its place.
#[derive(Debug)]
pub struct LoadError {
    /// The configuration key that named the file, such as `tls.certificates[0].cert`.
    pub key: String,
    /// The file, if the problem is with one.
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub problem: Problem,
}

impl LoadError {
    pub(super) fn new(key: impl Into<String>, file: &Path, problem: Problem) -> Self {
        Self {
            key: key.into(),
            file: Some(file.to_owned()),
            problem,
        }
    }

    /// The file and what is wrong with it, without the configuration key.
    pub fn message(&self) -> impl fmt::Display + '_ {
        Message(self.file.as_deref(), &self.problem)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message())
    }
}

/// The source is the problem's own source, because the problem is part of the message.
impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problem.source()
    }
}

struct Message<'a, T>(Option<&'a Path>, &'a T);

impl<T: fmt::Display> fmt::Display for Message<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(file) => write!(f, "{} {}", file.display(), self.1),
            None => self.1.fmt(f),
        }
    }
}

/// What is wrong. The message continues a sentence that begins with the file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// No certificate is configured.
    #[error(
        "no certificate is configured; write certificates = [{{ cert = \"…\", key = \"…\" }}] or, \
         for development, \
         self_signed = [\"localhost\"]"
    )]
    Nothing,
    /// There is no such file.
    #[error("does not exist; put the PEM file there or correct the path")]
    Missing,
    /// Permission to read the file is denied.
    #[error(
        "may not be read by the user that runs ianitor; give it the file (chown) or a group that \
         may read it"
    )]
    NotAllowed(#[source] io::Error),
    /// The system cannot read the file.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// The path leads to a folder, a socket or a device.
    #[error("is not a file; write the path of the PEM file itself")]
    NotAFile,
    /// The file is too large for a certificate or key.
    #[error("is larger than any certificate or key; is it the right file?")]
    TooLarge,
    /// The file is DER or PKCS#12.
    #[error(
        "is binary, not PEM; convert it with `openssl x509 -inform der`, `openssl pkey -inform \
         der` or, for PKCS#12, \
         `openssl pkcs12 -nodes`"
    )]
    Binary,
    /// A section is cut short or its base64 is damaged.
    #[error(
        "is damaged: a BEGIN line without its END, or broken base64; copy the whole file again"
    )]
    Damaged(#[source] pki_types::pem::Error),
    /// No certificate among the sections.
    #[error("holds no certificate (no BEGIN CERTIFICATE line); is it the right file?")]
    NoCertificate,
    /// No private key among the sections.
    #[error("holds no private key (no BEGIN PRIVATE KEY line); name the file that has it")]
    NoKey,
    /// More than one private key.
    #[error("holds {0} private keys; leave only the one of the certificate")]
    SeveralKeys(usize),
    /// The key needs a passphrase.
    #[error(
        "holds a key locked by a passphrase, which ianitor does not support; unlock it with \
         `(umask 077; openssl pkey -in {} -out {})` and name that file",
        .0.display(), .0.with_extension("unlocked.pem").display()
    )]
    Locked(PathBuf),
    /// The certificate is not valid X.509.
    #[error("holds a certificate that cannot be understood; order it again")]
    Unparsable(#[source] nom::Err<X509Error>),
    /// The subject alternative names of the certificate contradict themselves.
    #[error("holds a certificate whose names cannot be understood; order it again")]
    BadNames(#[source] X509Error),
    /// The TLS library rejects the certificate.
    #[error("holds a certificate that TLS cannot use; order an X.509 version 3 one")]
    UnusableCertificate(#[source] rustls::Error),
    /// The TLS library rejects the key.
    #[error(
        "holds a key that TLS cannot use; make an ECDSA P-256 key or an RSA key of 2048 bits or \
         more"
    )]
    UnusableKey,
    /// The TLS library has no such keys.
    #[error(
        "holds a key that TLS cannot use: {0}; make an ECDSA P-256 key or an RSA key of 2048 bits \
         or more, and order the certificate for it"
    )]
    UnusableKind(String),
    /// Key and certificate do not match.
    #[error(
        "is not the key of the certificate in {}; name the two files that were made together",
        .cert.display()
    )]
    KeyMismatch {
        /// Where the certificate is.
        cert: PathBuf,
    },
    /// The certificate of the key is not the first one.
    #[error(
        "has the server's certificate in place {place}; it must stand first, then its issuers, \
         each signed by the next"
    )]
    LeafNotFirst {
        /// Its position, counted from 1.
        place: usize,
    },
    /// The certificate has no host name.
    #[error(
        "names no host (no subjectAltName); clients ignore the common name, so order it with its \
         DNS names"
    )]
    NamesNoHost,
    /// The folder of the development certificates cannot be created or locked.
    #[error("cannot be made or locked for development certificates; let this user write there")]
    Folder(#[source] io::Error),
    /// A development certificate cannot be written.
    #[error("cannot be written; let this user write in its folder")]
    Write(#[source] io::Error),
    /// A file that ianitor did not write has the name of a development certificate.
    #[error(
        "was not made by ianitor and would be overwritten by a development certificate; move it \
         elsewhere"
    )]
    NotOurs,
    /// Generating a certificate failed.
    #[error("could not be made")]
    Make(#[source] rcgen::Error),
    /// The TLS library does not accept it for verifying servers.
    #[error("cannot be used to verify an upstream")]
    Client(#[source] rustls::Error),
    /// A list of revoked certificates is not one.
    #[error("holds a list of revoked certificates that cannot be understood; have it made again")]
    UnparsableList(#[source] nom::Err<X509Error>),
    /// It cannot be used to verify clients.
    #[error(transparent)]
    ClientAuth(#[from] ClientAuthProblem),
}

impl Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(self)
    }
}

/// Something about a certificate that the operator should know, but that does not prevent its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The configuration key that named the file, such as `tls.certificates[0].key`.
    pub key: String,
    /// The file.
    pub file: PathBuf,
    /// The warning itself.
    pub notice: Notice,
}

impl Warning {
    pub(super) fn new(key: impl Into<String>, file: &Path, notice: Notice) -> Self {
        Self {
            key: key.into(),
            file: file.to_owned(),
            notice,
        }
    }

    /// The file and the notice, without the configuration key.
    pub fn message(&self) -> impl fmt::Display + '_ {
        Message(Some(&self.file), &self.notice)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message())
    }
}

/// What a [`Warning`] is about. The message continues a sentence that begins with the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// The certificate expires within days.
    #[error("expires on {0}; renew it")]
    EndsSoon(Date),
    /// An ordered certificate expires soon, and its renewal is overdue.
    #[error("expires on {0} and has not been renewed; see the log for the errors of the CA")]
    RenewalLate(Date),
    /// Not valid now, but served for these names because no valid one has them.
    #[error("{0}; it is served all the same, as nothing else serves {names}", names = Listed(.1))]
    ServedOutOfDate(OutOfDate, Vec<HostPattern>),
    /// Not valid now, and not served because valid certificates have its names.
    #[error("{0}; it is not served, as other certificates have its names")]
    PassedOver(OutOfDate),
    /// A file that is never served: an earlier entry has its names, with the same kind of key.
    #[error("is never served: {0} has all of its names and the same kind of key; take one out")]
    NeverServed(String),
    /// A file that is served for these names instead of an ordered certificate.
    #[error(
        "is served for {names} before the ordered one; take it out when you have moved",
        names = Listed(.0)
    )]
    ServedBeforeOrdered(Vec<HostName>),
    /// A name in the certificate that is not a host name.
    #[error("names {0:?}, which is no host name; that name is ignored")]
    IgnoredName(String),
    /// The server's certificate alone, of a CA whose certificate clients do not have.
    #[error(
        "has the server's certificate without that of its issuer, \"{issuer}\", and many clients \
         reject it; {whole}", whole = WholeChain(.whole.as_deref())
    )]
    NoIssuer {
        /// Who has signed it.
        issuer: String,
        /// The file that has both.
        whole: Option<PathBuf>,
    },
    /// A chain in which a certificate has not signed the one before it.
    #[error(
        "has the certificate of \"{found}\" in place {place}, where that of \"{wanted}\" belongs, \
         which has signed the one before; clients reject it, so write the chain that came with \
         the certificate, usually fullchain.pem"
    )]
    NotItsIssuer {
        /// Its position, counted from 1.
        place: usize,
        /// What is there.
        found: String,
        /// What belongs there.
        wanted: String,
    },
    /// The certificate has purposes, and a server is not among them.
    #[error(
        "is not for servers (extendedKeyUsage without serverAuth), and clients reject it; order it \
         as the certificate of a server"
    )]
    NotForServers,
    /// A signature that clients no longer accept.
    #[error(
        "has a signature by {hash} on the certificate of \"{subject}\", which clients reject; \
             order it again"
    )]
    OldSignature {
        /// Whose certificate it is.
        subject: String,
        /// The hash function.
        hash: &'static str,
    },
    /// About what verifies clients.
    #[error(transparent)]
    ClientAuth(#[from] ClientAuthNotice),
    /// A development certificate that the next start will generate.
    #[error("will be made at start: the development certificate for {0}")]
    WillBeMade(HostName),
    /// A development CA was generated for the first time.
    #[error("was generated: the development CA, which clients of this gateway have to trust")]
    FirstCa,
    /// A development CA was generated in place of an earlier one.
    #[error(
        "is a new development CA; clients that trusted the previous one have to trust this one"
    )]
    NewCa,
}

/// Why a certificate is not valid now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfDate {
    /// It has expired.
    #[error("expired on {0}")]
    Expired(Date),
    /// It is not valid yet.
    #[error("is not valid before {0}")]
    NotYet(Date),
}

struct WholeChain<'a>(Option<&'a Path>);

impl fmt::Display for WholeChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(file) => write!(f, "write {}, which has both", file.display()),
            None => {
                f.write_str("append it, or write the file that has both, such as fullchain.pem")
            }
        }
    }
}

struct Listed<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}
