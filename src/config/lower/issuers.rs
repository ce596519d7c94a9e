//! `[issuers]`: rules about several of their keys.

use std::path::Path;
use std::sync::Arc;

use super::{note_empty, note_twice};
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::Spanned;
use crate::config::read::{List, Named, valid};
use crate::config::tables::{RawIssuer, default_sources};
use crate::config::values::RawAudience;
use crate::secret::{Secret, SecretSource};
use crate::token::Algorithm;
use crate::token::issuer::{Audience, IssuerSpec, KeyEndpoint, KeySource};
use crate::token::location::Source;

/// An entry of `[issuers]`. Policies can refer to it even if it is invalid.
pub(super) struct NamedIssuer {
    pub(super) name: Spanned<String>,
    pub(super) spec: Option<Arc<IssuerSpec>>,
}

pub(super) fn lower(
    raw: Named<RawIssuer>,
    folder: &Path,
    diag: &Diagnostics<'_>,
) -> Vec<NamedIssuer> {
    let issuer = |(name, raw): (Spanned<String>, Option<RawIssuer>)| {
        let spec = raw
            .and_then(|raw| issuer(&name.value, raw, folder, diag))
            .map(Arc::new);
        NamedIssuer { name, spec }
    };
    raw.into_iter().map(issuer).collect()
}

fn issuer(name: &str, raw: RawIssuer, folder: &Path, diag: &Diagnostics<'_>) -> Option<IssuerSpec> {
    let keys = key_source(&raw, folder, diag);
    let algorithms = raw
        .algorithms
        .map(|list| algorithms(list, keys.as_ref(), diag));
    let audience = raw.audience.map(|audience| match audience.value {
        RawAudience::Any => Audience::Any,
        RawAudience::OneOf(list) => {
            note_empty(
                &list,
                &audience.place,
                "would take no token; write the audience, or \"any\"",
                diag,
            );
            let list = valid(list);
            note_twice(&list, diag);
            Audience::OneOf(list.into_iter().map(|one| one.value.into()).collect())
        }
    });
    let sources: Vec<Source> = match raw.sources {
        None => default_sources(),
        Some(list) => {
            note_empty(
                &list.value,
                &list.place,
                "would find no token; write \"header\", or leave it out",
                diag,
            );
            valid(list.value)
                .into_iter()
                .map(|source| source.value)
                .collect()
        }
    };
    Some(IssuerSpec {
        name: name.into(),
        algorithms: algorithms?.into(),
        keys: keys?,
        issuers: raw.issuer.map(|issuer| {
            let list = valid(issuer.value);
            note_twice(&list, diag);
            list.into_iter().map(|one| one.value.into()).collect()
        }),
        audience: audience?,
        sources: sources.into(),
        leeway: raw.leeway,
        max_lifetime: raw.max_lifetime,
        revoked_file: raw.revoked_file.map(|path| folder.join(path)),
    })
}

/// The source of the keys; `None` with a problem if it is missing or invalid. Of several sources,
/// which is a problem too, the first.
fn key_source(raw: &RawIssuer, folder: &Path, diag: &Diagnostics<'_>) -> Option<KeySource> {
    let ca_file = raw.ca_file.as_ref().map(|path| folder.join(&path.value));
    let place = |url: &str| KeyEndpoint {
        url: url.into(),
        ca_file: ca_file.clone(),
    };
    let base64 = raw.secret_base64.as_ref().is_some_and(|said| said.value);
    let secret = |from| KeySource::Secret { from, base64 };
    let all = [
        raw.key_file
            .as_ref()
            .map(|path| (&path.place, KeySource::File(folder.join(&path.value)))),
        raw.secret_file.as_ref().map(|path| {
            (
                &path.place,
                secret(SecretSource::File(folder.join(&path.value))),
            )
        }),
        raw.secret_env.as_ref().map(|name| {
            (
                &name.place,
                secret(SecretSource::Env(name.value.as_str().into())),
            )
        }),
        raw.secret.as_ref().map(|text| {
            (
                &text.place,
                secret(SecretSource::Inline(Secret::new(
                    text.value.as_str().into(),
                ))),
            )
        }),
        raw.jwks_url
            .as_ref()
            .map(|url| (&url.place, KeySource::Jwks(place(&url.value)))),
        raw.asap_url
            .as_ref()
            .map(|url| (&url.place, KeySource::Asap(place(&url.value)))),
    ];
    let mut all = all.into_iter().flatten();
    let (first, source) = all.next()?;
    for (other, _) in all {
        let text = format!(
            "its keys come from one place, and {} says another; take one out",
            first.key
        );
        diag.problem(other, text);
    }
    if let (Some(said), false) = (
        &raw.secret_base64,
        matches!(source, KeySource::Secret { .. }),
    ) {
        diag.problem(
            &said.place,
            "is about a secret, and this issuer has none; take it out",
        );
    }
    if let (Some(ca), false) = (
        &raw.ca_file,
        matches!(source, KeySource::Jwks(_) | KeySource::Asap(_)),
    ) {
        diag.problem(&ca.place, "is about jwks_url and asap_url; take it out");
    }
    Some(source)
}

/// Checks that the algorithms fit the keys: HS256 and the like are for secrets, the others for
/// public keys.
fn algorithms(
    list: Spanned<List<Algorithm>>,
    keys: Option<&KeySource>,
    diag: &Diagnostics<'_>,
) -> Vec<Algorithm> {
    note_empty(
        &list.value,
        &list.place,
        "would take no token; write algorithms = [\"RS256\"]",
        diag,
    );
    let list = valid(list.value);
    let is_hmac =
        |one: &Algorithm| matches!(one, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
    for (at, one) in list.iter().enumerate() {
        let text = match keys {
            _ if list[..at].iter().any(|first| first.value == one.value) => {
                "is in the list already; take one out"
            }
            Some(KeySource::Secret { .. }) if !is_hmac(&one.value) => {
                "needs a public key, and this issuer has a secret; write key_file or jwks_url, \
                 or HS256"
            }
            Some(KeySource::Jwks(_) | KeySource::Asap(_)) if is_hmac(&one.value) => {
                "needs a secret, and what is published is none; write secret_file, or RS256"
            }
            _ => continue,
        };
        diag.problem(&one.place, format!("{:?} {text}", one.value));
    }
    list.into_iter().map(|one| one.value).collect()
}
