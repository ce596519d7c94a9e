//! The table of certificates: immutable, replaced whole.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::SignatureAlgorithm;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::load::{self, Loaded};
use super::names::{Group, Names};
use super::problem::{Date, LoadError, Notice, OutOfDate, Problem, Warning};
use super::{Mode, PairSpec, TlsSpec, dev};
use crate::host::{HostName, HostPattern};

/// Time enough to renew by hand, and after every automatic renewal should have happened.
const ENDS_SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What one certificate in the table is.
#[derive(Clone, Debug)]
pub struct CertInfo {
    /// The hosts it names; at least one.
    pub names: Vec<HostPattern>,
    /// When it begins.
    pub not_before: SystemTime,
    /// When it ends.
    pub not_after: SystemTime,
    /// The kind of key.
    pub algorithm: SignatureAlgorithm,
    /// Where it was read.
    pub file: PathBuf,
    /// What named it: `tls.certificates[0]`, or `tls.self_signed` for a development certificate.
    pub config_key: String,
}

impl CertInfo {
    /// Whether it names the host, exactly or by wildcard.
    pub fn names_host(&self, host: &HostName) -> bool {
        self.names.iter().any(|name| name.matches(host))
    }

    /// Whether it was made here.
    pub fn is_development(&self) -> bool {
        self.config_key == dev::CONFIG_KEY
    }

    /// On which side of its validity the moment lies, if it lies outside.
    pub fn out_of_date(&self, now: SystemTime) -> Option<OutOfDate> {
        if now > self.not_after {
            Some(OutOfDate::Expired(Date(self.not_after)))
        } else if now < self.not_before {
            Some(OutOfDate::NotYet(Date(self.not_before)))
        } else {
            None
        }
    }

    pub(super) fn warning(&self, notice: Notice) -> Warning {
        let key = if self.is_development() { self.config_key.clone() } else { format!("{}.cert", self.config_key) };
        Warning::new(key, &self.file, notice)
    }
}

/// Whether clients of a host are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// By a certificate that they may accept.
    Served,
    /// Only by certificates that they refuse; this is why they refuse the one that ends last.
    OutOfDate(OutOfDate),
    /// By none.
    Unserved,
}

impl Standing {
    fn of<'a>(mut infos: impl Iterator<Item = &'a CertInfo>, now: SystemTime) -> Self {
        let mut latest: Option<&CertInfo> = None;
        let valid = infos.any(|info| {
            if latest.is_none_or(|other| other.not_after < info.not_after) {
                latest = Some(info);
            }
            info.out_of_date(now).is_none()
        });
        match latest.and_then(|info| info.out_of_date(now)) {
            _ if valid => Self::Served,
            Some(state) => Self::OutOfDate(state),
            None => Self::Unserved,
        }
    }
}

/// One certificate with its key.
pub(super) struct Entry {
    pub(super) info: CertInfo,
    key: Arc<CertifiedKey>,
}

impl Entry {
    pub(super) fn new(info: CertInfo, key: CertifiedKey) -> Self {
        Self { info, key: Arc::new(key) }
    }

    pub(super) fn leaf(&self) -> Option<&rustls::pki_types::CertificateDer<'static>> {
        self.key.cert.first()
    }
}

/// The certificates by name. Exact names win over wildcards; where several certificates have one name, the client's
/// signature schemes decide, ECDSA first.
pub struct CertTable {
    entries: Vec<Arc<Entry>>,
    names: Names,
    /// For clients that name no server: those of the first certificate's first name.
    unnamed: Group,
    /// Whether names that nothing serves are answered as if none were given.
    default: bool,
}

impl CertTable {
    /// Reads every certificate, makes development certificates if `mode` lets it, and gathers all problems.
    /// With [`Mode::Read`] the table may lack development certificates that are still to be made.
    pub fn load(spec: &TlsSpec, now: SystemTime, mode: Mode) -> Result<(Self, Vec<Warning>), Vec<LoadError>> {
        Self::reload(spec, now, mode, None, &mut Vec::new())
    }

