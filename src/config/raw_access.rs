//! Who may pass, as it is written: `[issuers.NAME]` and `[policies.NAME]`.

use std::path::PathBuf;
use std::time::Duration;

use super::keys::{self, Keys};
use super::problem::Spanned;
use super::read::{List, Read, Section, Table, Value};
use super::values::{FetchUrl, NonEmpty, Satisfy, Timeout};
use crate::addr::Network;
use crate::token::Algorithm;
use crate::token::claims::Wanted;
use crate::token::location::Source;

/// `[issuers.NAME]`.
pub(super) struct RawIssuer {
    pub(super) algorithms: Option<Spanned<List<Algorithm>>>,
    pub(super) key_file: Option<Spanned<PathBuf>>,
    pub(super) secret: Option<Spanned<NonEmpty>>,
    pub(super) secret_file: Option<Spanned<PathBuf>>,
    pub(super) secret_env: Option<Spanned<NonEmpty>>,
    pub(super) secret_base64: Option<Spanned<bool>>,
    pub(super) jwks_url: Option<Spanned<FetchUrl>>,
    pub(super) asap_url: Option<Spanned<FetchUrl>>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
    pub(super) issuer: Option<Spanned<NonEmpty>>,
    pub(super) audience: Option<Spanned<RawAudience>>,
    pub(super) sources: Option<Spanned<List<Source>>>,
    pub(super) leeway: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) revoked_file: Option<PathBuf>,
}

/// The keys that say where an issuer's keys come from.
pub(super) const KEY_SOURCES: [&str; 6] = [
    "key_file",
    "secret_file",
    "secret_env",
    "secret",
    "jwks_url",
    "asap_url",
];

impl Section for RawIssuer {
    const KEYS: &'static Keys = &keys::ISSUER;

    fn read(table: &Table<'_>) -> Self {
        if !KEY_SOURCES.iter().any(|key| table.has(key)) {
            let text = "missing; write where its public keys are: key_file, jwks_url or asap_url; for HS256, secret_file";
            table.missing("key_file", text);
        }
        let algorithms = "missing; write what its keys are used with, algorithms = [\"RS256\"]; it is never taken from a token";
        let audience = "missing; write for whom its tokens are, audience = [\"ianitor\"]; \"any\" if for everybody";
        Self {
            algorithms: table.require("algorithms", algorithms),
            key_file: table.get("key_file"),
            secret: table.get("secret"),
            secret_file: table.get("secret_file"),
            secret_env: table.get("secret_env"),
            secret_base64: table.get("secret_base64"),
            jwks_url: table.get("jwks_url"),
            asap_url: table.get("asap_url"),
            ca_file: table.get("ca_file"),
            issuer: table.get("issuer"),
            audience: table.require("audience", audience),
            sources: table.get("sources"),
            leeway: table.plain("leeway"),
            max_lifetime: table.plain("max_lifetime").map(|Timeout(time)| time),
            revoked_file: table.plain("revoked_file"),
        }
    }
}

/// `audience`: the word `any`, one audience or a list of them.
pub(super) enum RawAudience {
    Any,
    OneOf(List<String>),
}

impl Read for RawAudience {
    fn read(value: &Value<'_>) -> Option<Self> {
        if value.is_list() {
            return List::read(value).map(Self::OneOf);
        }
        let text = String::read(value)?;
        Some(match text.as_str() {
            "" => return value.refuse("is empty"),
            "any" => Self::Any,
            _ => Self::OneOf(vec![Some(Spanned {
                value: text,
                place: value.place().clone(),
            })]),
        })
    }
}

/// `[policies.NAME]`.
pub(super) struct RawPolicy {
    pub(super) allow: Option<Spanned<List<Network>>>,
    pub(super) deny: Option<Spanned<List<Network>>>,
    pub(super) issuers: Option<Spanned<List<String>>>,
    pub(super) claims: Option<Spanned<RawClaims>>,
    pub(super) satisfy: Option<Spanned<Satisfy>>,
    /// `true`: close.
    pub(super) on_expiry: Option<Spanned<OnExpiryWord>>,
    pub(super) expiry_grace: Option<Spanned<Duration>>,
}

impl Section for RawPolicy {
    const KEYS: &'static Keys = &keys::POLICY;

    fn read(table: &Table<'_>) -> Self {
        if !table.has("allow") && !table.has("issuers") {
            let text = "missing; write the networks that may pass, allow = [\"10.8.0.0/16\"], or whose tokens, \
                        issuers = [\"staff\"]";
            table.missing("allow", text);
        }
        Self {
            allow: table.get("allow"),
            deny: table.get("deny"),
            issuers: table.get("issuers"),
            claims: table.get("claims"),
            satisfy: table.get("satisfy"),
            on_expiry: table.get("on_expiry"),
            expiry_grace: table.get("expiry_grace"),
        }
    }
}

/// `on_expiry`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnExpiryWord {
    Close,
    Keep,
}

impl Read for OnExpiryWord {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.choose("on_expiry", &[("close", Self::Close), ("keep", Self::Keep)])
    }
}

/// `claims`: each claim with the values that it may have. A table in it is a claim that is an
/// object.
pub(super) struct RawClaims(pub(super) Vec<(String, Spanned<List<Wanted>>)>);

impl Read for RawClaims {
    fn read(value: &Value<'_>) -> Option<Self> {
        let mut all = Vec::new();
        gather(value, "", &mut all)?;
        Some(Self(all))
    }
}

fn gather(
    value: &Value<'_>,
    path: &str,
    all: &mut Vec<(String, Spanned<List<Wanted>>)>,
) -> Option<()> {
    for (name, member) in value.members()? {
        let path = if path.is_empty() {
            name
        } else {
            format!("{path}.{name}")
        };
        if member.is_table() {
            gather(&member, &path, all)?;
            continue;
        }
        let list = match member.is_list() {
            true => List::read(&member),
            false => Wanted::read(&member).map(|one| {
                vec![Some(Spanned {
                    value: one,
                    place: member.place().clone(),
                })]
            }),
        };
        if list.as_ref().is_some_and(Vec::is_empty) {
            return member.refuse(
                "an empty list is met by no token; write the values, or leave the claim out",
            );
        }
        all.push((
            path,
            Spanned {
                value: list?,
                place: member.place().clone(),
            },
        ));
    }
    Some(())
}
