//! From tables to specifications: resolves names, compares entries, and checks every rule that
//! needs more than one key.

mod acme;
mod answers;
mod backup;
mod bridges;
mod certificate;
mod claims;
mod control;
mod defaults;
mod deploy;
mod files;
mod issuers;
mod jitsi;
mod judged;
mod listen;
mod login;
mod messages;
mod names;
mod passthrough;
mod policies;
mod probes;
mod reach;
mod renewal;
mod routes;
mod satisfy;
mod secrets;
mod targets;
mod tenants;
mod turn;
mod upstreams;

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::path::Path;
use std::sync::Arc;

use super::Config;
use super::diagnostics::Diagnostics;
use super::everybody;
use super::problem::{Place, Spanned};
use super::read::{List, valid};
use super::sources::Sources;
use super::tables::RawRoute;
use super::tables::{Raw, RawListen, RawPair, RawPassthrough, RawTls};
use super::values::SocketPath;
use crate::acme::CertSpec;
use crate::addr::{ListenAddr, Network, NetworkSet};
use crate::control::ControlSpec;
use crate::host::{HostName, HostPattern};
use crate::listen::ListenSpec;
use crate::route::RouteTable;
use crate::route::passthrough::Passthrough;
use crate::telemetry::LogSpec;
use crate::tls::{OrderedSpec, PairSpec, TlsSpec};
use acme::Acme;
use names::Context;
use upstreams::Upstream;

/// `None` with a problem if a part is missing. The result is valid only if there is no problem at
/// all: lists may lack invalid elements.
pub(super) fn lower(raw: Raw, sources: &Sources, diag: &Diagnostics<'_>) -> Option<Config> {
    let file = &*sources.first().name;
    let included = sources.included().iter();
    let folder = file.parent().unwrap_or(Path::new(""));
    note_included_twice(&raw.include, diag);
    let has_http = raw.listen.as_ref().is_none_or(has_http);
    let control = lower_control(raw.listen.as_ref().and_then(|l| l.control.as_ref()), folder);
    let listen = raw.listen.map(|listen| lower_listen(listen, diag));
    let has_https = listen
        .as_ref()
        .is_none_or(|listen| !listen.https.is_empty() || listen.plain.is_empty());
    let acme = raw.acme.map(|raw| acme::lower(raw, has_http, folder, diag));
    let acme = raw.acme_is_written.then_some(acme);
    let client_auth = certificate::Files::of(raw.tls.as_ref(), has_https);
    let tls = raw
        .tls
        .map(|tls| lower_tls(tls, acme.as_ref(), has_https, folder, diag));
    let deploy = deploy::lower(
        raw.deploy,
        &deploy::Context {
            acme: acme.as_ref(),
            folder,
        },
        diag,
    );
    note_passed_over(&raw.routes, &raw.passthrough, diag);
    passthrough::note_unreached(&raw.passthrough, has_https, diag);
    let passthrough = lower_passthrough(raw.passthrough, diag);
    let upstreams = upstreams::lower(raw.upstreams, &raw.routes, folder, diag);
    let issuers = issuers::lower(raw.issuers, folder, diag);
    let policies = policies::lower(raw.policies, &issuers, folder, diag);
    client_auth.note(policies::certificates(&policies), diag);
    let turns = turn::lower(raw.turn, folder, diag);
    let body_limit = raw.limits.as_ref().map_or(0, |limits| limits.body);
    let takes_any_host = listen.as_ref().is_some_and(|it| !it.plain.is_empty())
        || tls.as_ref().is_some_and(|tls| tls.default);
    let context = Context {
        takes_any_host,
        upstreams: &upstreams,
        policies: &policies,
        turns: &turns,
        defaults: raw.defaults.as_ref(),
        body_limit,
        folder,
    };
    let routes = routes::lower(raw.routes, &context, diag);
    let mut upstreams: Option<Vec<_>> = upstreams.into_iter().map(Upstream::spec).collect();
    if let Some(upstreams) = &mut upstreams {
        upstreams.extend(policies::services(&policies));
    }
    let issuers: Option<Vec<_>> = issuers.into_iter().map(|issuer| issuer.spec).collect();
    let routes = Arc::new(RouteTable::new(routes?, upstreams?));
    let ports = listen.as_ref().map_or(&[][..], |listen| &listen.https);
    login::note_loops(policies::logins(&policies), &routes, ports, diag);
    let policies: Option<Vec<_>> = policies.into_iter().map(|policy| policy.policy).collect();
    let turns: Option<Vec<_>> = turns.into_iter().map(|turn| turn.spec).collect();
    Some(Config {
        file: file.to_owned(),
        included: included.map(|source| source.name.to_path_buf()).collect(),
        listen: listen?,
        control,
        log: raw.log.map(|log| lower_log(log, folder))?,
        is_watched: raw.reload?.watch,
        limits: raw.limits?,
        tls: tls?,
        routes,
        passthrough: passthrough?,
        issuers: issuers?,
        policies: policies?,
        turns: turns?,
        acme: acme.flatten().map(|acme| acme.spec),
        deploy: deploy?,
    })
}

