//! Development certificates: found, or made by the local CA.
//!
//! Found means: a client that trusts `ca.pem` would accept it, now and in a month. Whoever finds
//! everything writes nothing and takes no lock, so that a folder without write access serves as
//! well.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;

use super::ca::Ca;
use super::files::{self, CONFIG_KEY, Pair, names_of};
use super::load::{self, Loaded};
use super::pem::PemFile;
use super::problem::{LoadError, Notice, Problem, Warning};
use super::{Mode, PairSpec, provider, x509};
use crate::host::HostName;

/// What a certificate must still be good for; a process that starts now may well run as long.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The certificates for the hosts, in their order; a host that an earlier one serves already gets
/// none of its own.
pub(super) fn certificates(
    folder: &Path,
    hosts: &[&HostName],
    now: SystemTime,
    mode: Mode,
) -> Result<Loaded, Vec<LoadError>> {
    let dev = DevFolder { folder, now };
    let (mut found, missing) = dev.found(hosts);
    match mode {
        _ if missing.is_empty() => {}
        Mode::Read => found.warnings.extend(dev.to_be_made(&missing)?),
        Mode::Make => return dev.make(hosts),
    }
    Ok(found)
}

struct DevFolder<'a> {
    folder: &'a Path,
    now: SystemTime,
}

impl DevFolder<'_> {
    fn found<'h>(&self, hosts: &[&'h HostName]) -> (Loaded, Vec<&'h HostName>) {
        let (mut loaded, mut missing) = (Loaded::default(), Vec::<&HostName>::new());
        for host in hosts {
            if serves(&loaded, host)
                || missing
                    .iter()
                    .any(|earlier| names_of(earlier).contains(host))
            {
                continue;
            }
            match self.find(host) {
                Some(one) => loaded.extend(one),
                None => missing.push(host),
            }
        }
        (loaded, missing)
    }

    /// The same walk under the lock, where another process may have been quicker, with the CA at
    /// hand. The CA comes first: if it must be new, nothing that the old one issued is good any
    /// more.
    fn make(&self, hosts: &[&HostName]) -> Result<Loaded, Vec<LoadError>> {
        let _lock = files::lock(self.folder).map_err(|error| {
            vec![LoadError::new(
                CONFIG_KEY,
                self.folder,
                Problem::Folder(error),
            )]
        })?;
        let notice = if self.was_used(hosts) {
            Notice::NewCa
        } else {
            Notice::FirstCa
        };
        let ca = Ca::open(self.folder, self.now).map_err(|error| vec![error])?;
        let mut loaded = Loaded::default();
        if ca.is_new {
            loaded.warnings.push(Warning::new(
                CONFIG_KEY,
                &Pair::of_ca(self.folder).cert,
                notice,
            ));
        }
        for host in hosts {
            if serves(&loaded, host) {
                continue;
            }
            let one = match self.find(host) {
                Some(one) => one,
                None => {
                    ca.issue(host).map_err(|error| vec![error])?;
                    load::pair(&self.pair(host))?
                }
            };
            loaded.extend(one);
        }
        Ok(loaded)
    }

    /// Whether there is anything of an earlier CA, which clients may trust.
    fn was_used(&self, hosts: &[&HostName]) -> bool {
        let mut files = hosts
            .iter()
            .map(|host| Pair::of_host(self.folder, host))
            .chain([Pair::of_ca(self.folder)]);
        files.any(|Pair { cert, key }| cert.exists() || key.exists())
    }

    /// What making them would do, or why it would fail.
    fn to_be_made(&self, missing: &[&HostName]) -> Result<Vec<Warning>, Vec<LoadError>> {
        let (mut notes, mut errors) = (Vec::new(), Vec::new());
        errors.extend(Ca::check(self.folder, self.now).err());
        for host in missing {
            let files = Pair::of_host(self.folder, host);
            match files.may_be_written() {
                Ok(()) => notes.push(Warning::new(
                    CONFIG_KEY,
                    &files.cert,
                    Notice::WillBeMade((*host).clone()),
                )),
                Err((file, problem)) => errors.push(LoadError::new(CONFIG_KEY, file, problem)),
            }
        }
        if errors.is_empty() {
            Ok(notes)
        } else {
            Err(errors)
        }
    }

    fn find(&self, host: &HostName) -> Option<Loaded> {
        let loaded = load::pair(&self.pair(host)).ok()?;
        let ca = PemFile::read(&Pair::of_ca(self.folder).cert)
            .and_then(|file| file.chain())
            .ok()?
            .swap_remove(0);
        let leaf = loaded.entries.first()?.leaf()?;
        let good = |at| is_accepted(leaf, &ca, host, at).is_some();
        (good(self.now) && good(self.now + RENEW_BEFORE)).then_some(loaded)
    }

    fn pair(&self, host: &HostName) -> PairSpec {
        let Pair { cert, key } = Pair::of_host(self.folder, host);
        PairSpec {
            cert,
            key,
            config_key: CONFIG_KEY.to_owned(),
        }
    }
}

fn serves(loaded: &Loaded, host: &HostName) -> bool {
    loaded
        .entries
        .iter()
        .any(|entry| entry.info.names_host(host))
}

/// Whether a client that trusts the CA accepts the certificate for the host at that moment.
fn is_accepted(
    leaf: &CertificateDer<'_>,
    ca: &CertificateDer<'_>,
    host: &HostName,
    at: SystemTime,
) -> Option<()> {
    // Verification takes a trust anchor at its word; clients look at its dates too.
    let (begin, end) = x509::validity(&x509::parse(ca).ok()?);
    if at < begin || at > end {
        return None;
    }
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone().into_owned()).ok()?;
    let leaf = ParsedCertificate::try_from(leaf).ok()?;
    let time = UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).ok()?);
    let algorithms = provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&leaf, &roots, &[], time, algorithms).ok()?;
    for name in names_of(host) {
        verify_server_name(&leaf, &ServerName::try_from(name.as_str()).ok()?).ok()?;
    }
    Some(())
}
