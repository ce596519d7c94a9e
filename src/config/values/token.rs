//! Tokens: where their keys come from, where they stand, and what they must claim.

use super::path::one_or_list;
use super::text::Text;
use super::{STRING, quoted};
use crate::config::problem::Spanned;
use crate::config::read::{List, Read, Value, Write};
use crate::config::schema::{Form, Kind};
use crate::token::claims::Wanted;
use crate::token::location::Source;
use crate::token::{ALGORITHMS, Algorithm};
use crate::turn::uri::TurnUri;

impl Read for Algorithm {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "algorithm",
        expected: STRING,
        text: "A name of RFC 7518: `HS256`, `HS384`, `HS512` for secrets; `RS256`, `RS384`, \
               `RS512`, `PS256`, `PS384`, `PS512` for RSA; `ES256` for P-256, `ES384` for P-384; \
               `EdDSA` for Ed25519.",
        good: &["\"RS256\"", "\"EdDSA\""],
        bad: ("\"none\"", "unknown algorithm \"none\""),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.choose("algorithm", &ALGORITHMS)
    }
}

/// Where keys are fetched: by TLS, or on this very machine.
pub(in crate::config) struct FetchUrl;

impl Read for FetchUrl {
    type Out = Box<str>;
    const FORM: Form = Form::One(&Kind {
        name: "URL of keys",
        expected: "a URL",
        text: "`https://…`; `http://` only on this very machine, because anyone on the \
               network path could replace the keys.",
        good: &[
            "\"https://login.example.com/jwks.json\"",
            "\"http://127.0.0.1:8080/keys\"",
        ],
        bad: (
            "\"http://login.example.com/\"",
            "\"http://login.example.com/\" is not https: anyone on the network path could replace \
             the keys",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Box<str>> {
        // The text is not cited, for that would show the password.
        let has_password = |text: &str| authority(text).contains('@');
        if value.as_text().is_some_and(has_password) {
            return value.refuse("has a password in it; keys are public, take it out");
        }
        let url = value.parse_with("a URL", fetch_url)?;
        let is_description = DESCRIPTIONS.iter().any(|path| url.contains(path));
        if is_description {
            value.warn(
                value.place(),
                "is the description of an issuer, not its keys; write the jwks_uri that is in it",
            );
        }
        Some(url)
    }
}

/// Where issuers describe themselves (OpenID Connect Discovery 1.0, section 4; RFC 8414, section
/// 3).
const DESCRIPTIONS: [&str; 2] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
];

/// The part of a URL before its path.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn fetch_url(text: &str) -> Result<Box<str>, String> {
    let uri = text.parse::<http::Uri>().ok();
    let whole = uri.as_ref().filter(|uri| uri.scheme().is_some());
    let Some((uri, host)) = whole.and_then(|uri| Some((uri, uri.host()?))) else {
        let whole = format!("https://{text}");
        let is_url = whole.parse::<http::Uri>().is_ok();
        return Err(
            match is_url && !text.contains("://") && !text.starts_with('/') {
                true => format!("has no scheme; write \"{whole}\""),
                false => "is not a URL, such as \"https://login.example.com/jwks.json\"".to_owned(),
            },
        );
    };
    let wrong = match uri.scheme_str() {
        // A path that is put behind a fragment would be part of it, and not asked for.
        _ if text.contains('#') => "has a fragment, which no server is sent; take it out",
        Some("https") => return Ok(text.into()),
        Some("http") if super::ca::is_near(host) => return Ok(text.into()),
        Some("http") => "is not https: anyone on the network path could replace the keys",
        _ => "is not https",
    };
    Err(wrong.to_owned())
}

/// `audience`: the word `any`, one audience or a list of them.
pub(in crate::config) enum RawAudience {
    Any,
    OneOf(List<String>),
}

/// One audience. In a list, an empty text is one like any other.
struct Audience;

impl Read for Audience {
    type Out = String;
    const FORM: Form = Text::FORM;

    fn read(value: &Value<'_>) -> Option<String> {
        match value.text(STRING)? {
            "*" => value.refuse(
                "\"*\" is an audience of that very name here; write audience = \"any\" if every \
                 one is accepted",
            ),
            text => Some(text.to_owned()),
        }
    }
}

/// `issuer`: the accepted `iss`, one or a list of them.
pub(in crate::config) struct IssClaim;

/// One `iss`.
struct Iss;

impl Read for Iss {
    type Out = String;
    const FORM: Form = Text::FORM;

    fn read(value: &Value<'_>) -> Option<String> {
        match value.text(STRING)? {
            "" => value.refuse("is empty"),
            "*" => value.refuse(
                "\"*\" is an issuer of that very name here; leave issuer out if every one is \
                 accepted",
            ),
            text => Some(text.to_owned()),
        }
    }
}

impl Read for IssClaim {
    type Out = List<String>;
    const FORM: Form = Form::One(&Kind {
        name: "value of iss",
        expected: STRING,
        text: "One text, or a list of texts.",
        good: &[
            "\"https://login.example.com\"",
            "[\"my_app_id\", \"other_app\"]",
        ],
        bad: (
            "[]",
            "an empty list would take no token; write the issuer, or leave it out",
        ),
    });
    const OR_LIST: bool = true;

