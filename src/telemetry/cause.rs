//! What the errors of libraries mean, in words for operators.

use std::error::Error;
use std::io;

use hyper_util::client::legacy;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// What an error says beside its causes; `None` if only its causes say something.
pub(super) fn words(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return match error.get_ref() {
            Some(inner) => words(inner),
            None => Some(of_system(error)),
        };
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(of_tls(error));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return of_http(error);
    }
    let has_cause = error.source().is_some();
    if error.is::<legacy::Error>() && has_cause {
        return None;
    }
    Some(match error.to_string().as_str() {
        // hyper-util has no public types for these.
        "tcp connect error" if has_cause => return None,
        "dns error" => "the name cannot be resolved".to_owned(),
        "tls handshake eof" => "the connection was closed during the TLS handshake".to_owned(),
        other => other.to_owned(),
    })
}

/// The causes that an error has beside what [`words`] says of it. An `io::Error` shows the error
/// that it wraps as its own.
pub(super) fn source<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match wrapped {
        Some(inner) => source(inner),
        None => error.source(),
    }
}

/// Without the number of the error, as it stands in the middle of a sentence.
fn of_system(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

fn of_http(error: &hyper::Error) -> Option<String> {
    let text = if error.is_incomplete_message() {
        "the connection was closed before the message was complete"
    } else if error.is_parse_too_large() {
        "the head of the message is too large"
    } else if error.is_parse() {
        "what was received is not HTTP"
    } else if error.is_timeout() {
        "it took too long"
    } else if error.is_closed() || error.is_canceled() {
        "the connection was closed"
    } else if error.source().is_some() {
        return None;
    } else {
        return Some(error.to_string());
    };
    Some(text.to_owned())
}

fn of_tls(error: &rustls::Error) -> String {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(error) => {
            format!("its certificate is not accepted: {}", of_certificate(error))
        }
        E::AlertReceived(alert) => {
            format!(
                "the other side rejected the handshake: {}",
                of_alert(*alert)
            )
        }
        // The first bytes decide this: they are HTTP, or whatever else.
        E::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what was received is not TLS".to_owned()
        }
        E::InvalidMessage(_) | E::PeerMisbehaved(_) | E::InappropriateMessage { .. } => {
            "the other side does not follow the rules of TLS".to_owned()
        }
        E::InappropriateHandshakeMessage { .. } => {
            "the other side does not follow the rules of TLS".to_owned()
        }
        E::PeerIncompatible(_) => {
            "there is no TLS version, cipher suite or key exchange in common".to_owned()
        }
        E::NoCertificatesPresented => "no certificate was shown".to_owned(),
        E::DecryptError => "a TLS record cannot be decrypted".to_owned(),
        E::General(text) => text.clone(),
        other => other.to_string(),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    use CertificateError as C;
    match error {
        C::UnknownIssuer => "no CA that is trusted here has signed it".to_owned(),
        C::Expired | C::ExpiredContext { .. } => "it has expired".to_owned(),
        C::NotValidYet | C::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        C::Revoked => "it has been revoked".to_owned(),
        C::NotValidForName => "it is for another name".to_owned(),
        C::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            match presented.is_empty() {
                true => format!("it names no host, and so not {expected}"),
                false => format!("it is not for {expected} but for {}", names(presented)),
            }
        }
        C::BadSignature => "its signature is wrong".to_owned(),
        C::BadEncoding | C::UnhandledCriticalExtension => "it cannot be understood".to_owned(),
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => "it is not for servers".to_owned(),
        C::Other(other) if other.0.to_string().contains("CaUsedAsEndEntity") => {
            "it is the certificate of a CA and not of a server".to_owned()
        }
        C::UnsupportedSignatureAlgorithmContext { .. }
        | C::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed with an algorithm that is not accepted, such as SHA-1".to_owned()
        }
        _ => "it cannot be verified".to_owned(),
    }
}

/// The names of a certificate, of which the library has `DnsName("a.test")`.
fn names(presented: &[String]) -> String {
    /// As many are enough to recognize it.
    const SHOWN: usize = 5;
    let name = |text: &String| {
        let quoted = text.split('"').nth(1);
        quoted.map_or_else(|| text.clone(), str::to_owned)
    };
    let mut names: Vec<String> = presented.iter().take(SHOWN).map(name).collect();
    if presented.len() > SHOWN {
        names.push("…".to_owned());
    }
    names.join(", ")
}

fn of_alert(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let text = match alert {
        A::HandshakeFailure | A::InsufficientSecurity => {
            "it has no cipher suite or key exchange in common"
        }
        A::ProtocolVersion => "it has no TLS version in common",
        A::UnrecognisedName => "it has no certificate for the name that was asked for",
        A::CertificateRequired => "it wants a certificate of the client",
        A::UnknownCA => "it does not trust the CA of the certificate",
        A::BadCertificate
        | A::CertificateExpired
        | A::CertificateRevoked
        | A::CertificateUnknown
        | A::UnsupportedCertificate => "it does not accept the certificate",
        A::NoApplicationProtocol => "it has no application protocol in common",
        A::AccessDenied => "it denies access",
        A::InternalError => "it has an internal error",
        other => return format!("alert {}", u8::from(other)),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Chain;
    use super::*;

    fn chain(error: io::Error) -> String {
        Chain(&error).to_string()
    }

    #[test]
    fn errors_of_the_system_have_no_number() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(chain(refused), "connection refused");
        assert_eq!(chain(io::ErrorKind::TimedOut.into()), "timed out");
    }

    #[test]
    fn errors_of_tls_are_sentences_of_people() {
        use rustls::Error as E;
        for (error, want) in [
            (
                E::InvalidCertificate(CertificateError::UnknownIssuer),
                "no CA that is trusted here",
            ),
            (
                E::InvalidMessage(InvalidMessage::InvalidContentType),
                "is not TLS",
            ),
            (
                E::AlertReceived(AlertDescription::ProtocolVersion),
                "no TLS version in common",
            ),
            (E::AlertReceived(AlertDescription::DecodeError), "alert 50"),
        ] {
            let library = format!("{error:?}");
            let text = chain(io::Error::other(error));
            assert!(text.contains(want), "{text}");
            assert!(!text.contains(&library), "{text}");
        }
    }

    #[test]
    fn a_certificate_for_another_name_has_its_names() {
        let error = CertificateError::NotValidForNameContext {
            expected: "a.test".try_into().unwrap(),
            presented: vec!["DnsName(\"b.test\")".to_owned()],
        };
        assert_eq!(
            of_certificate(&error),
            "it is not for a.test but for b.test"
        );
    }

    #[test]
    fn a_wrapped_error_is_shown_once() {
        let inner = io::Error::other("no answer from the name server");
        assert_eq!(
            chain(io::Error::other(inner)),
            "no answer from the name server"
        );
    }
}
