//! `client_certificate` of `[policies]`, and `client_ca` and `client_crl` of `[tls]`.

use std::path::{Path, PathBuf};

use http::HeaderName;

use super::note_empty;
use super::note_twice;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned, quoted};
use crate::config::read::{List, Named, valid};
use crate::config::tables::{RawClientCertificate, RawTls};
use crate::policy::{CertificateField, CertificateRule, OnExpiry};
use crate::route::edits::{Direction, reserved};
use crate::tls::ClientAuthSpec;

/// The rule of a policy.
pub(super) fn rule(raw: RawClientCertificate, diag: &Diagnostics<'_>) -> CertificateRule {
    CertificateRule {
        subjects: patterns(raw.subject, diag),
        names: patterns(raw.san, diag),
        headers: headers(raw.headers, diag),
        // What the policy says is put here when it is known.
        on_expiry: OnExpiry::Keep,
    }
}

fn patterns<T: Eq + std::hash::Hash + std::fmt::Display>(
    list: Option<Spanned<List<T>>>,
    diag: &Diagnostics<'_>,
) -> Box<[T]> {
    let Some(list) = list else {
        return Box::default();
    };
    let text = "admits no certificate; leave it out to admit any that client_ca has signed";
    note_empty(&list.value, &list.place, text, diag);
    let list = valid(list.value);
    note_twice(&list, diag);
    list.into_iter().map(|pattern| pattern.value).collect()
}

fn headers(
    named: Named<CertificateField>,
    diag: &Diagnostics<'_>,
) -> Box<[(HeaderName, CertificateField)]> {
    let of = |(name, field): (Spanned<String>, Option<CertificateField>)| {
        // What is no name is reported where the table is read.
        let found = HeaderName::try_from(&*name.value).ok()?;
        if let Some(why) = reserved(&found, Direction::Request) {
            let text = format!("{} {why}; take it out", quoted(&name.value));
            diag.problem(&name.place, text);
        }
        Some((found, field?))
    };
    named.into_iter().filter_map(of).collect()
}

/// The files of `[tls]`.
pub(super) fn files(raw: &RawTls, folder: &Path, diag: &Diagnostics<'_>) -> Option<ClientAuthSpec> {
    if let (Some(crl), None, false) = (&raw.client_crl, &raw.client_ca, raw.client_ca_is_written) {
        let text = "is about certificates of clients, and there is no client_ca; write that, or \
                    take this out";
        diag.problem(&crl.place, text);
    }
    let path = |path: &Spanned<PathBuf>| folder.join(&path.value);
    Some(ClientAuthSpec {
        ca: path(raw.client_ca.as_ref()?),
        crl: raw.client_crl.as_ref().map(path),
    })
}

/// What `[tls]` and `[listen]` say of certificates of clients.
pub(super) struct Files {
    /// Where `client_ca` is written, if it is.
    pub(super) ca: Option<Place>,
    /// Whether it is written and wrong.
    pub(super) is_wrong: bool,
    /// Whether there is a TLS listener.
    pub(super) has_https: bool,
}

impl Files {
    pub(super) fn of(raw: Option<&RawTls>, has_https: bool) -> Self {
        let ca = raw.and_then(|raw| raw.client_ca.as_ref());
        Self {
            ca: ca.map(|ca| ca.place.clone()),
            is_wrong: ca.is_none() && raw.is_none_or(|raw| raw.client_ca_is_written),
            has_https,
        }
    }

    /// Reports policies whose certificates nothing can verify, and files that no policy uses.
    /// `policies` are the places of `client_certificate`.
    pub(super) fn note<'p>(
        &self,
        policies: impl Iterator<Item = &'p Place>,
        diag: &Diagnostics<'_>,
    ) {
        let mut policies = policies.peekable();
        if let (Some(ca), None) = (&self.ca, policies.peek()) {
            let text = "no policy has client_certificate, so that clients are not asked for one";
            diag.warning(ca, text);
        }
        for (at, place) in policies.enumerate() {
            if at == 0 && self.ca.is_none() && !self.is_wrong {
                let text = "there is no tls.client_ca, by which certificates are verified; write \
                            client_ca = \"ca.pem\" in [tls]";
                diag.problem(place, text);
            }
            if !self.has_https {
                let text = "listen.https has no address, so that no client can show a certificate";
                diag.problem(place, text);
            }
        }
    }
}
