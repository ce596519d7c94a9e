//! Which subjects and names a policy admits.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::certificate::San;
use super::dn::{BadDn, Dn};
use crate::host::HostPattern;

/// A subject that is admitted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubjectPattern {
    /// One whose common name is this, whatever else it says.
    CommonName(Box<str>),
    /// One whose common name is a host below this one.
    Below(HostPattern),
    /// This subject as a whole.
    Whole(Dn),
}

impl SubjectPattern {
    /// Whether it admits the subject.
    pub fn admits(&self, subject: &Dn) -> bool {
        match self {
            Self::Whole(dn) => dn == subject,
            Self::CommonName(name) => subject.values("CN").any(|value| value == &**name),
            Self::Below(pattern) => subject.values("CN").any(|value| {
                let host = value.parse();
                host.is_ok_and(|host| pattern.matches(&host))
            }),
        }
    }
}

impl FromStr for SubjectPattern {
    type Err = BadDn;

    fn from_str(text: &str) -> Result<Self, BadDn> {
        if text.contains('=') {
            return text.parse().map(Self::Whole);
        }
        match text.parse() {
            Ok(pattern @ HostPattern::Wildcard(_)) => Ok(Self::Below(pattern)),
            _ => Ok(Self::CommonName(text.into())),
        }
    }
}

impl fmt::Display for SubjectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommonName(name) => f.write_str(name),
            Self::Below(pattern) => pattern.fmt(f),
            Self::Whole(dn) => dn.fmt(f),
        }
    }
}

/// A subject alternative name that is admitted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SanPattern {
    /// A DNS name, or the names below one.
    Dns(HostPattern),
    /// An address of email. Its domain has no case.
    Email(Box<str>),
    /// A URI, such as a SPIFFE ID.
    Uri(Box<str>),
    /// An IP address.
    Ip(IpAddr),
}

impl SanPattern {
    /// Whether it admits a name of a certificate.
    pub fn admits(&self, name: &San) -> bool {
        match (self, name) {
            (Self::Dns(pattern), San::Dns(HostPattern::Exact(host))) => pattern.matches(host),
            (Self::Dns(pattern), San::Dns(wildcard)) => pattern == wildcard,
            (Self::Email(ours), San::Email(theirs)) => email(theirs) == *ours,
            (Self::Uri(ours), San::Uri(theirs)) => ours == theirs,
            (Self::Ip(ours), San::Ip(theirs)) => ours == theirs,
            _ => false,
        }
    }
}

/// An address of email with its domain in lower case.
fn email(text: &str) -> Box<str> {
    match text.rsplit_once('@') {
        Some((user, domain)) => format!("{user}@{}", domain.to_ascii_lowercase()).into(),
        None => text.into(),
    }
}

impl FromStr for SanPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip));
        }
        if text.contains(':') {
            return match text.contains([' ', '*']) {
                true => Err("is no URI; write it as it is in the certificate".to_owned()),
                false => Ok(Self::Uri(text.into())),
            };
        }
        if let Some((user, domain)) = text.rsplit_once('@') {
            let is_whole = !user.is_empty() && domain.parse::<crate::host::HostName>().is_ok();
            return match is_whole && !text.contains(['*', ' ']) {
                true => Ok(Self::Email(email(text))),
                false => Err("is no address of email; write it whole".to_owned()),
            };
        }
        let pattern = text.parse().map(Self::Dns);
        pattern.map_err(|_| {
            "is neither a host name, nor an address of email, a URI or an IP address".to_owned()
        })
    }
}

impl fmt::Display for SanPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(pattern) => pattern.fmt(f),
            Self::Email(text) | Self::Uri(text) => f.write_str(text),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}
