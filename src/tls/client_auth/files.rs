//! Reads the files by which certificates of clients are judged.

use std::path::Path;
use std::time::SystemTime;

use rustls::pki_types::CertificateRevocationListDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::X509Version;

use super::super::client_problem::{ClientAuthNotice, ClientAuthProblem};
use super::super::date::Date;
use super::super::pem::PemFile;
use super::super::problem::{LoadError, Notice, Problem, Warning};
use super::super::x509;
use super::dn::Dn;
use super::{ClientAuthSpec, ClientAuthority};
use crate::clock::UnixTime;

const CA: &str = "tls.client_ca";
const CRL: &str = "tls.client_crl";

impl ClientAuthority {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with each of them.
    pub fn load(
        spec: &ClientAuthSpec,
        now: SystemTime,
    ) -> Result<(Self, Vec<Warning>), Vec<LoadError>> {
        let certs = PemFile::read(&spec.ca).and_then(|file| file.chain());
        let certs = certs.and_then(|certs| {
            let unreadable = certs.iter().find_map(|cert| x509::parse(cert).err());
            unreadable.map_or(Ok(certs), Err)
        });
        let certs = certs.map_err(|problem| LoadError::new(CA, &spec.ca, problem));
        let lists = spec.crl.as_deref().map(|path| {
            let lists = PemFile::read_lists(path).and_then(Lists::of);
            lists.map_err(|problem| LoadError::new(CRL, path, problem))
        });
        let (certs, lists) = match (certs, lists.transpose()) {
            (Ok(certs), Ok(lists)) => (certs, lists),
            (certs, lists) => return Err(certs.err().into_iter().chain(lists.err()).collect()),
        };
        let (ders, due) = match &lists {
            Some(lists) => (lists.ders.clone(), lists.newer_due()),
            None => (Vec::new(), None),
        };
        let authority = Self::new(certs, ders, due).map_err(|problem| {
            let (key, path) = match (&problem, &spec.crl) {
                (ClientAuthProblem::NoAuthority(_), _) | (_, None) => (CA, &spec.ca),
                (_, Some(crl)) => (CRL, crl),
            };
            vec![LoadError::new(key, path, problem.into())]
        })?;
        let mut warnings = authority.expired(&spec.ca, now);
        if let (Some(lists), Some(path)) = (&lists, &spec.crl) {
            warnings.extend(lists.warnings(&authority, path, now));
        }
        Ok((authority, warnings))
    }

    /// Warnings about CAs that have expired.
    fn expired(&self, path: &Path, now: SystemTime) -> Vec<Warning> {
        let certs = self
            .certs()
            .iter()
            .filter_map(|cert| x509::parse(cert).ok());
        let expired = certs.filter_map(|cert| {
            let (_, end) = x509::validity(&cert);
            let notice = ClientAuthNotice::CaExpired {
                ca: Dn::of(cert.subject()).to_string(),
                on: Date(end),
            };
            (cert.is_ca() && end < now).then(|| Warning::new(CA, path, notice.into()))
        });
        expired.collect()
    }
}

/// The lists of a file.
struct Lists {
    ders: Vec<CertificateRevocationListDer<'static>>,
    /// The issuer of each as it is encoded, and when a newer one is due.
    known: Vec<(Vec<u8>, String, Option<SystemTime>)>,
}

impl Lists {
    fn of(ders: Vec<CertificateRevocationListDer<'static>>) -> Result<Self, Problem> {
        let known = |der: &CertificateRevocationListDer<'static>| {
            let parsed = x509_parser::parse_x509_crl(der);
            let (_, list) = parsed.map_err(Problem::UnparsableList)?;
            if list.version() != Some(X509Version::V2) {
                return Err(ClientAuthProblem::OldFormat.into());
            }
            Ok((
                list.issuer().as_raw().to_vec(),
                Dn::of(list.issuer()).to_string(),
                newer_due(&list),
            ))
        };
        let known = ders.iter().map(known).collect::<Result<_, Problem>>()?;
        Ok(Self { ders, known })
    }

    /// When the first of them is out of date.
    fn newer_due(&self) -> Option<UnixTime> {
        let due = self.known.iter().filter_map(|(_, _, due)| *due);
        due.min().map(UnixTime::from)
    }

    fn warnings(&self, authority: &ClientAuthority, path: &Path, now: SystemTime) -> Vec<Warning> {
        let old = self.known.iter().filter_map(|(_, issuer, due)| {
            let since = due.filter(|due| *due < now)?;
            Some(ClientAuthNotice::OutOfDate {
                issuer: issuer.clone(),
                since: Date(since),
            })
        });
        let certs = authority.certs().iter();
        let cas = certs.filter_map(|cert| x509::parse(cert).ok().filter(|cert| cert.is_ca()));
        let missing = cas.filter_map(|ca| {
            let subject = ca.subject();
            let mut known = self.known.iter();
            let is_known = known.any(|(issuer, ..)| issuer == subject.as_raw());
            (!is_known).then(|| ClientAuthNotice::Missing(Dn::of(subject).to_string()))
        });
        let notices = old.chain(missing);
        notices
            .map(|notice| Warning::new(CRL, path, Notice::ClientAuth(notice)))
            .collect()
    }
}

fn newer_due(list: &CertificateRevocationList<'_>) -> Option<SystemTime> {
    list.next_update().map(x509::system_time)
}
