//! CAs: their directories, contacts, and the hosts of certificates.

use super::path::one_or_list;
use super::{STRING, quoted};
use crate::acme::AcmeSpec;
use crate::config::read::{List, Read, Value, Write};
use crate::config::schema::{Form, Kind};
use crate::config::suggest;
use crate::host::HostName;

/// The URL of a CA's directory.
pub(in crate::config) struct DirectoryUrl;

impl Read for DirectoryUrl {
    type Out = Box<str>;
    const FORM: Form = Form::One(&Kind {
        name: "directory of a CA",
        expected: STRING,
        text: "`\"letsencrypt\"`, `\"letsencrypt-staging\"` (for trials: browsers do not trust it; \
               its limits are generous), or the URL of any other: `https://…`; `http://` only on \
               this very machine.",
        good: &[
            "\"letsencrypt\"",
            "\"https://ca.internal/acme/directory\"",
            "\"http://127.0.0.1:14000/dir\"",
        ],
        bad: (
            "\"http://ca.internal/directory\"",
            "\"http://ca.internal/directory\" is not https: anyone on the network path could \
             impersonate the CA",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Box<str>> {
        // The text is not cited, for that would show the password.
        if value.text(STRING)?.contains('@') {
            return value.refuse("has a password in it; write the URL alone");
        }
        value.parse_with(STRING, directory)
    }
}

impl Write for DirectoryUrl {
    type Plain = Box<str>;

    fn write(value: &Box<str>) -> String {
        let known = AcmeSpec::DIRECTORIES
            .iter()
            .find(|(_, url)| *url == &**value);
        quoted(known.map_or(&**value, |(name, _)| name))
    }
}

fn directory(text: &str) -> Result<Box<str>, String> {
    if let Some((_, url)) = AcmeSpec::DIRECTORIES.iter().find(|(name, _)| *name == text) {
        return Ok((*url).into());
    }
    let names = AcmeSpec::DIRECTORIES.map(|(name, _)| name);
    if let Some(meant) = suggest::nearest(text, &names) {
        return Err(format!(
            "is no directory that has a name, did you mean \"{meant}\"?"
        ));
    }
    let uri = text.parse::<http::Uri>().ok();
    let parts = uri
        .as_ref()
        .and_then(|uri| Some((uri.host()?, uri.scheme_str()?)));
    let Some((host, scheme)) = parts else {
        let known = names.map(quoted).join(", ");
        return Err(format!(
            "is no directory; write {known} or its URL, \"https://ca.internal/acme/directory\""
        ));
    };
    match scheme {
        _ if text.contains('#') => {
            Err("has a fragment, which no server is sent; take it out".to_owned())
        }
        "https" => Ok(text.into()),
        "http" if is_near(host) => Ok(text.into()),
        _ => Err("is not https: anyone on the network path could impersonate the CA".to_owned()),
    }
}

/// Whether a host is this very machine.
pub(super) fn is_near(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse();
    host == "localhost" || address.is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Whom the CA may write to: one or several `mailto:` URLs.
pub(in crate::config) struct Contacts;

impl Read for Contacts {
    type Out = List<String>;
    const FORM: Form = Contact::FORM;
    const OR_LIST: bool = true;

    fn read(value: &Value<'_>) -> Option<List<String>> {
        one_or_list::<Contact>(value)
    }
}

/// One of them: one address, no headers (RFC 8555, section 7.3).
struct Contact;

impl Read for Contact {
    type Out = String;
    const FORM: Form = Form::One(&Kind {
        name: "mail address",
        expected: STRING,
        text: "One or a list of them, with or without `mailto:`.",
        good: &[
            "\"mailto:ops@example.com\"",
            "[\"ops@example.com\", \"mailto:tls@example.com\"]",
        ],
        bad: (
            "\"ops\"",
            "\"ops\" is no mail address, such as \"mailto:ops@example.com\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<String> {
        value.parse_with(STRING, |text| {
            let address = text.strip_prefix("mailto:").unwrap_or(text);
            match address.split_once('@').is_some_and(is_address) {
                true => Ok(format!("mailto:{address}")),
                false => Err("is no mail address, such as \"mailto:ops@example.com\""),
            }
        })
    }
}

fn is_address((user, domain): (&str, &str)) -> bool {
    let is_plain =
        |c: char| c.is_ascii_graphic() && !matches!(c, '?' | ',' | ':' | '@' | '<' | '>' | '"');
    !user.is_empty() && user.chars().all(is_plain) && domain.parse::<HostName>().is_ok()
}

/// A name that a CA can be asked for.
pub(in crate::config) struct CertHost;

impl Read for CertHost {
    type Out = HostName;
    const FORM: Form = Form::One(&Kind {
        name: "host of a certificate",
        expected: STRING,
        text: "A DNS name. Addresses are rejected, and so are wildcards: they need the DNS-01 \
               challenge.",
        good: &["\"media.example.com\""],
        bad: (
            "\"*.example.com\"",
            "\"*.example.com\" needs the DNS-01 challenge, which ianitor does not speak; name the \
             hosts one by one",
        ),
    });

    fn read(value: &Value<'_>) -> Option<HostName> {
        const WILDCARD: &str =
            "needs the DNS-01 challenge, which ianitor does not speak; name the hosts one by one";
        if value.text(STRING)?.starts_with("*.") {
            return value.parse_with(STRING, |_| Err::<HostName, _>(WILDCARD));
        }
        let host = HostName::read(value)?;
        if host.ip().is_some() {
            return value.refuse(format!(
                "{host} is an address, and certificates are ordered for names; write the name"
            ));
        }
        if host.as_str().contains('_') {
            return value.refuse(format!(
                "{host} has an underscore, which CAs do not take; name the host otherwise"
            ));
        }
        Some(host)
    }
}

/// A host of one of `acme.certificates`.
pub(in crate::config) struct OrderedHost;

impl Read for OrderedHost {
    type Out = HostName;
    const FORM: Form = Form::One(&Kind {
        name: "host that is ordered",
        expected: STRING,
        text: "A host of one of `acme.certificates`.",
        good: &[],
        bad: (
            "\"https://a.example/\"",
            "\"https://a.example/\" is a URL; write the host name alone, \"a.example\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<HostName> {
        HostName::read(value)
    }
}