    fn read(value: &Value<'_>) -> Option<List<String>> {
        let list = one_or_list::<Iss>(value)?;
        match list.is_empty() {
            true => {
                value.refuse("an empty list would take no token; write the issuer, or leave it out")
            }
            false => Some(list),
        }
    }
}

impl Read for RawAudience {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "audience",
        expected: STRING,
        text: "One text, a list of texts, or `\"any\"`.",
        good: &["\"ianitor\"", "[\"ianitor\", \"janus\"]", "\"any\""],
        bad: (
            "[]",
            "an empty list would take no token; write the audience, or \"any\"",
        ),
    });
    const OR_LIST: bool = true;

    fn read(value: &Value<'_>) -> Option<Self> {
        if !value.is_list() {
            match value.text(STRING)? {
                "" => return value.refuse("is empty"),
                "any" => return Some(Self::Any),
                _ => {}
            }
        }
        one_or_list::<Audience>(value).map(Self::OneOf)
    }
}

impl Read for Source {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "place of a token",
        expected: STRING,
        text: "`header` is `Authorization: Bearer …`; `cookie:NAME`; `query:NAME`, for clients \
               that can set no header; `subprotocol` is `bearer.<token>` or `token.<token>` among \
               a WebSocket's subprotocols, beside a real one.",
        good: &[
            "\"header\"",
            "\"cookie:ianitor\"",
            "\"query:token\"",
            "\"subprotocol\"",
        ],
        bad: (
            "\"body\"",
            "\"body\" is no place for a token; write \"header\", \"cookie:NAME\", \"query:NAME\" \
             or \"subprotocol\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        const WRONG: &str = concat!(
            "is no place for a token; write \"header\", \"cookie:NAME\", \"query:NAME\" or ",
            "\"subprotocol\""
        );
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_plain);
        value.parse_with(STRING, |text| match text.split_once(':') {
            None if text == "header" => Ok(Self::Header),
            None if text == "subprotocol" => Ok(Self::Subprotocol),
            Some(("cookie", name)) if is_name(name) => Ok(Self::Cookie(name.into())),
            Some(("query", name)) if is_name(name) => Ok(Self::Query(name.into())),
            _ => Err(WRONG),
        })
    }
}

impl Write for Source {
    type Plain = Self;

    fn write(value: &Self) -> String {
        match value {
            Self::Header => quoted("header"),
            Self::Cookie(name) => quoted(format!("cookie:{name}")),
            Self::Query(name) => quoted(format!("query:{name}")),
            Self::Subprotocol => quoted("subprotocol"),
        }
    }
}

/// `claims`: each claim with the values that it may have. A table in it is a claim that is an
/// object.
pub(in crate::config) struct Claims;

impl Read for Claims {
    type Out = Vec<(String, Spanned<List<Wanted>>)>;
    const FORM: Form = Form::Values(&Kind {
        name: "value of a claim",
        expected: "a string, an integer, true or false",
        text: "A text, a whole number, or true or false; or a list of them, of which one is \
               enough.",
        good: &[
            "\"ops\"",
            "[\"admin\", \"ops\"]",
            "3",
            "true",
            "\"*\"",
            "{ roles = \"ops\" }",
        ],
        bad: (
            "[]",
            "an empty list is met by no token; write the values, or leave the claim out",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self::Out> {
        let empty = "an empty list is met by no token; write the values, or leave the claim out";
        gather(value, empty)
    }
}

/// The values in a table, by their paths. `empty`: what is wrong with an empty list.
pub(super) fn gather(
    value: &Value<'_>,
    empty: &str,
) -> Option<Vec<(String, Spanned<List<Wanted>>)>> {
    let mut all = Vec::new();
    add_members(value, "", empty, &mut all).then_some(all)
}

/// Whether all of them are right.
fn add_members(
    value: &Value<'_>,
    path: &str,
    empty: &str,
    all: &mut Vec<(String, Spanned<List<Wanted>>)>,
) -> bool {
    let Some(members) = value.members() else {
        return false;
    };
    let mut are_right = true;
    for (name, member) in members {
        let path = match path {
            "" => name,
            _ => format!("{path}.{name}"),
        };
        if member.is_table() {
            are_right &= add_members(&member, &path, empty, all);
            continue;
        }
        let list = match one_or_list::<Wanted>(&member) {
            Some(list) if list.is_empty() => member.refuse(empty),
            list => list,
        };
        are_right &= list.is_some();
        let place = member.place().clone();
        all.extend(list.map(|value| (path, Spanned { value, place })));
    }
    are_right
}

impl Read for Wanted {
    type Out = Self;
    const FORM: Form = Claims::FORM;

    fn read(value: &Value<'_>) -> Option<Self> {
        if let Some(truth) = value.boolean() {
            return Some(Self::Bool(truth));
        }
        if let Some(integer) = value.integer() {
            let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
            return number
                .map(Self::Integer)
                .or_else(|| value.refuse("is larger than any number in a token"));
        }
        value
            .text("a string, an integer, true or false")
            .map(|text| Self::Text(text.into()))
    }
}

impl Read for TurnUri {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "TURN URI",
        expected: STRING,
        text: "`turn:host:port`, `turns:host:port` (TLS) or `stun:host:port`, the first two with \
               `?transport=udp` or `?transport=tcp` (RFC 7065).",
        good: &[
            "\"turn:turn.example.com:3478?transport=udp\"",
            "\"turns:turn.example.com:5349?transport=tcp\"",
        ],
        bad: ("\"turn.example.com\"", "\"turn.example.com\" is"),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse(STRING)
    }
}
