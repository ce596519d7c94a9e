//! A failed attempt: its error, when the CA wants to be asked again, and what an operator can do.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use rustls::CertificateError as Bad;

use super::error::OrderError;
use super::spec::ChallengeKind;
use crate::telemetry::Chain;
use crate::tls::Distrust;

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: OrderError,
    /// When the CA wants to be asked again, if it has said so.
    pub(super) retry_after: Option<Duration>,
}

impl From<OrderError> for Failure {
    fn from(error: OrderError) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

/// The CA could not connect to the gateway.
const AT_443: &str =
    "does the name lead to this gateway, and does port 443 of the world arrive at listen.https?";
const AT_80: &str =
    "does the name lead to this gateway, and does port 80 of the world arrive at listen.http?";
const AT_BOTH: &str = concat!(
    "does the name lead to this gateway, and do port 443 and port 80 of the world arrive at ",
    "listen.https and listen.http?"
);

/// Another server answered the CA.
const ELSEWHERE: &str = "another server answered for the name: does every address of it lead here?";
const ELSEWHERE_AT_BOTH: &str = concat!(
    "does the name lead to this gateway, by every address of it, and do port 443 and port 80 ",
    "of the world arrive at listen.https and listen.http?"
);

impl OrderError {
    /// The error with its causes, and advice.
    pub fn text(&self) -> String {
        let advice = self
            .advice()
            .map(|advice| format!("; {advice}"))
            .unwrap_or_default();
        format!("{}{advice}", Chain(self))
    }

    /// What an operator can do about the error, if the message does not say so.
    pub fn advice(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::ByNoKind(all) => for_all(all),
            Self::Staging(refused) => refused.advice(),
            Self::Elsewhere(_) => Some(Cow::Borrowed(ELSEWHERE)),
            _ => self.advice_for_one().map(Cow::Borrowed),
        }
    }

    fn advice_for_one(&self) -> Option<&'static str> {
        if let Self::Directory(_) | Self::Client(_) = self
            && let Some(bad) = refused_certificate(self)
        {
            return of_certificate(bad);
        }
        let kind = if let Self::Refused { kind, .. } = self {
            Some(*kind)
        } else {
            None
        };
        Some(match (self.word()?, kind) {
            ("rateLimited", _) => {
                "the CA limits how often it is asked; the next order waits for it"
            }
            ("connection" | "tls", Some(ChallengeKind::Http01)) => AT_80,
            ("connection" | "tls", _) => AT_443,
            ("dns", _) => "does the name have an A or AAAA record?",
            ("caa", _) => "a CAA record of the name lets in other CAs only",
            ("unauthorized", Some(_)) => ELSEWHERE,
            ("unauthorized", None) => {
                concat!(
                    "the account may be closed: move its folder in accounts of the store away, ",
                    "and the next order makes another"
                )
            }
            ("rejectedIdentifier", _) => "this CA gives no certificate for that name",
            ("externalAccountRequired", _) => {
                "write external_account with what the CA has given you"
            }
            ("userActionRequired", _) => "the CA wants you to do something first",
            ("invalidContact" | "unsupportedContact", _) => "mend acme.contact",
            _ => return None,
        })
    }
}

/// A single advice if one fits all errors, otherwise each of them.
fn for_all(errors: &[OrderError]) -> Option<Cow<'static, str>> {
    let mut all: Vec<&'static str> = errors
        .iter()
        .filter_map(OrderError::advice_for_one)
        .collect();
    all.sort_unstable();
    all.dedup();
    let is_of = |these: &[&str]| all.iter().all(|one| these.contains(one));
    match &all[..] {
        [] => None,
        [one] => Some(Cow::Borrowed(one)),
        _ if is_of(&[AT_443, AT_80]) => Some(Cow::Borrowed(AT_BOTH)),
        _ if is_of(&[AT_443, AT_80, ELSEWHERE]) => Some(Cow::Borrowed(ELSEWHERE_AT_BOTH)),
        several => Some(Cow::Owned(several.join("; "))),
    }
}

fn of_certificate(bad: &Bad) -> Option<&'static str> {
    match bad {
        Bad::Expired
        | Bad::NotValidYet
        | Bad::ExpiredContext { .. }
        | Bad::NotValidYetContext { .. } => Some("is this machine's clock right?"),
        Bad::UnknownIssuer => Some("write directory_ca with the CA's certificate"),
        _ => None,
    }
}

/// The certificate error for which TLS failed.
fn refused_certificate(error: &OrderError) -> Option<&Bad> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref() {
            Some(rustls::Error::InvalidCertificate(bad)) => return Some(bad),
            Some(other) => return Distrust::of(other).and_then(Distrust::cause),
            None => {}
        }
        // An I/O error's source is the source of the error that it wraps, not that error itself.
        let held = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        cause = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::ClientError;
    use crate::fetch::ExchangeFault;

    fn refused(host: &str, kind: ChallengeKind, word: &str) -> OrderError {
        let problem = format!(r#"{{"type": "urn:ietf:params:acme:error:{word}", "detail": "no"}}"#);
        OrderError::Refused {
            host: host.parse().unwrap(),
            kind,
            problem: serde_json::from_str(&problem).unwrap(),
        }
    }

    fn by_both(first: &str, second: &str) -> OrderError {
        let [alpn, http] = [ChallengeKind::TlsAlpn01, ChallengeKind::Http01];
        OrderError::ByNoKind(vec![
            refused("a.example", alpn, first),
            refused("a.example", http, second),
        ])
    }

    #[test]
    fn both_refusals_are_told_with_what_fits_both() {
        let both = by_both("connection", "connection");
        let told = concat!(
            "the CA refused a.example by tls-alpn-01: \"no\" (connection); ",
            "and by http-01: \"no\" (connection)"
        );
        assert_eq!(
            (both.to_string().as_str(), both.advice().as_deref()),
            (told, Some(AT_BOTH))
        );
        assert_eq!(
            by_both("dns", "dns").advice().as_deref(),
            Some("does the name have an A or AAAA record?")
        );
        assert_eq!(
            by_both("unauthorized", "connection").advice().as_deref(),
            Some(ELSEWHERE_AT_BOTH)
        );
        let different = by_both("caa", "connection").advice().unwrap();
        assert!(
            different.contains("CAA") && different.contains("port 80"),
            "{different}"
        );
    }

    #[test]
    fn what_is_not_refused_has_its_whole_sentence() {
        let other = OrderError::ByNoKind(vec![
            refused("a.example", ChallengeKind::TlsAlpn01, "dns"),
            refused("b.example", ChallengeKind::Http01, "dns"),
            OrderError::Ended("Invalid".to_owned()),
        ]);
        let told = other.to_string();
        assert!(
            told.contains("; and the CA refused b.example by http-01: ")
                && told.contains("; and the CA ended"),
            "{told}"
        );
    }

    #[test]
    fn a_certificate_that_tls_does_not_take_is_told_by_its_cause() {
        let failed = |bad: Bad| {
            let cause = std::io::Error::other(rustls::Error::InvalidCertificate(bad));
            let (at, broken) = ("ca.example".into(), ExchangeFault::Broken);
            OrderError::Client(ClientError::Exchange(at, broken, Some(cause.into()))).advice()
        };
        assert_eq!(
            failed(Bad::UnknownIssuer).as_deref(),
            Some("write directory_ca with the CA's certificate")
        );
        assert_eq!(
            failed(Bad::Expired).as_deref(),
            Some("is this machine's clock right?")
        );
        assert_eq!(failed(Bad::Revoked), None);
    }
}
