//! The table of certificates. It never changes; a reload replaces it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::entry::CertEntry;
use super::info::{CertInfo, HostCoverage, Origin};
use super::load::{self, Loaded};
use super::names::{Group, Names};
use super::problem::{LoadError, Notice, Problem, Warning};
use super::{Mode, PairSpec, ServableCert, TlsSpec, dev};
use crate::host::{HostName, HostPattern};

/// Certificates by host name. Where several certificates match a name, the choice is made in this
/// order:
///
/// 1. certificates that are valid now,
/// 2. exact names before wildcards,
/// 3. files of `[tls]` before ordered certificates, because the operator chose them explicitly,
/// 4. certificates that the client can verify, ECDSA before RSA.
///
/// A placeholder is served only for names that no other certificate has, not even an expired one.
pub struct CertTable {
    entries: Vec<Arc<CertEntry>>,
    names: Names,
    /// Served to clients that send no server name: the group of the first certificate's first name.
    unnamed: Group,
    /// Hosts for which certificates are ordered.
    ordered: Vec<HostName>,
    /// Whether clients that ask for an unknown name get the group for clients without one.
    default: bool,
}

impl CertTable {
    /// Reads every certificate, generates development certificates if `mode` allows it, and returns
    /// all problems together. With [`Mode::Read`] the table lacks development certificates that do
    /// not exist yet.
    pub fn load(
        spec: &TlsSpec,
        now: SystemTime,
        mode: Mode,
    ) -> Result<(Self, Vec<Warning>), Vec<LoadError>> {
        Self::reload(spec, &[], now, mode, None, &mut Vec::new())
    }

    /// The same with certificates from a [`CertCache`](super::CertCache). If a pair cannot be read
    /// and `previous` has its certificate, that certificate stays in use and the errors are added
    /// to `kept`.
    pub fn reload(
        spec: &TlsSpec,
        managed: &[ServableCert],
        now: SystemTime,
        mode: Mode,
        previous: Option<&Self>,
        kept: &mut Vec<LoadError>,
    ) -> Result<(Self, Vec<Warning>), Vec<LoadError>> {
        let is_empty =
            spec.certificates.is_empty() && spec.self_signed.is_empty() && spec.ordered.is_empty();
        if is_empty && spec.is_used {
            let key = "tls.certificates".to_owned();
            return Err(vec![LoadError {
                key,
                file: None,
                problem: Problem::Nothing,
            }]);
        }
        let of_pair = |pair: &PairSpec| {
            let is_same = |entry: &&Arc<CertEntry>| {
                entry.info.file == pair.cert && entry.info.config_key == pair.config_key
            };
            previous?.entries.iter().find(is_same).cloned()
        };
        let mut loaded = load::pairs(&spec.certificates, of_pair, kept)?;
        let issued = managed
            .iter()
            .map(ServableCert::entry)
            .filter(|entry| !entry.info.is_placeholder());
        loaded.entries.extend(issued.cloned());
        // The cache may still hold certificates that are no longer configured. They are removed
        // when this table comes into use, so they do not replace a development certificate.
        let is_ordered = |host: &HostName| {
            spec.ordered
                .iter()
                .any(|ordered| ordered.hosts.contains(host))
        };
        let stays = |entry: &CertEntry, host: &HostName| {
            entry.info.origin != Origin::Ordered || is_ordered(host)
        };
        let serves = |entry: &Arc<CertEntry>, host: &HostName| {
            entry.info.names_host(host) && stays(entry, host)
        };
        let unserved = |host: &&HostName| !loaded.entries.iter().any(|entry| serves(entry, host));
        let hosts: Vec<_> = spec.self_signed.iter().filter(unserved).collect();
        loaded.extend(dev::certificates(&spec.dev_folder, &hosts, now, mode)?);

        let Loaded {
            mut entries,
            mut warnings,
        } = loaded;
        entries.extend(
            managed
                .iter()
                .map(ServableCert::entry)
                .filter(|entry| entry.info.is_placeholder())
                .cloned(),
        );
        let table = Self::new(entries, spec, now);
        warnings.extend(table.date_warnings(now));
        warnings.extend(table.precedence_warnings(now));
        warnings.extend(table.never_served_warnings(now));
        Ok((table, warnings))
    }

