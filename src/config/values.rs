//! How each domain type is written in `gateway.toml`. Most parse themselves; here they get the
//! hints that only a configuration file needs.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::problem::{Spanned, quoted};
use super::read::{List, Read, Value};
use super::units;
use crate::addr::{ListenAddr, Network};
use crate::host::{Authority, HostName, HostPattern};
use crate::limits::Rate;
use crate::route::local::{BadLocal, LocalUrl};
use crate::route::path::{BadPath, PathPrefix};
use crate::route::redirect::RedirectSpec;
use crate::route::upstream::{Balance, Protocol, ServerAddr};
use crate::telemetry::LogFormat;
use crate::tls::MinVersion;
use crate::token::claims::Wanted;
use crate::token::location::Source;
use crate::token::{ALGORITHMS, Algorithm};
use crate::turn::uri::TurnUri;

impl Read for ListenAddr {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse("a string")
    }
}

impl Read for Network {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse("a string")
    }
}

impl Read for ServerAddr {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse("a string")
    }
}

/// A server as `host:port`: what is spoken to it is not HTTP.
pub(super) struct PlainServer(pub(super) ServerAddr);

impl Read for PlainServer {
    fn read(value: &Value<'_>) -> Option<Self> {
        const FORM: &str = "is not host:port, such as \"127.0.0.1:5349\"";
        value.parse_with("a string", |text| {
            match text.parse::<crate::host::Authority>() {
                Ok(crate::host::Authority {
                    host,
                    port: Some(port @ 1..),
                }) => Ok(Self(ServerAddr::Tcp {
                    tls: false,
                    host,
                    port,
                })),
                _ => Err(FORM),
            }
        })
    }
}

impl Read for HostName {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with("a string", |text| {
            let wildcard = "is a wildcard, which stands for no single name; write each name";
            text.parse().map_err(|_| {
                if text.contains('*') {
                    wildcard
                } else {
                    bad_host(text)
                }
            })
        })
    }
}

impl Read for HostPattern {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with("a string", |text| match text {
            "*" => Err("is not needed: a route without host serves every host; take it out"),
            _ => text.parse().map_err(|_| bad_host(text)),
        })
    }
}

/// The slips that are made with hosts.
fn bad_host(text: &str) -> &'static str {
    if text.contains("://") || text.contains('/') {
        "is a URL; write the host name alone"
    } else if text.parse::<std::net::Ipv6Addr>().is_ok() {
        "needs brackets around the address: \"[::1]\""
    } else if text.parse::<crate::host::Authority>().is_ok() {
        "has a port; write the host name alone, a route serves it on every listener"
    } else if text.contains('*') {
        "has a wildcard where none can be; only the first label of a route's host can be \"*\""
    } else if !text.is_ascii() {
        "is not ASCII; write the \"xn--\" form of the name"
    } else {
        "is not a host name or IP address"
    }
}

impl Read for PathPrefix {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with("a string", path)
    }
}

fn path(text: &str) -> Result<PathPrefix, String> {
    // No request has these in its path, so such a route would never be found.
    if let Some(c) = text
        .chars()
        .find(|c| matches!(c, '?' | '#' | ' ' | '<' | '>' | '"' | '`'))
    {
        return Err(format!(
            "has a {c:?}; paths have no query, and other characters are percent-encoded"
        ));
    }
    text.parse().map_err(|why| match why {
        BadPath::NotAbsolute => "does not begin with \"/\"".to_owned(),
        why => format!("is ambiguous: {why}"),
    })
}

impl Read for LocalUrl {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with("a string", |text| {
            text.parse().map_err(|why| match why {
                BadLocal::Path(_) if text.contains("://") || text.starts_with("//") => {
                    "leads to another host; write a path of this one, such as \"/admin.html\""
                        .to_owned()
                }
                BadLocal::Path(BadPath::NotAbsolute) => "does not begin with \"/\"".to_owned(),
                BadLocal::Path(why) => format!("is ambiguous: {why}"),
                why => why.to_string(),
            })
        })
    }
}

impl Read for Protocol {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.choose("protocol", &Self::NAMES)
    }
}

impl Read for Balance {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.choose("balance", &Self::NAMES)
    }
}

impl Read for LogFormat {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.choose("format", &Self::NAMES)
    }
}

impl Read for MinVersion {
    fn read(value: &Value<'_>) -> Option<Self> {
        const FORM: &str = "is no version that is served; write \"1.2\" or \"1.3\"";
        value.parse_with("\"1.2\" or \"1.3\" in quotes", |text| {
            Self::NAMES
                .iter()
                .find(|(name, _)| *name == text)
                .map(|(_, version)| *version)
                .ok_or(FORM)
        })
    }
}

impl Read for PathBuf {
    fn read(value: &Value<'_>) -> Option<Self> {
        match value.text("a string")? {
            "" => value.refuse("is empty; write the path of a file"),
            text if text.contains('\0') => {
                value.refuse(format!("{} has a NUL, which no path has", quoted(text)))
            }
            text => Some(Self::from(text)),
        }
    }
}

impl Read for Duration {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with("a duration such as \"10s\"", units::duration)
    }
}

/// A duration that cannot be nothing.
pub(super) struct Timeout(pub(super) Duration);

impl Read for Timeout {
    fn read(value: &Value<'_>) -> Option<Self> {
        let time = Duration::read(value)?;
        if time.is_zero() {
            value.refuse("must be longer than nothing")
        } else {
            Some(Self(time))
        }
    }
}

