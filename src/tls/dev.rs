//! Development certificates: read from their folder, or issued by the development CA.
//!
//! An existing certificate is used if a client that trusts `ca.pem` accepts it now and in a month.
//! If all certificates exist, nothing is written or locked, so a read-only folder works too.

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

/// How long a certificate must still be valid to be used: a process may well run that long.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The certificates for the hosts, in their order. A host that an earlier certificate names gets
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
                Some(found) => loaded.extend(found),
                None => missing.push(host),
            }
        }
        (loaded, missing)
    }

    /// Issues the missing certificates under the folder's lock. Looks at each again first, as
    /// another process may have issued it in the meantime. The CA is opened before that: a new CA
    /// invalidates every certificate of the old one.
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
            let found = match self.find(host) {
                Some(found) => found,
                None => {
                    ca.issue(host).map_err(|error| vec![error])?;
                    load::pair(&self.pair(host))?
                }
            };
            loaded.extend(found);
        }
        Ok(loaded)
    }

    /// Whether there are files of an earlier CA, which clients may trust.
    fn was_used(&self, hosts: &[&HostName]) -> bool {
        let mut files = hosts
            .iter()
            .map(|host| Pair::of_host(self.folder, host))
            .chain([Pair::of_ca(self.folder)]);
        files.any(|Pair { cert, key }| cert.exists() || key.exists())
    }

    /// Notices about the certificates that a start would issue, or why it would fail.
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

/// Whether a client that trusts the CA accepts the certificate for the host at that time.
fn is_accepted(
    leaf: &CertificateDer<'_>,
    ca: &CertificateDer<'_>,
    host: &HostName,
    at: SystemTime,
) -> Option<()> {
    // The verifier ignores the dates of a trust anchor, but clients check them.
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