    /// A table with the same files as this one, without reading them again, and with these
    /// certificates from the [`CertCache`](super::CertCache).
    pub fn with_managed(
        &self,
        spec: &TlsSpec,
        managed: &[ServableCert],
        now: SystemTime,
    ) -> (Self, Vec<Warning>) {
        let of_files = self
            .entries
            .iter()
            .filter(|entry| entry.info.is_from_disk());
        let mut entries: Vec<_> = of_files
            .chain(managed.iter().map(ServableCert::entry))
            .cloned()
            .collect();
        entries.sort_by_key(|entry| entry.info.origin);
        let table = Self::new(entries, spec, now);
        let warnings = table.date_warnings(now).collect();
        (table, warnings)
    }

    fn new(mut entries: Vec<Arc<CertEntry>>, spec: &TlsSpec, now: SystemTime) -> Self {
        let names = Names::new(&entries, now);
        entries.retain(|entry| !entry.info.is_placeholder() || names.has(entry));
        let first = entries.first().and_then(|entry| entry.info.names.first());
        let unnamed = first
            .and_then(|name| names.get_pattern(name))
            .cloned()
            .unwrap_or_default();
        let ordered = spec
            .ordered
            .iter()
            .flat_map(|one| one.hosts.iter().cloned())
            .collect();
        Self {
            entries,
            names,
            unnamed,
            ordered,
            default: spec.default,
        }
    }

    /// The certificates that can be served to a client that sends this name, or none; the preferred
    /// one first. Empty if the handshake is rejected.
    pub fn lookup(&self, name: Option<&HostName>) -> impl Iterator<Item = &CertInfo> {
        self.group(name).iter().map(|entry| &*entry.info)
    }

    /// The warning about a host that no certificate serves.
    pub fn unserved(&self, host: &HostPattern) -> String {
        let rejected =
            format!("no certificate serves {host}, so clients that ask for it are rejected");
        let order = match (self.ordered.is_empty(), host) {
            (true, _) => "",
            (false, HostPattern::Exact(_)) => "; add it to acme.certificates",
            (false, _) => "; add its hosts to acme.certificates, one by one",
        };
        let real = self.entries().filter(|entry| !entry.is_placeholder());
        let names: Vec<String> = real
            .flat_map(|entry| &entry.names)
            .map(ToString::to_string)
            .collect();
        match &names[..] {
            [] => format!("{rejected}{order}"),
            names => format!("{rejected}{order}; there are some for {}", names.join(", ")),
        }
    }

    /// Whether a certificate, possibly a placeholder, has this name. `default = true` does not
    /// matter here: the certificate that it serves does not name the host.
    pub fn serves(&self, host: &HostName) -> bool {
        self.names.get(host).is_some()
    }

    /// Which kind of certificate the clients of a route's host get.
    pub fn coverage(&self, host: &HostPattern, now: SystemTime) -> HostCoverage {
        let is_ordered = self.ordered.iter().any(|ordered| host.matches(ordered));
        HostCoverage::of(
            self.names.under(host).map(|entry| &*entry.info),
            is_ordered,
            now,
        )
    }

    /// The same for routes without a host, from all certificates.
    pub fn coverage_of_all(&self, now: SystemTime) -> HostCoverage {
        HostCoverage::of(self.entries(), !self.ordered.is_empty(), now)
    }

    /// Hosts for which certificates are ordered, whether issued yet or not.
    pub fn ordered(&self) -> &[HostName] {
        &self.ordered
    }

    /// Every certificate of the table: files in the order of the configuration, ordered
    /// certificates, development certificates, and the placeholders that are served for some name.
    pub fn entries(&self) -> impl Iterator<Item = &CertInfo> {
        self.entries.iter().map(|entry| &*entry.info)
    }