    /// The same; of a pair that cannot be read, the certificate that `before` has stays. What is wrong then goes to
    /// `kept`.
    pub fn reload(
        spec: &TlsSpec,
        now: SystemTime,
        mode: Mode,
        before: Option<&Self>,
        kept: &mut Vec<LoadError>,
    ) -> Result<(Self, Vec<Warning>), Vec<LoadError>> {
        if spec.certificates.is_empty() && spec.self_signed.is_empty() {
            let key = "tls.certificates".to_owned();
            return Err(vec![LoadError { key, file: None, problem: Problem::Nothing }]);
        }
        let of_pair = |pair: &PairSpec| {
            let is_its = |entry: &&Arc<Entry>| entry.info.file == pair.cert && entry.info.config_key == pair.config_key;
            before?.entries.iter().find(is_its).cloned()
        };
        let mut loaded = load::pairs(&spec.certificates, of_pair, kept)?;
        let unserved = |host: &&HostName| !loaded.entries.iter().any(|entry| entry.info.names_host(host));
        let hosts: Vec<_> = spec.self_signed.iter().filter(unserved).collect();
        loaded.extend(dev::certificates(&spec.dev_folder, &hosts, now, mode)?);

        let Loaded { entries, mut warnings } = loaded;
        let table = Self::new(entries, spec.default, now);
        warnings.extend(table.entries.iter().filter_map(|entry| table.date_warning(entry, now)));
        Ok((table, warnings))
    }

    fn new(entries: Vec<Arc<Entry>>, default: bool, now: SystemTime) -> Self {
        let names = Names::new(&entries, now);
        let first = entries.first().and_then(|entry| entry.info.names.first());
        let unnamed = first.and_then(|name| names.get_pattern(name)).cloned().unwrap_or_default();
        Self { entries, names, unnamed, default }
    }

    /// The certificates that may answer a client that asks for this name, or for none; the preferred one first.
    /// Empty where the handshake is refused.
    pub fn lookup(&self, name: Option<&HostName>) -> impl Iterator<Item = &CertInfo> {
        self.group(name).iter().map(|entry| &entry.info)
    }

    /// What to say of a host that nothing here serves.
    pub fn unserved(&self, host: &HostPattern) -> String {
        let names = self.entries().flat_map(|entry| &entry.names).map(ToString::to_string);
        let names: Vec<String> = names.collect();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        format!("no certificate serves {host}, so clients that ask for it are refused; there are some for {names}")
    }

    /// Whether a certificate has this name. `default = true` changes nothing here: it answers clients, but vouches
    /// for no name.
    pub fn serves(&self, host: &HostName) -> bool {
        self.names.get(host).is_some()
    }

    /// What the clients of a route's host find.
    pub fn standing(&self, host: &HostPattern, now: SystemTime) -> Standing {
        Standing::of(self.names.under(host).map(|entry| &entry.info), now)
    }

    /// What clients find whose names no route tells.
    pub fn standing_of_all(&self, now: SystemTime) -> Standing {
        Standing::of(self.entries(), now)
    }

    /// Whether both names are served, and by the same certificates: then a connection made for one of them may carry
    /// requests for the other (RFC 9113, section 9.1.1).
    pub fn same_certificate(&self, a: &HostName, b: &HostName) -> bool {
        match (self.names.get(a), self.names.get(b)) {
            (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b)),
            _ => false,
        }
    }

    /// Every certificate, in the order of the configuration, development certificates last.
    pub fn entries(&self) -> impl Iterator<Item = &CertInfo> {
        self.entries.iter().map(|entry| &entry.info)
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

    fn date_warning(&self, entry: &Arc<Entry>, now: SystemTime) -> Option<Warning> {
        let info = &entry.info;
        let notice = match info.out_of_date(now) {
            Some(state) => {
                let serves = |name: &&HostPattern| {
                    self.names.get_pattern(name).is_some_and(|group| group.iter().any(|e| Arc::ptr_eq(e, entry)))
                };
                let served: Vec<_> = info.names.iter().filter(serves).cloned().collect();
                if served.is_empty() { Notice::PassedOver(state) } else { Notice::ServedOutOfDate(state, served) }
            }
            None if info.not_after < now + ENDS_SOON => Notice::EndsSoon(Date(info.not_after)),
            None => return None,
        };
        Some(info.warning(notice))
    }
}

impl ResolvesServerCert for CertTable {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let group = match hello.server_name().map(str::parse::<HostName>) {
            None => self.group(None),
            Some(Ok(name)) => self.group(Some(&name)),
            Some(Err(_)) => self.unknown(),
        };
        let fits = |entry: &&Arc<Entry>| entry.key.key.choose_scheme(hello.signature_schemes()).is_some();
        let chosen = match group {
            [only] => only,
            // Where none fits, the handshake fails with the alert that says so.
            several => several.iter().find(fits).or(several.first())?,
        };
        Some(Arc::clone(&chosen.key))
    }
}

impl fmt::Debug for CertTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}