/// Reports a pattern that a file has twice. Two files may have the same one, for different folders.
fn note_included_twice(patterns: &List<String>, diag: &Diagnostics<'_>) {
    let all: Vec<&Spanned<String>> = patterns.iter().flatten().collect();
    for (at, later) in all.iter().enumerate() {
        let mut before = all[..at].iter();
        if before
            .any(|first| first.value == later.value && diag.is_one_file(&first.place, &later.place))
        {
            let text = format!("{:?} is in the list already; take one out", later.value);
            diag.problem(&later.place, text);
        }
    }
}

/// Whether there is a plain listener, valid or not.
fn has_http(listen: &RawListen) -> bool {
    listen.http_is_written && listen.http.as_ref().is_none_or(|list| !list.is_empty())
}

fn lower_listen(raw: RawListen, diag: &Diagnostics<'_>) -> ListenSpec {
    if let (Some(header), []) = (&raw.client_address_header, &*raw.trusted_proxies) {
        diag.warning(
            &header.place,
            "is believed from trusted_proxies alone, of which there are none",
        );
    }
    let https = raw.https.map(valid).unwrap_or_default();
    let http = raw.http.map(valid).unwrap_or_default();
    let plain = raw.plain.map(valid).unwrap_or_default();
    let all = https.iter().chain(&http).chain(&plain).chain(&raw.status);
    let all: Vec<&Spanned<ListenAddr>> = all.collect();
    for (at, later) in all.iter().enumerate() {
        let Some(first) = all[..at]
            .iter()
            .find(|first| first.value.overlaps(later.value))
        else {
            continue;
        };
        let line = diag.line(&first.place);
        let text = match first.value == later.value {
            true => format!(
                "{} is already in {} ({line}); take one out",
                later.value, first.place.key
            ),
            false => format!(
                "{} and {} in {} ({line}) would take each other's connections; take one out",
                later.value, first.value, first.place.key
            ),
        };
        diag.problem(&later.place, text);
    }
    let addresses =
        |list: Vec<Spanned<ListenAddr>>| list.into_iter().map(|placed| placed.value).collect();
    let balancers = lower_believed(valid(raw.proxy_protocol), diag);
    let trusted = lower_believed(valid(raw.trusted_proxies), diag);
    let for_everybody = raw.plain_for_everybody.as_ref();
    listen::note_plain(&plain, for_everybody, &[&balancers, &trusted], diag);
    ListenSpec {
        https: addresses(https),
        http: addresses(http),
        plain: addresses(plain),
        plain_for_everybody: raw.plain_for_everybody.is_some_and(|said| said.value),
        status_hosts: lower_status_hosts(raw.status_hosts, raw.status.is_some(), diag),
        status: raw.status.map(|placed| placed.value),
        public_port: raw.public_port,
        workers: raw.workers,
        health_path: raw.health_path.map(|path| listen::health_path(&path, diag)),
        freebind: raw.freebind,
        h2_websockets: raw.h2_websockets,
        client_address_header: raw.client_address_header.map(|header| header.value),
        proxy_protocol: balancers,
        trusted_proxies: trusted,
    }
}

fn lower_control(raw: Option<&SocketPath>, folder: &Path) -> ControlSpec {
    match raw {
        Some(SocketPath(Some(path))) => ControlSpec::At(folder.join(path)),
        Some(SocketPath(None)) => ControlSpec::Off,
        None => ControlSpec::Default {
            folder: folder.to_owned(),
        },
    }
}

fn lower_log(log: LogSpec, folder: &Path) -> LogSpec {
    LogSpec {
        audit: log.audit.below(folder),
        ..log
    }
}

fn lower_status_hosts(
    raw: Option<Spanned<List<HostName>>>,
    has_status: bool,
    diag: &Diagnostics<'_>,
) -> Vec<HostName> {
    let Some(raw) = raw else { return Vec::new() };
    if !has_status {
        diag.problem(
            &raw.place,
            "is about listen.status, which is not here; write that, or take this out",
        );
    }
    let hosts = valid(raw.value);
    note_twice(&hosts, diag);
    hosts.into_iter().map(|host| host.value).collect()
}

fn lower_passthrough(
    raw: List<RawPassthrough>,
    diag: &Diagnostics<'_>,
) -> Option<Vec<Passthrough>> {
    let names: Vec<&Spanned<HostPattern>> = raw
        .iter()
        .flatten()
        .filter_map(|entry| entry.value.sni.as_ref())
        .collect();
    for (at, later) in names.iter().enumerate() {
        if let Some(first) = names[..at].iter().find(|first| first.value == later.value) {
            let line = diag.line(&first.place);
            let text = format!(
                "{} has this name already ({line}); take one out",
                first.place.key
            );
            diag.problem(&later.place, text);
        }
    }
    for server in raw
        .iter()
        .flatten()
        .filter_map(|entry| entry.value.to.as_ref())
    {
        control::note_passed_through(server, diag);
    }
    let entry = |raw: RawPassthrough| {
        Some(Passthrough {
            sni: raw.sni?.value,
            to: raw.to?.value,
            proxy_protocol: raw.proxy_protocol,
        })
    };
    raw.into_iter()
        .map(|raw| raw.and_then(|raw| entry(raw.value)))
        .collect()
}

