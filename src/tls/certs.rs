//! The table of certificates: immutable, replaced whole.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::entry::Entry;
use super::info::{CertInfo, HostCoverage, Origin};
use super::load::{self, Loaded};
use super::names::{Group, Names};
use super::problem::{LoadError, Notice, Problem, Warning};
use super::{Mode, PairSpec, ServableCert, TlsSpec, dev};
use crate::host::{HostName, HostPattern};

/// The certificates by name. What is valid now wins over what is not, then exact names over
/// wildcards. Where several certificates have one name, files of `[tls]` win over what was ordered,
/// as somebody wrote them there; then the client's signature schemes decide, ECDSA first.
/// Placeholders answer only for names that no other has, valid or not.
pub struct CertTable {
    entries: Vec<Arc<Entry>>,
    names: Names,
    /// For clients that name no server: those of the first certificate's first name.
    unnamed: Group,
    /// Hosts for which a CA is asked.
    ordered: Vec<HostName>,
    /// Whether names that nothing serves are answered as if none were given.
    default: bool,
}

impl CertTable {
    /// Reads every certificate, makes development certificates if `mode` lets it, and gathers all
    /// problems. With [`Mode::Read`] the table may lack development certificates that are still to
    /// be made.
    pub fn load(
        spec: &TlsSpec,
        now: SystemTime,
        mode: Mode,
    ) -> Result<(Self, Vec<Warning>), Vec<LoadError>> {
        Self::reload(spec, &[], now, mode, None, &mut Vec::new())
    }

    /// The same with certificates from a [`CertCache`](super::CertCache); of a pair that cannot be read,
    /// the certificate that `before` has stays. What is wrong then goes to `kept`.
    pub fn reload(
        spec: &TlsSpec,
        managed: &[ServableCert],
        now: SystemTime,
        mode: Mode,
        before: Option<&Self>,
        kept: &mut Vec<LoadError>,
    ) -> Result<(Self, Vec<Warning>), Vec<LoadError>> {
        if spec.certificates.is_empty() && spec.self_signed.is_empty() && spec.ordered.is_empty() {
            let key = "tls.certificates".to_owned();
            return Err(vec![LoadError {
                key,
                file: None,
                problem: Problem::Nothing,
            }]);
        }
        let of_pair = |pair: &PairSpec| {
            let is_its = |entry: &&Arc<Entry>| {
                entry.info.file == pair.cert && entry.info.config_key == pair.config_key
            };
            before?.entries.iter().find(is_its).cloned()
        };
        let mut loaded = load::pairs(&spec.certificates, of_pair, kept)?;
        let come = managed
            .iter()
            .map(ServableCert::entry)
            .filter(|entry| !entry.info.is_placeholder());
        loaded.entries.extend(come.cloned());
        // Certificates that are no longer configured leave the cache once this table is in force.
        let is_ordered = |host: &HostName| {
            spec.ordered
                .iter()
                .any(|ordered| ordered.hosts.contains(host))
        };
        let stays = |entry: &Entry, host: &HostName| {
            entry.info.origin != Origin::Ordered || is_ordered(host)
        };
        let serves =
            |entry: &Arc<Entry>, host: &HostName| entry.info.names_host(host) && stays(entry, host);
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
        Ok((table, warnings))
    }

    /// The same files as they were read, with other certificates from the
    /// [`CertCache`](super::CertCache).
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

    fn new(mut entries: Vec<Arc<Entry>>, spec: &TlsSpec, now: SystemTime) -> Self {
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

    /// The certificates that may answer a client that asks for this name, or for none; the
    /// preferred one first. Empty where the handshake is refused.
    pub fn lookup(&self, name: Option<&HostName>) -> impl Iterator<Item = &CertInfo> {
        self.group(name).iter().map(|entry| &*entry.info)
    }

    /// What to say of a host that nothing here serves.
    pub fn unserved(&self, host: &HostPattern) -> String {
        let refused =
            format!("no certificate serves {host}, so clients that ask for it are refused");
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
            [] => format!("{refused}{order}"),
            names => format!("{refused}{order}; there are some for {}", names.join(", ")),
        }
    }

    /// Whether a certificate has this name, be it a placeholder. `default = true` changes nothing
    /// here: it answers clients, but vouches for no name.
    pub fn serves(&self, host: &HostName) -> bool {
        self.names.get(host).is_some()
    }

    /// What the clients of a route's host find.
    pub fn standing(&self, host: &HostPattern, now: SystemTime) -> HostCoverage {
        let is_ordered = self.ordered.iter().any(|ordered| host.matches(ordered));
        HostCoverage::of(
            self.names.under(host).map(|entry| &*entry.info),
            is_ordered,
            now,
        )
    }

    /// What clients find whose names no route tells.
    pub fn standing_of_all(&self, now: SystemTime) -> HostCoverage {
        HostCoverage::of(self.entries(), !self.ordered.is_empty(), now)
    }

    /// Hosts for which a CA is asked, whether they are served by now or not.
    pub fn ordered(&self) -> &[HostName] {
        &self.ordered
    }

    /// Every certificate that there is to tell of: files in the order of the configuration, what
    /// was ordered, development certificates, and the placeholders that answer for something.
    pub fn entries(&self) -> impl Iterator<Item = &CertInfo> {
        self.entries.iter().map(|entry| &*entry.info)
    }

    fn group(&self, name: Option<&HostName>) -> &[Arc<Entry>] {
        match name {
            None => &self.unnamed,
            Some(name) => match self.names.get(name) {
                Some(group) => group,
                None => self.unknown(),
            },
        }
    }

    fn unknown(&self) -> &[Arc<Entry>] {
        if self.default { &self.unnamed } else { &[] }
    }

    /// Files of `[tls]` that keep ordered certificates from being served, whether these have come
    /// by now or not.
    fn precedence_warnings(&self, now: SystemTime) -> impl Iterator<Item = Warning> {
        let of_files = self
            .entries()
            .filter(move |info| info.origin == Origin::File && info.out_of_date(now).is_none());
        of_files.filter_map(|info| {
            // An ordered name is exact, and goes before a wildcard.
            let is_named =
                |host: &&HostName| info.names.contains(&HostPattern::Exact((*host).clone()));
            let mut hosts: Vec<_> = self.ordered.iter().filter(is_named).cloned().collect();
            hosts.sort_unstable();
            hosts.dedup();
            (!hosts.is_empty()).then(|| info.warning(Notice::ServedBeforeOrdered(hosts)))
        })
    }

    fn date_warnings(&self, now: SystemTime) -> impl Iterator<Item = Warning> {
        self.entries
            .iter()
            .filter_map(move |entry| self.date_warning(entry, now))
    }

    fn date_warning(&self, entry: &Arc<Entry>, now: SystemTime) -> Option<Warning> {
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
    /// The certificate for a client that names this server, or none, and takes these signatures.
    pub(super) fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<Entry>> {
        let group = match name.map(str::parse::<HostName>) {
            None => self.group(None),
            Some(Ok(name)) => self.group(Some(&name)),
            Some(Err(_)) => self.unknown(),
        };
        let fits = |entry: &&Arc<Entry>| entry.key.key.choose_scheme(schemes).is_some();
        match group {
            [only] => Some(only),
            // Where none fits, the handshake fails with the alert that says so.
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
