//! Certificates: what is on disk, what a CA was asked for, and how new ones come into force between
//! two reloads.

use std::sync::Arc;
use std::time::SystemTime;

use super::Running;
use super::assemble::Previous;
use super::error::StartError;
use crate::acme::{RenewError, RenewMode};
use crate::config::Config;
use crate::host::{HostName, HostPattern};
use crate::serve::snapshot::Snapshot;
use crate::telemetry::Chain;
use crate::tls::challenges::Challenges;
use crate::tls::{self, CertCache, CertTable, HostCoverage, Mode, Notice, ServableCert, Warning};

/// The table of a configuration, and in the log what there is to say of it.
pub(super) fn table(
    config: &Config,
    shelf: &CertCache,
    before: &mut Previous<'_>,
) -> Result<CertTable, StartError> {
    let (now, in_force) = (
        SystemTime::now(),
        before.snapshot.map(|before| &*before.certificates),
    );
    let managed = managed(config, shelf, now);
    let (table, warnings) = CertTable::reload(
        &config.tls,
        &managed,
        now,
        Mode::Make,
        in_force,
        &mut before.certificates,
    )
    .map_err(StartError::Certificates)?;
    tell(&table, &warnings, config, now);
    tell_to_come(&table, in_force, now);
    Ok(table)
}

fn managed(config: &Config, shelf: &CertCache, now: SystemTime) -> Vec<ServableCert> {
    let (managed, errors) = shelf.for_table(&config.tls, now);
    for error in &errors {
        let error = Chain(error);
        tracing::error!(%error, "no placeholder: hosts whose certificate has not come yet are refused");
    }
    managed
}

fn tell(table: &CertTable, warnings: &[Warning], config: &Config, now: SystemTime) {
    for warning in warnings {
        match warning.notice {
            Notice::FirstCa => tracing::info!("{warning}"),
            _ => tracing::warn!("{warning}"),
        }
    }
    if config.tls.default {
        return;
    }
    for host in config.routes.hosts() {
        if table.standing(host, now) == HostCoverage::Unserved {
            tracing::warn!("{}", table.unserved(host));
        }
    }
}

/// What was told of the table before is not told again whenever another certificate has come.
fn tell_to_come(table: &CertTable, before: Option<&CertTable>, now: SystemTime) {
    for host in news_to_come(table, before, now) {
        tracing::info!(%host, "no certificate yet: it is being ordered");
    }
}

fn news_to_come<'t>(
    table: &'t CertTable,
    before: Option<&'t CertTable>,
    now: SystemTime,
) -> impl Iterator<Item = &'t HostName> {
    let is_known =
        move |host: &HostName| before.is_some_and(|before| is_to_come(before, host, now));
    table
        .ordered()
        .iter()
        .filter(move |host| is_to_come(table, host, now) && !is_known(host))
}

fn is_to_come(table: &CertTable, host: &HostName, now: SystemTime) -> bool {
    table.standing(&HostPattern::Exact(host.clone()), now) == HostCoverage::Ordered
}

impl Running {
    /// Certificates that are served beside those of `[tls]`. Whenever it changes,
    /// [`Running::follow_shelf`] is due.
    pub fn shelf(&self) -> &Arc<CertCache> {
        &self.care.shelf
    }

    /// What CAs are answered when they look whether a name is ours.
    pub fn challenges(&self) -> &Arc<Challenges> {
        &self.care.challenges
    }

    /// Asks for a certificate to be ordered now; see [`crate::acme::CertTasks::renew`].
    pub fn renew_certificate(
        &self,
        name: &str,
        mode: RenewMode,
    ) -> impl Future<Output = Result<(), RenewError>> + Send + use<> {
        self.care.renew(name, mode)
    }

    /// Takes up the certificates that are on the shelf now; all else stays as it is in force. The
    /// next handshake of every worker is by them, and connections that are open go on.
    pub async fn follow_shelf(&mut self) {
        let in_force = self.board.snapshot();
        match self.with_shelf(&in_force) {
            Ok(snapshot) => {
                let snapshot = Arc::new(snapshot);
                let keep: Vec<_> = self.open.iter().map(|open| open.key).collect();
                self.publish(&snapshot, Vec::new(), &keep).await;
                self.board.set_snapshot(snapshot);
                tracing::info!("ordered certificates taken up");
            }
            Err(error) => {
                let error = Chain(&error);
                tracing::error!(%error, "ordered certificates could not be taken up; those in force stay");
            }
        }
    }

    fn with_shelf(&self, in_force: &Snapshot) -> Result<Snapshot, StartError> {
        let now = SystemTime::now();
        let managed = managed(&self.config, &self.care.shelf, now);
        let (table, warnings) = in_force
            .certificates
            .with_managed(&self.config.tls, &managed, now);
        tell(&table, &warnings, &self.config, now);
        tell_to_come(&table, Some(&in_force.certificates), now);
        let certificates = Arc::new(table);
        let tls = tls::server_config(&self.config.tls, Arc::clone(&certificates), &self.tickets);
        Ok(Snapshot {
            tls: tls.map_err(StartError::Crypto)?,
            certificates,
            ..in_force.clone()
        })
    }
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
        let told = |table: &CertTable, before| {
            news_to_come(table, before, now)
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&two, None), ["a.test", "b.test"]);
        assert_eq!(told(&two, Some(&one)), ["b.test"]);
        assert_eq!(told(&two, Some(&two)), [""; 0]);
    }
}
