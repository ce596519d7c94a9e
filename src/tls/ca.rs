//! The development CA. It outlives the certificates that it issues, so that clients have to trust
//! it only once.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};

use super::files::{CONFIG_KEY, MARK, Pair, names_of};
use super::pem::PemFile;
use super::problem::{LoadError, Problem};
use super::x509;
use crate::host::HostName;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CA_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
/// Short enough that developers see renewals happen. Apple accepts at most 825 days from a private
/// CA.
const LEAF_LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How far in the past validity begins: the clocks of phones and virtual machines are often behind.
const LATE_CLOCKS: Duration = Duration::from_secs(60 * 60);

/// The CA and the folder that it writes certificates into. The caller holds the folder's lock.
pub(super) struct Ca<'a> {
    folder: &'a Path,
    now: SystemTime,
    issuer: Issuer<'static, KeyPair>,
    /// Whether [`Ca::open`] generated this CA.
    pub(super) is_new: bool,
}

impl<'a> Ca<'a> {
    /// Reads the CA of the folder, or generates one if there is none that can issue.
    pub(super) fn open(folder: &'a Path, now: SystemTime) -> Result<Self, LoadError> {
        let files = Pair::of_ca(folder);
        if let Some(issuer) = existing(&files, now)? {
            return Ok(Self {
                folder,
                now,
                issuer,
                is_new: false,
            });
        }
        let (issuer, cert) = make(now).map_err(|e| at(&files.cert, Problem::Make(e)))?;
        write(&files, &cert, issuer.key())?;
        Ok(Self {
            folder,
            now,
            issuer,
            is_new: true,
        })
    }

    /// Checks that [`Ca::open`] would find a CA or be able to generate one. Writes nothing.
    pub(super) fn check(folder: &Path, now: SystemTime) -> Result<(), LoadError> {
        let files = Pair::of_ca(folder);
        match existing(&files, now)? {
            Some(_) => Ok(()),
            None => files
                .may_be_written()
                .map_err(|(file, problem)| at(file, problem)),
        }
    }

    /// Generates the certificate for a host and writes it.
    pub(super) fn issue(&self, host: &HostName) -> Result<(), LoadError> {
        let files = Pair::of_host(self.folder, host);
        let (cert, key) = self
            .leaf(host)
            .map_err(|e| at(&files.cert, Problem::Make(e)))?;
        write(&files, &cert, &key)
    }

    fn leaf(&self, host: &HostName) -> Result<(String, KeyPair), rcgen::Error> {
        let names: Vec<_> = names_of(host)
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = named(format!("{MARK} certificate"));
        params.not_before = (self.now - LATE_CLOCKS).into();
        params.not_after = (self.now + LEAF_LIFETIME).into();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key))
    }
}

fn at(file: &Path, problem: Problem) -> LoadError {
    LoadError::new(CONFIG_KEY, file, problem)
}

fn write(files: &Pair, cert: &str, key: &KeyPair) -> Result<(), LoadError> {
    let at = |(file, problem): (&Path, Problem)| at(file, problem);
    files.may_be_written().map_err(at)?;
    files.write(cert, &key.serialize_pem()).map_err(at)
}

/// The CA on disk, if its certificate and key exist, match, and are valid for longer than a newly
/// issued certificate.
fn existing(files: &Pair, now: SystemTime) -> Result<Option<Issuer<'static, KeyPair>>, LoadError> {
    let chain = match PemFile::read(&files.cert).and_then(|file| file.chain()) {
        Err(Problem::Missing) => return Ok(None),
        other => other.map_err(|problem| at(&files.cert, problem))?,
    };
    let key = match PemFile::read(&files.key).and_then(|file| file.key()) {
        Err(Problem::Missing) => return Ok(None),
        other => other.map_err(|problem| at(&files.key, problem))?,
    };
    let Ok(key) = KeyPair::try_from(&key) else {
        return Ok(None);
    };
    let cert = x509::parse(&chain[0]).map_err(|problem| at(&files.cert, problem))?;
    let (begin, end) = x509::validity(&cert);
    let usable = cert.is_ca()
        && cert.public_key().raw == key.subject_public_key_info()
        && begin <= now - LATE_CLOCKS
        && end >= now + LEAF_LIFETIME;
    if !usable {
        return Ok(None);
    }
    Issuer::from_ca_cert_der(&chain[0], key)
        .map(Some)
        .map_err(|e| at(&files.cert, Problem::Make(e)))
}

fn make(now: SystemTime) -> Result<(Issuer<'static, KeyPair>, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = named(format!("{MARK} CA ({})", suffix(&key)));
    params.not_before = (now - DAY).into();
    params.not_after = (now + CA_LIFETIME).into();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let cert = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), cert))
}

fn named(common_name: String) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// The last bytes of the public key. They tell CAs of several machines apart in a trust store, and
/// reveal nothing about the machine.
fn suffix(key: &KeyPair) -> String {
    key.public_key_raw()
        .iter()
        .rev()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
