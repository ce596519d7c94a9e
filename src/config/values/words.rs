//! Choices: one of a few words.

use http::HeaderName;

use super::quoted;
use crate::acme::{ChallengeKind, KeyType};
use crate::config::read::{Read, Value, Write};
use crate::config::schema::{Form, Kind};
use crate::deploy::Consumer;
use crate::route::path::EncodedSlash;
use crate::route::upstream::{Balance, InfoPolicy, Protocol};
use crate::signalling::rules::Effect;
use crate::telemetry::{LogFormat, LogLevel};
use crate::tls::MinVersion;

/// Types that are written as one of their `NAMES`; the text is what a wrong word is called.
macro_rules! words {
    ($($of:ty: $what:literal;)*) => {
        $(
            impl Read for $of {
                type Out = Self;
                const FORM: Form = Form::Word(|| all(&<$of>::NAMES));

                fn read(value: &Value<'_>) -> Option<Self> {
                    value.choose($what, &Self::NAMES)
                }
            }

            impl Write for $of {
                type Plain = Self;

                fn write(value: &Self) -> String {
                    word(&Self::NAMES, value)
                }
            }
        )*
    };
}

words! {
    Balance: "balance";
    ChallengeKind: "challenge";
    Consumer: "server";
    Effect: "effect";
    EncodedSlash: "encoded_slash";
    InfoPolicy: "info";
    KeyType: "key_type";
    LogFormat: "format";
    LogLevel: "level";
    OnExpiryWord: "on_expiry";
    Protocol: "protocol";
    Satisfy: "satisfy";
}

/// The words of a choice.
fn all<T>(names: &[(&'static str, T)]) -> Vec<&'static str> {
    names.iter().map(|(name, _)| *name).collect()
}

/// The word for a value, as TOML.
fn word<T: PartialEq>(names: &[(&'static str, T)], of: &T) -> String {
    let named = names.iter().find(|(_, value)| value == of);
    named.map(|(name, _)| quoted(name)).unwrap_or_default()
}

/// How the conditions of a policy go together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Satisfy {
    Any,
    All,
}

impl Satisfy {
    const NAMES: [(&'static str, Self); 2] = [("any", Self::Any), ("all", Self::All)];
}

/// What becomes of a WebSocket when its token expires.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum OnExpiryWord {
    Close,
    Keep,
}

impl OnExpiryWord {
    const NAMES: [(&'static str, Self); 2] = [("close", Self::Close), ("keep", Self::Keep)];
}

/// The methods that the gateway passes on.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// One of [`METHODS`].
pub(in crate::config) struct Method;

impl Read for Method {
    type Out = &'static str;
    const FORM: Form = Form::Word(|| METHODS.to_vec());

    fn read(value: &Value<'_>) -> Option<&'static str> {
        value.choose("method", &METHODS.map(|method| (method, method)))
    }
}

impl Write for Method {
    type Plain = &'static str;

    fn write(value: &&'static str) -> String {
        quoted(value)
    }
}

/// A header field in which a proxy names the client by its address alone. Every one of them ends at
/// the gateway if another client sends it.
pub(in crate::config) struct AddressHeader;

impl AddressHeader {
    const NAMES: [&'static str; 8] = [
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Real-IP",
        "X-Client-IP",
        "Fastly-Client-IP",
        "Fly-Client-IP",
        "DO-Connecting-IP",
        "X-Azure-ClientIP",
    ];
}

impl Read for AddressHeader {
    type Out = HeaderName;
    const FORM: Form = Form::Word(|| Self::NAMES.to_vec());
    const OTHER_SPELLINGS: bool = true;

    fn read(value: &Value<'_>) -> Option<HeaderName> {
        let text = value.text("a string")?;
        let mut names = Self::NAMES.into_iter();
        let named = names.find(|name| name.eq_ignore_ascii_case(text));
        let named =
            named.or_else(|| value.choose("header", &Self::NAMES.map(|name| (name, name))))?;
        HeaderName::from_bytes(named.as_bytes()).ok()
    }
}

/// A signal that makes servers reload, by its name without `SIG`.
pub(in crate::config) struct Signal;

impl Signal {
    const NAMES: [&'static str; 7] = ["HUP", "USR1", "USR2", "WINCH", "TERM", "INT", "QUIT"];
}

impl Read for Signal {
    type Out = &'static str;
    const FORM: Form = Form::Word(|| Self::NAMES.to_vec());
    const OTHER_SPELLINGS: bool = true;

    fn read(value: &Value<'_>) -> Option<&'static str> {
        let text = value.text("a string")?;
        let named = Self::NAMES
            .into_iter()
            .find(|name| text.strip_prefix("SIG") == Some(name));
        named.or_else(|| value.choose("signal", &Self::NAMES.map(|name| (name, name))))
    }
}

impl Read for MinVersion {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "TLS version",
        expected: "\"1.2\" or \"1.3\" in quotes",
        text: "",
        good: &["\"1.2\"", "\"1.3\""],
        bad: (
            "\"1.1\"",
            "\"1.1\" is no version that is served; write \"1.2\" or \"1.3\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        const WRONG: &str = "is no version that is served; write \"1.2\" or \"1.3\"";
        value.parse_with("\"1.2\" or \"1.3\" in quotes", |text| {
            let known = Self::NAMES.iter().find(|(name, _)| *name == text);
            known.map(|(_, version)| *version).ok_or_else(|| {
                let lower = text.to_ascii_lowercase();
                let bare = lower
                    .trim_start_matches("tls")
                    .trim_start_matches([' ', 'v', '_']);
                match Self::NAMES.iter().find(|(name, _)| *name == bare) {
                    Some((name, _)) => format!("is written \"{name}\""),
                    None => WRONG.to_owned(),
                }
            })
        })
    }
}

impl Write for MinVersion {
    type Plain = Self;

    fn write(value: &Self) -> String {
        word(&Self::NAMES, value)
    }
}
