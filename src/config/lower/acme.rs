//! `[acme]`: names of certificates, and whether their hosts can be validated.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::note_twice;
use super::secrets::{self, Sources};
use crate::acme::{AcmeSpec, CertSpec, ChallengeKind, ExternalAccount, KeyType};
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned};
use crate::config::read::{List, valid};
use crate::config::tables::{RawAcme, RawCert, RawExternal};
use crate::host::HostName;
use crate::store::Name;

/// The most hosts of a certificate, as with Let's Encrypt.
const MOST_HOSTS: usize = 100;

/// `[acme]`. `[[deploy]]` can refer to its certificates even if some are invalid.
pub(super) struct Acme {
    pub(super) spec: AcmeSpec,
    /// Whether every certificate is valid.
    pub(super) is_whole: bool,
}

pub(super) fn lower(raw: RawAcme, has_http: bool, folder: &Path, diag: &Diagnostics<'_>) -> Acme {
    let directory = raw.directory;
    let is_public = AcmeSpec::DIRECTORIES
        .iter()
        .any(|(_, url)| **url == *directory);
    let staging = raw.staging;
    let written = raw.certificates.as_ref().map_or(0, |list| list.value.len());
    let certificates = raw
        .certificates
        .map(|list| certificates(list, is_public, diag))
        .unwrap_or_default();
    let is_whole = certificates.len() == written && written > 0;
    let spec = AcmeSpec {
        directory,
        directory_ca: raw.directory_ca.map(|path| folder.join(path)),
        staging: staging.or_else(|| is_public.then(|| AcmeSpec::LETS_ENCRYPT_STAGING.into())),
        contact: valid(raw.contact)
            .into_iter()
            .map(|contact| contact.value)
            .collect(),
        external_account: raw
            .external_account
            .and_then(|raw| external_account(&raw, folder, diag)),
        challenges: challenges(raw.challenges, has_http, diag),
        store: folder.join(raw.store),
        placeholder: raw.placeholder,
        certificates,
    };
    Acme { spec, is_whole }
}

fn external_account(
    raw: &RawExternal,
    folder: &Path,
    diag: &Diagnostics<'_>,
) -> Option<ExternalAccount> {
    let from = Sources {
        file: raw.key_file.as_ref(),
        env: raw.key_env.as_ref(),
        inline: raw.key.as_ref(),
    };
    let key = secrets::source(&from, "HMAC key", folder, diag)?;
    Some(ExternalAccount {
        key_id: raw.key_id.as_deref()?.into(),
        key,
    })
}

/// `http-01` needs a plain listener.
fn challenges(
    raw: Option<Spanned<List<ChallengeKind>>>,
    has_http: bool,
    diag: &Diagnostics<'_>,
) -> Vec<ChallengeKind> {
    let Some(Spanned { value: list, place }) = raw else {
        let all = ChallengeKind::NAMES.map(|(_, kind)| kind);
        return all
            .into_iter()
            .filter(|kind| has_http || *kind != ChallengeKind::Http01)
            .collect();
    };
    if list.is_empty() {
        diag.problem(
            &place,
            "an empty list proves no name; write [\"tls-alpn-01\", \"http-01\"], or leave it out",
        );
    }
    let is_whole = list.iter().all(Option::is_some);
    let list = valid(list);
    for (at, one) in list.iter().enumerate() {
        if list[..at].iter().any(|first| first.value == one.value) {
            diag.problem(
                &one.place,
                format!("{} is in the list already; take one out", one.value.name()),
            );
        } else if one.value == ChallengeKind::Http01 && !has_http {
            note_no_http(&one.place, list.len() == 1 && is_whole, diag);
        }
    }
    list.into_iter().map(|one| one.value).collect()
}

fn note_no_http(place: &Place, is_only: bool, diag: &Diagnostics<'_>) {
    let text = "http-01 needs a plain listener, and there is none; write http = [\"[::]:80\"] \
     under [listen]";
    match is_only {
        true => diag.problem(place, format!("{text}, or take tls-alpn-01")),
        false => diag.warning(place, format!("{text}, or take it out")),
    }
}

