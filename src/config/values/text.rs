//! Texts and names.

use http::HeaderValue;

use super::{STRING, quoted};
use crate::config::read::{Read, Value, Write};
use crate::config::schema::{Form, Kind};

/// Kinds that are read as any text.
macro_rules! texts {
    ($($(#[doc = $doc:literal])* $name:ident: $kind:expr;)*) => {
        $(
            $(#[doc = $doc])*
            pub(in crate::config) struct $name;

            impl Read for $name {
                type Out = String;
                const FORM: Form = Form::One(&$kind);

                fn read(value: &Value<'_>) -> Option<String> {
                    value.text(STRING).map(str::to_owned)
                }
            }
        )*
    };
}

/// Kinds that are read as any text but the empty one. Those with a check, which gets the value, the
/// text and the kind, are read as what that makes of it.
macro_rules! nonempty_texts {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident: $kind:literal, $text:literal, $good:expr $(, $check:path)?;
    )*) => {
        $(
            $(#[doc = $doc])*
            pub(in crate::config) struct $name;

            impl Read for $name {
                type Out = String;
                const FORM: Form = Form::One(&Kind {
                    name: $kind,
                    expected: STRING,
                    text: $text,
                    good: &$good,
                    bad: ("\"\"", "is empty"),
                });

                fn read(value: &Value<'_>) -> Option<String> {
                    let text = $crate::config::values::text::nonempty(value)?;
                    $( let text = $check(value, text, $kind)?; )?
                    Some(text)
                }
            }
        )*
    };
}

pub(super) use nonempty_texts;

fn no_nul(value: &Value<'_>, text: String, _: &str) -> Option<String> {
    match text.contains('\0') {
        true => value.refuse("has a NUL, which no path has"),
        false => Some(text),
    }
}

pub(super) fn nonempty(value: &Value<'_>) -> Option<String> {
    match value.text(STRING)? {
        "" => value.refuse("is empty"),
        text => Some(text.to_owned()),
    }
}

nonempty_texts! {
    /// Any text.
    Text: "text", "", ["\"https://login.example.com\""];
    /// A secret that is written in the file itself.
    SecretText: "secret", "", ["\"correct horse battery staple\""];
    /// Where a secret is in the environment.
    EnvVar: "variable of the environment", "", ["\"JWT_SECRET\""];
    /// Files that are included.
    IncludePattern: "pattern of files",
        "`*` is any part of a name, `?` one character, `[a-z]` one of some. There is no `**`.",
        ["\"conf.d/*.toml\"", "\"/etc/ianitor/routes.toml\""], no_nul;
    /// What a CA calls a way to order.
    ProfileName: "profile", "The name of a profile that the CA offers.",
        ["\"shortlived\"", "\"tlsserver\""];
    /// What a CA calls an account that one has with it.
    KeyId: "key id", "", ["\"kid-1\""];
    /// The owner or group of a file.
    User: "user or group", "A name or a number, in quotes.", ["\"turnserver\"", "\"115\""];
}

texts! {
    /// An upstream, by its name.
    UpstreamName: Kind {
        name: "name of an upstream",
        expected: STRING,
        text: "The NAME of an `[upstreams.NAME]` anywhere in the file: letters, digits, `-`, `_` \
               and `.`.",
        good: &[],
        bad: ("\"nobody\"", "unknown upstream \"nobody\"; none is defined"),
    };
    /// A policy, by its name.
    PolicyName: Kind {
        name: "name of a policy",
        expected: STRING,
        text: "The NAME of a `[policies.NAME]` anywhere in the file, or `\"open\"`.",
        good: &["\"open\""],
        bad: ("\"opne\"", "unknown policy \"opne\", did you mean \"open\"?"),
    };
    /// An issuer, by its name.
    IssuerName: Kind {
        name: "name of an issuer",
        expected: STRING,
        text: "The NAME of an `[issuers.NAME]` anywhere in the file.",
        good: &[],
        bad: ("\"nobody\"", "unknown issuer \"nobody\"; none is defined"),
    };
    /// Credentials for a TURN server, by their name.
    TurnName: Kind {
        name: "name of a TURN server",
        expected: STRING,
        text: "The NAME of a `[turn.NAME]` anywhere in the file.",
        good: &[],
        bad: ("\"nobody\"", "unknown turn \"nobody\"; none is defined"),
    };
    /// The name of a header; parsed with the rules about it.
    HeaderField: Kind {
        name: "header name",
        expected: STRING,
        text: "Upper and lower case are the same.",
        good: &["\"X-Tenant\""],
        bad: ("\"X Tenant\"", "\"X Tenant\" is not the name of a header"),
    };
    /// An origin or `"*"`; parsed with the rules about it.
    Origin: Kind {
        name: "origin",
        expected: STRING,
        text: "Scheme, host and, where it is not the usual one, port of a page, as browsers send \
               it; or `\"*\"` for every one.",
        good: &["\"https://app.example.com\"", "\"http://localhost:3000\"", "\"*\""],
        bad: (
            "\"app.example.com\"",
            "\"app.example.com\" is no origin, such as \"https://app.example.com\"",
        ),
    };
}

impl Write for HeaderField {
    type Plain = &'static str;

    fn write(value: &&'static str) -> String {
        quoted(value)
    }
}

/// The value of a header.
pub(in crate::config) struct HeaderText;

impl Read for HeaderText {
    type Out = HeaderValue;
    const FORM: Form = Form::One(&Kind {
        name: "header value",
        expected: STRING,
        text: "",
        good: &["\"no-store\""],
        bad: (
            "\" a\"",
            "\" a\" is no header value: ASCII on one line, without spaces around it",
        ),
    });

    fn read(value: &Value<'_>) -> Option<HeaderValue> {
        value.parse_with(STRING, |text| {
            let is_trimmed = text.trim() == text;
            let is_visible = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
            HeaderValue::try_from(text)
                .ok()
                .filter(|_| is_trimmed && is_visible)
                .ok_or("is no header value: ASCII on one line, without spaces around it")
        })
    }
}