impl Read for Rate {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with("a rate such as \"2000/s\"", units::rate)
    }
}

/// A text that says something.
pub(super) struct NonEmpty(pub(super) String);

impl Read for NonEmpty {
    fn read(value: &Value<'_>) -> Option<Self> {
        match value.text("a string")? {
            "" => value.refuse("is empty"),
            text => Some(Self(text.to_owned())),
        }
    }
}

/// One of something, or a list of them.
pub(super) struct OneOrList<T>(pub(super) List<T>);

impl<T: Read> Read for OneOrList<T> {
    fn read(value: &Value<'_>) -> Option<Self> {
        if value.is_list() {
            return List::read(value).map(Self);
        }
        let one = T::read(value)?;
        Some(Self(vec![Some(Spanned {
            value: one,
            place: value.place().clone(),
        })]))
    }
}

/// A number of bytes.
pub(super) struct Size(pub(super) u64);

impl Read for Size {
    fn read(value: &Value<'_>) -> Option<Self> {
        let bytes = match value.integer() {
            Some(_) => value.integer_in(0, u64::MAX),
            None => value.parse_with("a size such as \"1MiB\"", units::size),
        };
        bytes.map(Self)
    }
}

/// A port that a client can be sent to.
pub(super) struct Port(pub(super) u16);

impl Read for Port {
    fn read(value: &Value<'_>) -> Option<Self> {
        value
            .integer_in(1, u16::MAX.into())
            .and_then(|port| u16::try_from(port).ok())
            .map(Self)
    }
}

/// A number of threads.
pub(super) struct Workers(pub(super) usize);

impl Read for Workers {
    fn read(value: &Value<'_>) -> Option<Self> {
        /// More than any machine has cores: a slip.
        const MOST: u64 = 1024;
        value
            .integer_in(0, MOST)
            .and_then(|workers| usize::try_from(workers).ok())
            .map(Self)
    }
}

impl Read for Authority {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with("a string", |text| {
            text.parse()
                .map_err(|_| "is not a host name, or one with \":port\"")
        })
    }
}

impl Read for RedirectSpec {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse("a string")
    }
}

/// A status that sends a client elsewhere.
pub(super) struct RedirectStatus(pub(super) StatusCode);

impl Read for RedirectStatus {
    fn read(value: &Value<'_>) -> Option<Self> {
        let number = value.integer_in(300, 399)?;
        match RedirectSpec::STATUSES
            .into_iter()
            .find(|status| u64::from(status.as_u16()) == number)
        {
            Some(status) => Some(Self(status)),
            None => {
                value.refuse("must be 301, 302, 307 or 308; the last two keep the method and body")
            }
        }
    }
}

/// The value of a header.
pub(super) struct HeaderText(pub(super) HeaderValue);

impl Read for HeaderText {
    fn read(value: &Value<'_>) -> Option<Self> {
        let text = |text: &str| {
            let trimmed = text.trim() == text;
            let visible = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
            let header = HeaderValue::try_from(text)
                .ok()
                .filter(|_| trimmed && visible);
            header.ok_or("is no header value: ASCII on one line, without spaces around it")
        };
        value.parse_with("a string", text).map(Self)
    }
}

/// The methods that the gateway passes on.
pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// One of them.
pub(super) struct Method(pub(super) &'static str);

impl Read for Method {
    fn read(value: &Value<'_>) -> Option<Self> {
        value
            .choose("method", &METHODS.map(|method| (method, method)))
            .map(Self)
    }
}

impl Read for Algorithm {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.choose("algorithm", &ALGORITHMS)
    }
}

/// How the conditions of a policy go together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Satisfy {
    Any,
    All,
}

impl Read for Satisfy {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.choose("satisfy", &[("any", Self::Any), ("all", Self::All)])
    }
}

impl Read for Source {
    fn read(value: &Value<'_>) -> Option<Self> {
        const FORM: &str = "is no place for a token; write \"header\", \"cookie:NAME\", \"query:NAME\" or \"subprotocol\"";
        let is_name = |name: &&str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        value.parse_with("a string", |text| match text.split_once(':') {
            None if text == "header" => Ok(Self::Header),
            None if text == "subprotocol" => Ok(Self::Subprotocol),
            Some(("cookie", name)) if is_name(&name) => Ok(Self::Cookie(name.into())),
            Some(("query", name)) if is_name(&name) => Ok(Self::Query(name.into())),
            _ => Err(FORM),
        })
    }
}

impl Read for Wanted {
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
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse("a string")
    }
}

/// Where keys are fetched: by TLS, or on this very machine.
pub(super) struct FetchUrl(pub(super) Box<str>);

impl Read for FetchUrl {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with("a URL", |text| fetch_url(text).map(Self))
    }
}

fn fetch_url(text: &str) -> Result<Box<str>, &'static str> {
    let uri: http::Uri = text
        .parse()
        .map_err(|_| "is not a URL, such as \"https://login.example.com/jwks.json\"")?;
    let host = uri
        .host()
        .ok_or("has no host; write a whole URL, \"https://login.example.com/jwks.json\"")?;
    let is_near = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match uri.scheme_str() {
        // What is put behind it would be part of the fragment, and not asked for.
        _ if text.contains('#') => Err("has a fragment, which no server is sent; take it out"),
        _ if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@')) =>
        {
            Err("has a password in it; keys are public, take it out")
        }
        Some("https") => Ok(text.into()),
        Some("http") if is_near => Ok(text.into()),
        Some("http") => Err("is not https: whoever is on the way could give other keys"),
        _ => Err("is not https"),
    }
}
