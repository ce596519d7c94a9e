//! Reads names, validity and subject of a certificate.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::time::ASN1Time;

use super::problem::Problem;
use crate::host::{HostName, HostPattern};

/// The parts of a certificate that decide when and for which hosts it is served.
pub(super) struct Facts {
    pub(super) names: Vec<HostPattern>,
    /// Host entries of the certificate that are not valid host names.
    pub(super) ignored: Vec<String>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

pub(super) fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Problem> {
    x509_parser::parse_x509_certificate(der)
        .map(|(_, cert)| cert)
        .map_err(Problem::Unparsable)
}

pub(super) fn facts(der: &CertificateDer<'_>) -> Result<Facts, Problem> {
    let cert = parse(der)?;
    let (names, ignored) = names(&cert)?;
    if names.is_empty() {
        return Err(Problem::NamesNoHost);
    }
    let (not_before, not_after) = validity(&cert);
    Ok(Facts {
        names,
        ignored,
        not_before,
        not_after,
    })
}

pub(super) fn validity(cert: &X509Certificate<'_>) -> (SystemTime, SystemTime) {
    let validity = cert.validity();
    (
        system_time(validity.not_before),
        system_time(validity.not_after),
    )
}

/// The common name of the subject, if it is text.
pub(super) fn common_name<'a>(cert: &'a X509Certificate<'_>) -> Option<&'a str> {
    cert.subject()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok())
}

fn names(cert: &X509Certificate<'_>) -> Result<(Vec<HostPattern>, Vec<String>), Problem> {
    let (mut names, mut ignored) = (Vec::new(), Vec::new());
    let Some(san) = cert.subject_alternative_name().map_err(Problem::BadNames)? else {
        return Ok((names, ignored));
    };
    for name in &san.value.general_names {
        match host(name) {
            Some(Ok(pattern)) if names.contains(&pattern) => {}
            Some(Ok(pattern)) => names.push(pattern),
            Some(Err(text)) => ignored.push(text),
            None => {}
        }
    }
    Ok((names, ignored))
}

/// The host that a name stands for; `None` if it is not for a host, such as an email address.
fn host(name: &GeneralName<'_>) -> Option<Result<HostPattern, String>> {
    match name {
        GeneralName::DNSName(text) => Some(dns(text).ok_or_else(|| (*text).to_owned())),
        GeneralName::IPAddress(bytes) => {
            let ip = address(bytes).map(|ip| HostPattern::Exact(HostName::from(ip)));
            Some(ip.ok_or_else(|| format!("{bytes:?}")))
        }
        GeneralName::Invalid(_, bytes) => Some(Err(String::from_utf8_lossy(bytes).into_owned())),
        _ => None,
    }
}

/// Clients do not accept an IP address that is written as a DNS name (RFC 6125, section 1.7.2).
fn dns(text: &str) -> Option<HostPattern> {
    let pattern = text.parse().ok()?;
    match &pattern {
        HostPattern::Exact(name) if name.ip().is_some() => None,
        _ => Some(pattern),
    }
}

pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

pub(super) fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = Duration::from_secs(time.timestamp().unsigned_abs());
    if time.timestamp() < 0 {
        SystemTime::UNIX_EPOCH - seconds
    } else {
        SystemTime::UNIX_EPOCH + seconds
    }
}

/// A serial number as `openssl x509 -serial` and browsers show it: without the zero byte that DER
/// puts before a number whose first bit is set (X.690, 8.3).
pub(super) fn serial_digits(der: &[u8]) -> String {
    let number = match der {
        [0, number @ ..] if !number.is_empty() => number,
        _ => der,
    };
    number.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::serial_digits;

    #[test]
    fn serials_are_written_as_openssl_writes_them() {
        assert_eq!(serial_digits(&[0x00, 0xd7, 0x45, 0x06]), "d74506");
        assert_eq!(serial_digits(&[0x07, 0x45]), "0745");
        assert_eq!(serial_digits(&[0x00]), "00");
    }
}