fn certificates(
    raw: Spanned<List<RawCert>>,
    is_public: bool,
    diag: &Diagnostics<'_>,
) -> Vec<Arc<CertSpec>> {
    if raw.value.is_empty() {
        diag.problem(
            &raw.place,
            "is empty; write what to order, [{ hosts = [\"media.example.com\"] }]",
        );
    }
    let mut known: Vec<(Arc<CertSpec>, Place)> = Vec::new();
    for Spanned { value, place } in valid(raw.value) {
        let Some(cert) = certificate(value, &place.key, is_public, diag) else {
            continue;
        };
        if let Some((first, at)) = known.iter().find(|(first, _)| first.name == cert.name) {
            let (name, key, line) = (&cert.name, &first.config_key, diag.line(at));
            let text = format!(
                "{name} is what {key} is called ({line}); begin with another host, or join \
                 the two"
            );
            diag.problem(&place, text);
        } else if let Some((first, at)) = known.iter().find(|(first, _)| is_as_good(first, &cert)) {
            let (key, line) = (&first.config_key, diag.line(at));
            let text = format!("has the hosts and the key type of {key} ({line}) in another order");
            diag.warning(
                &place,
                format!(
                    "{text}: that costs orders, which the CA counts, and has no use; remove \
                 one"
                ),
            );
        }
        known.push((Arc::new(cert), place));
    }
    known.into_iter().map(|(cert, _)| cert).collect()
}

/// Whether two entries order the same certificate.
fn is_as_good(one: &CertSpec, other: &CertSpec) -> bool {
    let set = |cert: &CertSpec| {
        cert.hosts
            .iter()
            .map(|host| host.as_str().to_owned())
            .collect::<BTreeSet<_>>()
    };
    one.key_type == other.key_type && set(one) == set(other)
}

fn certificate(
    raw: RawCert,
    config_key: &str,
    is_public: bool,
    diag: &Diagnostics<'_>,
) -> Option<CertSpec> {
    let hosts = hosts(raw.hosts?, is_public, diag)?;
    Some(CertSpec {
        name: name(hosts.first()?, raw.key_type)?,
        hosts,
        key_type: raw.key_type,
        profile: raw.profile.map(|profile| profile.into()),
        config_key: config_key.to_owned(),
    })
}

fn name(first: &HostName, key_type: KeyType) -> Option<Name> {
    let kind = if key_type == KeyType::default() {
        String::new()
    } else {
        format!(".{}", key_type.name())
    };
    format!("{first}{kind}").parse().ok()
}

/// `None` with a problem if one is invalid.
fn hosts(
    list: Spanned<List<HostName>>,
    is_public: bool,
    diag: &Diagnostics<'_>,
) -> Option<Vec<HostName>> {
    if list.value.is_empty() {
        diag.problem(
            &list.place,
            "is empty; write the names, [\"media.example.com\"]",
        );
    }
    if list.value.len() > MOST_HOSTS {
        let text = format!(
            "has {} hosts, and CAs take {MOST_HOSTS}; make several certificates",
            list.value.len()
        );
        diag.problem(&list.place, text);
    }
    let is_whole = list.value.iter().all(Option::is_some);
    let hosts: Vec<Spanned<HostName>> = valid(list.value);
    note_twice(&hosts, diag);
    for host in hosts
        .iter()
        .filter(|host| is_public && is_private(&host.value))
    {
        let text = "is no name of the public DNS, and Let's Encrypt gives certificates for no \
         other; write tls.self_signed";
        diag.warning(
            &host.place,
            format!(
                "{} {text}, or the directory of a CA of your own",
                host.value
            ),
        );
    }
    is_whole.then(|| hosts.into_iter().map(|host| host.value).collect())
}

/// Names that are never in the public DNS (RFC 6761, RFC 6762, RFC 9476 and what ICANN has set
/// aside).
fn is_private(host: &HostName) -> bool {
    let last = host.as_str().rsplit('.').next().unwrap_or_default();
    !host.as_str().contains('.')
        || matches!(
            last,
            "localhost" | "local" | "internal" | "test" | "invalid" | "example"
        )
}