    fn group(&self, name: Option<&HostName>) -> &[Arc<CertEntry>] {
        match name {
            None => &self.unnamed,
            Some(name) => match self.names.get(name) {
                Some(group) => group,
                None => self.unknown(),
            },
        }
    }

    fn unknown(&self) -> &[Arc<CertEntry>] {
        if self.default { &self.unnamed } else { &[] }
    }

    /// Warns about files of `[tls]` that are served in place of ordered certificates, whether those
    /// have been issued yet or not.
    fn precedence_warnings(&self, now: SystemTime) -> impl Iterator<Item = Warning> {
        let of_files = self
            .entries()
            .filter(move |info| info.origin == Origin::File && info.out_of_date(now).is_none());
        of_files.filter_map(|info| {
            // Ordered names are exact, and exact names are preferred to wildcards.
            let is_named =
                |host: &&HostName| info.names.contains(&HostPattern::Exact((*host).clone()));
            let mut hosts: Vec<_> = self.ordered.iter().filter(is_named).cloned().collect();
            hosts.sort_unstable();
            hosts.dedup();
            (!hosts.is_empty()).then(|| info.warning(Notice::ServedBeforeOrdered(hosts)))
        })
    }

    /// Warns about files that no client gets, since an earlier one goes before them for each of
    /// their names.
    fn never_served_warnings(&self, now: SystemTime) -> impl Iterator<Item = Warning> {
        let is_file = |info: &CertInfo| info.origin == Origin::File;
        let all = self.entries.iter().enumerate();
        let files = all.filter(move |(_, entry)| is_file(&entry.info));
        files.filter_map(move |(at, entry)| {
            let info = &entry.info;
            let goes_before = |earlier: &&Arc<CertEntry>| {
                let other = &earlier.info;
                let has = |name: &HostPattern| other.names.contains(name);
                is_file(other)
                    && other.algorithm == info.algorithm
                    && other.out_of_date(now).is_none()
                    && info.names.iter().all(has)
            };
            let first = self.entries[..at].iter().find(goes_before)?;
            let valid = info.out_of_date(now).is_none();
            valid.then(|| info.warning(Notice::NeverServed(first.info.config_key.clone())))
        })
    }

    fn date_warnings(&self, now: SystemTime) -> impl Iterator<Item = Warning> {
        self.entries
            .iter()
            .filter_map(move |entry| self.date_warning(entry, now))
    }

    fn date_warning(&self, entry: &Arc<CertEntry>, now: SystemTime) -> Option<Warning> {
        let info = &entry.info;
        let notice = match info.out_of_date(now) {
            Some(state) => {
                let serves = |name: &&HostPattern| {
                    self.names
                        .get_pattern(name)
                        .is_some_and(|group| group.iter().any(|e| Arc::ptr_eq(e, entry)))
                };
                let served: Vec<_> = info.names.iter().filter(serves).cloned().collect();
                if served.is_empty() {
                    Notice::PassedOver(state)
                } else {
                    Notice::ServedOutOfDate(state, served)
                }
            }
            None => info.end_notice(now)?,
        };
        Some(info.warning(notice))
    }
}

impl CertTable {
    /// The certificate for a client that sends this server name, or none, and these signature
    /// schemes.
    pub(super) fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<CertEntry>> {
        let group = match name.map(str::parse::<HostName>) {
            None => self.group(None),
            Some(Ok(name)) => self.group(Some(&name)),
            Some(Err(_)) => self.unknown(),
        };
        let fits = |entry: &&Arc<CertEntry>| entry.key.key.choose_scheme(schemes).is_some();
        match group {
            [only] => Some(only),
            // If none fits, rustls fails the handshake with the right alert.
            several => several.iter().find(fits).or(several.first()),
        }
    }
}

impl ResolvesServerCert for CertTable {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.choose(hello.server_name(), hello.signature_schemes())?;
        Some(Arc::clone(&chosen.key))
    }
}

impl fmt::Debug for CertTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}