/// Warns about routes that are never reached because their host is passed through.
fn note_passed_over(
    routes: &List<RawRoute>,
    entries: &List<RawPassthrough>,
    diag: &Diagnostics<'_>,
) {
    let names: Vec<&Spanned<HostPattern>> = entries
        .iter()
        .flatten()
        .filter_map(|entry| entry.value.sni.as_ref())
        .collect();
    let hosts = routes.iter().flatten().flat_map(|route| &route.value.host);
    for host in hosts.flatten().flatten() {
        let takes_all = |name: &&&Spanned<HostPattern>| match &host.value {
            HostPattern::Exact(host) => name.value.matches(host),
            HostPattern::Wildcard(_) => name.value == host.value,
        };
        if let Some(name) = names.iter().find(takes_all) {
            let (key, line) = (&name.place.key, diag.line(&name.place));
            let text = format!(
                "TLS for {} is passed through by {key} ({line}), so this route is never \
                 reached",
                host.value
            );
            diag.warning(&host.place, text + "; take one out");
        }
    }
}

fn lower_tls(
    raw: RawTls,
    acme: Option<&Option<Acme>>,
    is_used: bool,
    folder: &Path,
    diag: &Diagnostics<'_>,
) -> TlsSpec {
    if is_used && acme.is_none() && has_no_certificate(&raw) {
        let text = "there is no certificate; write certificates = [{ cert = \"…\", key = \
         \"…\" }], or [acme] to have them \
                    ordered, or for development self_signed = [\"localhost\"]";
        diag.problem(&raw.place.key("certificates", raw.place.at), text);
    }
    let client_auth = certificate::files(&raw, folder, diag);
    let self_signed = raw.self_signed.map(valid).unwrap_or_default();
    note_twice(&self_signed, diag);
    let pair = |Spanned {
                    value: RawPair { cert, key },
                    place,
                }: Spanned<RawPair>| {
        let cert = folder.join(cert?);
        let key = key.map_or_else(|| cert.clone(), |key| folder.join(key));
        Some(PairSpec {
            cert,
            key,
            config_key: place.key,
        })
    };
    let certificates = raw.certificates.unwrap_or_default();
    let ordered = |cert: &Arc<CertSpec>| OrderedSpec {
        hosts: cert.hosts.clone(),
        config_key: cert.config_key.clone(),
    };
    let acme = acme.and_then(Option::as_ref);
    TlsSpec {
        min_version: raw.min_version,
        certificates: valid(certificates).into_iter().filter_map(pair).collect(),
        self_signed: self_signed.into_iter().map(|host| host.value).collect(),
        default: raw.default,
        is_used,
        dev_folder: folder.join("certs"),
        ordered: acme
            .iter()
            .flat_map(|acme| acme.spec.certificates.iter().map(ordered))
            .collect(),
        placeholder: acme.is_some_and(|acme| acme.spec.placeholder),
        client_auth,
    }
}

/// Whether neither certificates nor development names are configured. Invalid ones do not count as
/// missing.
fn has_no_certificate(raw: &RawTls) -> bool {
    fn is_none<T>(list: Option<&List<T>>, is_written: bool) -> bool {
        list.map_or(!is_written, List::is_empty)
    }
    is_none(raw.certificates.as_ref(), raw.certificates_is_written)
        && is_none(raw.self_signed.as_ref(), raw.self_signed_is_written)
}

/// The proxies that are trusted to report the client.
fn lower_believed(networks: Vec<Spanned<Network>>, diag: &Diagnostics<'_>) -> NetworkSet {
    note_twice(&networks, diag);
    for everybody in everybody::on_the_internet(&networks) {
        let text = "lets any client claim any address; write the addresses of your own machines";
        diag.problem(everybody.place, format!("{everybody} {text}"));
    }
    networks.into_iter().map(|net| net.value).collect()
}

/// Reports duplicates in a list.
fn note_twice<T: Eq + Hash + fmt::Display>(
    list: &[impl Borrow<Spanned<T>>],
    diag: &Diagnostics<'_>,
) {
    let mut seen = HashSet::new();
    for later in list {
        let later: &Spanned<T> = later.borrow();
        if !seen.insert(&later.value) {
            diag.problem(
                &later.place,
                format!("{} is in the list already; take one out", later.value),
            );
        }
    }
}

/// Reports an empty list; `what` says what it does.
fn note_empty<T>(list: &[T], place: &Place, what: &str, diag: &Diagnostics<'_>) {
    if list.is_empty() {
        diag.problem(place, format!("an empty list {what}"));
    }
}
