//! Logins: the URL of a service, where browsers sign in, and what a password is for.

use std::time::Duration;

use http::{HeaderValue, Uri};

use super::ca::is_near;
use super::{STRING, Timeout};
use crate::config::read::{Read, Value};
use crate::config::schema::{Form, Kind};
use crate::route::upstream::ServerAddr;

/// The URL of a service that decides about requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct AuthUrl {
    pub(in crate::config) server: ServerAddr,
    pub(in crate::config) host: HeaderValue,
    /// Path and query.
    pub(in crate::config) target: Box<str>,
    pub(in crate::config) text: Box<str>,
}

impl Read for AuthUrl {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "URL of a service",
        expected: "a URL",
        text: "`http://…` or `https://…` with a path; `unix:/path/to/socket:/path` for a Unix \
               socket, as NGINX writes it.",
        good: &[
            "\"http://127.0.0.1:4180/oauth2/auth\"",
            "\"https://auth.example.com/api/authz/auth-request\"",
            "\"unix:/run/authelia.sock:/api/authz/auth-request\"",
        ],
        bad: (
            "\"127.0.0.1:4180/oauth2/auth\"",
            "\"127.0.0.1:4180/oauth2/auth\" has no scheme; write \
             \"http://127.0.0.1:4180/oauth2/auth\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        // The text is not cited, for that would show the password.
        if value.as_text().is_some_and(has_user) {
            return value.refuse("has a user in it, which is not sent; take it out");
        }
        value.parse_with("a URL", |text| match text.strip_prefix("unix:") {
            Some(rest) => by_socket(text, rest),
            None => by_address(text),
        })
    }
}

fn has_user(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next();
    authority.is_some_and(|authority| authority.contains('@'))
}

fn by_socket(text: &str, rest: &str) -> Result<AuthUrl, String> {
    let (path, target) = rest.split_once(':').ok_or(
        "has no path behind the socket; write \"unix:/run/authelia.sock:/api/authz/auth-request\"",
    )?;
    Ok(AuthUrl {
        server: format!("unix:{path}").parse()?,
        host: HeaderValue::from_static("localhost"),
        target: path_and_query(target)?,
        text: text.into(),
    })
}

fn by_address(text: &str) -> Result<AuthUrl, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!("has no scheme; write \"http://{text}\""));
    };
    if !matches!(scheme, "http" | "https") {
        return Err("is neither http:// nor https:// nor unix:".to_owned());
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let server: ServerAddr = format!("{scheme}://{authority}").parse()?;
    let host = HeaderValue::try_from(authority).map_err(|_| "is not a URL")?;
    let target = if target.is_empty() { "/" } else { target };
    Ok(AuthUrl {
        server,
        host,
        target: path_and_query(target)?,
        text: text.into(),
    })
}

fn path_and_query(text: &str) -> Result<Box<str>, String> {
    if text.contains('#') {
        return Err("has a fragment, which no server is sent; take it out".to_owned());
    }
    if !text.starts_with('/') {
        return Err("has no path; write it behind the server, as \"/auth\"".to_owned());
    }
    let uri: Result<Uri, _> = text.parse();
    uri.map_err(|_| "has a path that is none".to_owned())?;
    Ok(text.into())
}

/// Where browsers sign in.
pub(in crate::config) struct SignInUrl;

impl Read for SignInUrl {
    type Out = Box<str>;
    const FORM: Form = Form::One(&Kind {
        name: "URL to sign in",
        expected: STRING,
        text: "`https://…`, or a path of the requested host. `{url}` stands for the URL that the \
               browser asked for; without it, `rd=` with that URL is put behind it. `http://` is \
               for this very machine.",
        good: &[
            "\"https://auth.example.com/\"",
            "\"/oauth2/start\"",
            "\"https://login.example.com/?return_to={url}\"",
        ],
        bad: (
            "\"auth.example.com\"",
            "\"auth.example.com\" is neither a URL, such as \"https://auth.example.com/\", nor a \
             path",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Box<str>> {
        value.parse_with(STRING, sign_in)
    }
}

fn sign_in(text: &str) -> Result<Box<str>, String> {
    let plain = text.replace("{url}", "");
    if plain.contains(['{', '}']) {
        return Err("has a placeholder that is not known; there is {url} alone".to_owned());
    }
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'#');
    let uri = plain.parse::<Uri>().ok();
    let uri = uri.filter(|_| plain.bytes().all(is_plain));
    let is_path = plain.starts_with('/') && !plain.starts_with("//");
    match uri {
        Some(_) if is_path => Ok(text.into()),
        Some(uri) if uri.scheme_str() == Some("https") && uri.host().is_some() => Ok(text.into()),
        Some(uri) if uri.scheme_str() == Some("http") => match uri.host().is_some_and(is_near) {
            true => Ok(text.into()),
            false => Err("is not https: passwords would be sent in the clear".to_owned()),
        },
        _ => Err("is neither a URL, such as \"https://auth.example.com/\", nor a path".to_owned()),
    }
}

/// How often a service is asked again.
pub(in crate::config) struct Recheck;

const TOO_OFTEN: &str = "is less than a second; write \"1s\" or more";

impl Read for Recheck {
    type Out = Duration;
    const FORM: Form = Form::One(&Kind {
        name: "time between two questions",
        expected: "a duration such as \"10s\"",
        text: "A duration of a second or more.",
        good: &["\"1s\"", "\"60s\"", "\"5m\""],
        bad: ("\"500ms\"", TOO_OFTEN),
    });

    fn read(value: &Value<'_>) -> Option<Duration> {
        match Timeout::read(value)? {
            time if time < Duration::from_secs(1) => value.refuse(TOO_OFTEN),
            time => Some(time),
        }
    }
}

/// What browsers say that a password is for.
pub(in crate::config) struct Realm;

impl Read for Realm {
    type Out = Box<str>;
    const FORM: Form = Form::One(&Kind {
        name: "realm",
        expected: STRING,
        text: "ASCII without quotes and backslashes.",
        good: &["\"Media server\""],
        bad: (
            "\"\"",
            "\"\" is no realm: ASCII without quotes and backslashes",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Box<str>> {
        value.parse_with(STRING, |text| {
            let is_plain =
                |b: u8| (b == b' ' || b.is_ascii_graphic()) && !matches!(b, b'"' | b'\\');
            match !text.is_empty() && text.bytes().all(is_plain) {
                true => Ok(Box::from(text)),
                false => Err("is no realm: ASCII without quotes and backslashes"),
            }
        })
    }
}
