//! Builds the table of certificates from files and from the cache of ordered certificates.

use std::sync::Arc;
use std::time::SystemTime;

use super::error::StartError;
use super::previous::Previous;
use super::unreached::unreached_certificates;
use crate::clock;
use crate::config::Config;
use crate::host::{HostName, HostPattern};
use crate::serve::snapshot::Snapshot;
use crate::telemetry::Chain;
use crate::tls::{
    CertCache, CertTable, ClientAuthority, HostCoverage, Mode, Notice, ServableCert,
    ServerSettings, Tickets, Warning,
};

/// The table for a configuration. Warnings about certificates are logged.
pub(super) fn table(
    config: &Config,
    cache: &CertCache,
    previous: &mut Previous<'_>,
) -> Result<CertTable, StartError> {
    let now = clock::wall();
    let in_force = previous.snapshot.map(|snapshot| &*snapshot.certificates);
    let ordered = ordered(config, cache, now);
    let problems = &mut previous.certificates;
    let (table, warnings) =
        CertTable::reload(&config.tls, &ordered, now, Mode::Make, in_force, problems)
            .map_err(StartError::Certificates)?;
    warn(&table, &warnings, config, now);
    log_awaited(&table, in_force, now);
    Ok(table)
}

/// What certificates of clients are judged by. The one in force stays where its files have the same
/// content, so that nothing is verified again.
pub(super) fn client_authority(
    config: &Config,
    previous: &mut Previous<'_>,
    in_force: Option<&Snapshot>,
) -> Result<Option<Arc<ClientAuthority>>, StartError> {
    let Some(spec) = &config.tls.client_auth else {
        return Ok(None);
    };
    let known = in_force.and_then(|in_force| in_force.client_authority.clone());
    match ClientAuthority::load(spec, clock::wall()) {
        Ok((read, warnings)) => {
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            let same = known.filter(|known| known.is_same(&read));
            Ok(Some(same.unwrap_or_else(|| Arc::new(read))))
        }
        Err(errors) => match known.filter(|_| previous.snapshot.is_some()) {
            Some(known) => {
                previous.certificates.extend(errors);
                Ok(Some(known))
            }
            None => Err(StartError::Certificates(errors)),
        },
    }
}

/// The snapshot in force, with the ordered certificates that are in the cache now.
///
/// # Errors
/// If the TLS library rejects the settings.
pub(super) fn follow(
    in_force: &Snapshot,
    config: &Config,
    cache: &CertCache,
    tickets: &Tickets,
) -> Result<Snapshot, StartError> {
    let now = clock::wall();
    let ordered = ordered(config, cache, now);
    let (table, warnings) = in_force
        .certificates
        .with_managed(&config.tls, &ordered, now);
    warn(&table, &warnings, config, now);
    log_awaited(&table, Some(&in_force.certificates), now);
    let certificates = Arc::new(table);
    let authority = in_force.client_authority.as_ref();
    let tls = ServerSettings::new(&config.tls, &certificates, tickets, authority);
    Ok(Snapshot {
        tls: Arc::new(tls.map_err(StartError::Crypto)?),
        certificates,
        ..in_force.clone()
    })
}

/// Ordered certificates, or placeholders for those that have not been issued yet.
fn ordered(config: &Config, cache: &CertCache, now: SystemTime) -> Vec<ServableCert> {
    let (ordered, errors) = cache.for_table(&config.tls, now);
    for error in &errors {
        tracing::error!(
            error = %Chain(error),
            "no placeholder: hosts whose certificate has not been issued yet are rejected"
        );
    }
    ordered
}

fn warn(table: &CertTable, warnings: &[Warning], config: &Config, now: SystemTime) {
    for warning in warnings {
        match warning.notice {
            Notice::FirstCa => tracing::info!("{warning}"),
            _ => tracing::warn!("{warning}"),
        }
    }
    for warning in unreached_certificates(table, config) {
        tracing::warn!("{warning}");
    }
    // A host may also be reached by a proxy in front, which has the certificate.
    if config.tls.default || !config.listen.plain.is_empty() {
        return;
    }
    for host in config.routes.hosts() {
        if table.coverage(host, now) == HostCoverage::Unserved {
            tracing::warn!("{}", table.unserved(host));
        }
    }
}

/// Logs each host whose certificate is being ordered once, and not again when the certificate of
/// another host is issued.
fn log_awaited(table: &CertTable, previous: Option<&CertTable>, now: SystemTime) {
    for host in newly_awaited(table, previous, now) {
        tracing::info!(%host, "no certificate yet: it is being ordered");
    }
}

fn newly_awaited<'t>(
    table: &'t CertTable,
    previous: Option<&'t CertTable>,
    now: SystemTime,
) -> impl Iterator<Item = &'t HostName> {
    let is_known =
        move |host: &HostName| previous.is_some_and(|previous| is_awaited(previous, host, now));
    let hosts = table.ordered().iter();
    hosts.filter(move |host| is_awaited(table, host, now) && !is_known(host))
}

fn is_awaited(table: &CertTable, host: &HostName, now: SystemTime) -> bool {
    table.coverage(&HostPattern::Exact(host.clone()), now) == HostCoverage::Ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::tls::OrderedSpec;

    #[test]
    fn what_is_to_come_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[listen]\nhttps = [\"127.0.0.1:0\"]\n[tls]\nself_signed = [\"localhost\"]\n\
            [[routes]]\npath = \"/\"\nredirect = \"https://x.test/\"\npolicy = \"open\"\n";
        let parsed = config::parse(&folder.path().join("gateway.toml"), text);
        let mut spec = parsed
            .unwrap_or_else(|report| panic!("{report}"))
            .config
            .tls;
        let now = SystemTime::now();
        let mut table = |hosts: &[&str]| {
            let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
            spec.ordered = vec![OrderedSpec {
                hosts,
                config_key: "acme.certificates[0]".to_owned(),
            }];
            CertTable::load(&spec, now, Mode::Read).unwrap().0
        };
        let (one, two) = (table(&["a.test"]), table(&["a.test", "b.test"]));
        let logged = |table: &CertTable, previous| {
            newly_awaited(table, previous, now)
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(logged(&two, None), ["a.test", "b.test"]);
        assert_eq!(logged(&two, Some(&one)), ["b.test"]);
        assert_eq!(logged(&two, Some(&two)), [""; 0]);
    }
}
