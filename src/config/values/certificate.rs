//! Which certificates of clients a policy admits.

use super::STRING;
use crate::config::read::{Read, Value};
use crate::config::schema::{Form, Kind};
use crate::policy::CertificateField;
use crate::tls::{SanPattern, SubjectPattern};

impl Read for SubjectPattern {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "subject",
        expected: STRING,
        text: "A common name, `*.` and a host for those below it, or a whole subject as RFC 4514 \
               writes it (`openssl x509 -noout -subject -nameopt RFC2253`).",
        good: &[
            "\"ada\"",
            "\"*.media.example.com\"",
            "\"CN=ada,OU=Media,O=Example\"",
        ],
        bad: (
            "\"CN=ada,Team=Media\"",
            "\"CN=ada,Team=Media\" has the unknown attribute \"Team\"; known are CN, O, OU, C, ST, \
             L, DC, UID, emailAddress and serialNumber, and others by their object identifier",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with(STRING, |text| match text.is_empty() {
            true => Err("is empty; write a common name or a subject".to_owned()),
            false => text.parse().map_err(|error| format!("{error}")),
        })
    }
}

impl Read for SanPattern {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "name in a certificate",
        expected: STRING,
        text: "A host, `*.` and a host for those below it, an address of email, a URI such as a \
               SPIFFE ID, or an IP address.",
        good: &[
            "\"bot.example.com\"",
            "\"*.bots.example.com\"",
            "\"ada@example.com\"",
            "\"spiffe://example.com/ns/media/sa/bot\"",
            "\"10.0.0.7\"",
        ],
        bad: (
            "\"a b\"",
            "\"a b\" is neither a host name, nor an address of email, a URI or an IP address",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with(STRING, str::parse)
    }
}

impl Read for CertificateField {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "part of a certificate",
        expected: STRING,
        text: "`\"user\"` (the name in logs), `\"subject\"`, `\"issuer\"`, `\"serial\"`, \
               `\"fingerprint\"` (SHA-256) or `\"san\"`, with commas between several.",
        good: &["\"user\"", "\"subject\"", "\"fingerprint\""],
        bad: (
            "\"dn\"",
            "\"dn\" is no part of a certificate; known: \"user\", \"subject\", \"issuer\", \
             \"serial\", \"fingerprint\", \"san\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with(STRING, |text| {
            let mut all = Self::NAMES.iter();
            let found = all.find(|(name, _)| *name == text).map(|(_, field)| *field);
            found.ok_or_else(|| {
                let known: Vec<String> = Self::NAMES
                    .iter()
                    .map(|(name, _)| super::quoted(name))
                    .collect();
                format!("is no part of a certificate; known: {}", known.join(", "))
            })
        })
    }
}
