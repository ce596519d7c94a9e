//! Certificates from a CA as they are written: `[acme]`.

use std::path::PathBuf;

use super::keys::{self, Keys};
use super::problem::Spanned;
use super::read::{List, Read, Section, Table, Value};
use super::suggest;
use super::values::{NonEmpty, OneOrList};
use crate::acme::{AcmeSpec, ChallengeKind, KeyType};
use crate::host::HostName;

/// `[acme]`.
pub(super) struct RawAcme {
    pub(super) directory: Option<DirectoryUrl>,
    pub(super) directory_ca: Option<PathBuf>,
    pub(super) staging: Option<DirectoryUrl>,
    pub(super) contact: Option<OneOrList<Contact>>,
    pub(super) external_account: Option<RawExternal>,
    pub(super) challenges: Option<Spanned<List<ChallengeKind>>>,
    pub(super) store: Option<PathBuf>,
    pub(super) placeholder: bool,
    pub(super) certificates: Option<Spanned<List<RawCert>>>,
}

impl Section for RawAcme {
    const KEYS: &'static Keys = &keys::ACME;

    fn read(table: &Table<'_>) -> Self {
        let certificates =
            "missing; write what to order, certificates = [{ hosts = [\"media.example.com\"] }]";
        Self {
            directory: table.plain("directory"),
            directory_ca: table.plain("directory_ca"),
            staging: table.plain("staging"),
            contact: table.plain("contact"),
            external_account: table.plain("external_account"),
            challenges: table.get("challenges"),
            store: table.plain("store"),
            placeholder: table.plain("placeholder").unwrap_or_default(),
            certificates: table.require("certificates", certificates),
        }
    }
}

/// `[acme.external_account]`.
pub(super) struct RawExternal {
    pub(super) key_id: Option<NonEmpty>,
    pub(super) key_file: Option<Spanned<PathBuf>>,
    pub(super) key_env: Option<Spanned<NonEmpty>>,
    pub(super) key: Option<Spanned<NonEmpty>>,
}

impl Section for RawExternal {
    const KEYS: &'static Keys = &keys::EXTERNAL_ACCOUNT;

    fn read(table: &Table<'_>) -> Self {
        if !["key_file", "key_env", "key"]
            .iter()
            .any(|key| table.has(key))
        {
            let text = "missing; write the file that has the HMAC key that the CA gave you, key_file = \"secrets/eab\"";
            table.missing("key_file", text);
        }
        let key_id: Option<Spanned<NonEmpty>> =
            table.require("key_id", "missing; write the key id that the CA gave you");
        Self {
            key_id: key_id.map(|id| id.value),
            key_file: table.get("key_file"),
            key_env: table.get("key_env"),
            key: table.get("key"),
        }
    }
}

/// One of `acme.certificates`.
pub(super) struct RawCert {
    pub(super) hosts: Option<Spanned<List<CertHost>>>,
    pub(super) key_type: KeyType,
    pub(super) profile: Option<NonEmpty>,
}

impl Section for RawCert {
    const KEYS: &'static Keys = &keys::CERTIFICATE;

    fn read(table: &Table<'_>) -> Self {
        Self {
            hosts: table.require(
                "hosts",
                "missing; write the names, hosts = [\"media.example.com\"]",
            ),
            key_type: table.plain("key_type").unwrap_or_default(),
            profile: table.plain("profile"),
        }
    }
}

impl Read for ChallengeKind {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.choose("challenge", &Self::NAMES)
    }
}

impl Read for KeyType {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.choose("key_type", &Self::NAMES)
    }
}

/// The URL of a CA's directory.
pub(super) struct DirectoryUrl(pub(super) Box<str>);

impl Read for DirectoryUrl {
    fn read(value: &Value<'_>) -> Option<Self> {
        // Not cited: what was to be kept would be shown.
        if value.text("a string")?.contains('@') {
            return value.refuse("has a password in it; write the URL alone");
        }
        value.parse_with("a string", |text| directory(text).map(Self))
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
    let uri: Option<http::Uri> = text
        .parse()
        .ok()
        .filter(|uri: &http::Uri| uri.host().is_some());
    let Some((uri, scheme)) = uri.as_ref().and_then(|uri| Some((uri, uri.scheme_str()?))) else {
        let known = names.map(|name| format!("\"{name}\"")).join(", ");
        return Err(format!(
            "is no directory; write {known} or its URL, \"https://ca.internal/acme/directory\""
        ));
    };
    match scheme {
        _ if text.contains('#') => {
            Err("has a fragment, which no server is sent; take it out".to_owned())
        }
        "https" => Ok(text.into()),
        "http" if is_near(uri.host().unwrap_or_default()) => Ok(text.into()),
        _ => Err("is not https: whoever is on the way could play the CA".to_owned()),
    }
}

/// Whether it is on this very machine.
fn is_near(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse();
    host == "localhost" || address.is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Whom the CA may write to, as a `mailto:` URL. One address, no headers (RFC 8555, section 7.3).
pub(super) struct Contact(pub(super) String);

impl Read for Contact {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with("a string", |text| {
            let address = text.strip_prefix("mailto:").unwrap_or(text);
            let is_address = |(user, domain): (&str, &str)| {
                let is_plain = |c: char| {
                    c.is_ascii_graphic() && !matches!(c, '?' | ',' | ':' | '@' | '<' | '>' | '"')
                };
                !user.is_empty() && user.chars().all(is_plain) && domain.parse::<HostName>().is_ok()
            };
            match address.split_once('@').is_some_and(is_address) {
                true => Ok(Self(format!("mailto:{address}"))),
                false => Err("is no mail address, such as \"mailto:ops@example.com\""),
            }
        })
    }
}

/// A name that a CA can be asked for.
pub(super) struct CertHost(pub(super) HostName);

impl Read for CertHost {
    fn read(value: &Value<'_>) -> Option<Self> {
        const WILDCARD: &str =
            "needs the DNS-01 challenge, which ianitor does not speak; name the hosts one by one";
        if value.text("a string")?.starts_with("*.") {
            return value.parse_with("a string", |_| Err::<Self, _>(WILDCARD));
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
        Some(Self(host))
    }
}
