//! Keys of servers, by their hash.

use super::STRING;
use super::path::one_or_list;
use crate::config::read::{List, Read, Value};
use crate::config::schema::{Form, Kind};
use crate::pin::Pin;

/// One or several keys of servers.
pub(in crate::config) struct Pins;

impl Read for Pins {
    type Out = List<Pin>;
    const FORM: Form = Pin::FORM;
    const OR_LIST: bool = true;

    fn read(value: &Value<'_>) -> Option<List<Pin>> {
        one_or_list::<Pin>(value)
    }
}

impl Read for Pin {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "pin",
        expected: STRING,
        text: "One or a list of them: `\"sha256/…\"`, the SHA-256 of a public key in base64, as \
               `openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform der | \
               openssl dgst -sha256 -binary | base64` prints it. The log names the pin of a server \
               that is not trusted.",
        good: &["\"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\""],
        bad: (
            "\"sha256:47DE\"",
            "\"sha256:47DE\" is no pin, which is \"sha256/\" and 44 characters of base64; `openssl \
             x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst \
             -sha256 -binary | base64` prints them",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with(STRING, str::parse)
    }
}
