//! Reads a pair of files into a certificate that can be served.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error as TlsError, InconsistentKeys};

use super::entry::CertEntry;
use super::info::{CertInfo, Origin};
use super::pem::PemFile;
use super::problem::{LoadError, Notice, Problem, Warning};
use super::{PairSpec, chain, files, provider, x509};

/// Certificates that can be served, and warnings about them.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) entries: Vec<Arc<CertEntry>>,
    pub(super) warnings: Vec<Warning>,
}

impl Loaded {
    pub(super) fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.warnings.extend(other.warnings);
    }
}

/// Reads every pair, even after one has failed. If a pair fails and `previous` has a certificate of
/// it, that certificate is used and the errors are added to `kept`.
pub(super) fn pairs(
    specs: &[PairSpec],
    previous: impl Fn(&PairSpec) -> Option<Arc<CertEntry>>,
    kept: &mut Vec<LoadError>,
) -> Result<Loaded, Vec<LoadError>> {
    let (mut loaded, mut errors) = (Loaded::default(), Vec::new());
    for spec in specs {
        match (pair(spec), previous(spec)) {
            (Ok(read), _) => loaded.extend(read),
            (Err(failures), Some(entry)) => {
                kept.extend(failures);
                loaded.entries.push(entry);
            }
            (Err(failures), None) => errors.extend(failures),
        }
    }
    if errors.is_empty() {
        Ok(loaded)
    } else {
        Err(errors)
    }
}

/// Reads one pair.
pub(super) fn pair(spec: &PairSpec) -> Result<Loaded, Vec<LoadError>> {
    let (chain, key) = read(spec)?;
    let certified = certify(spec, chain, key).map_err(|error| vec![error])?;
    describe(spec, certified).map_err(|problem| vec![at_cert(spec, problem)])
}

/// Reads a certificate that is shown to servers. It may name no host.
pub(super) fn certified(spec: &PairSpec) -> Result<CertifiedKey, LoadError> {
    let (chain, key) = read(spec).map_err(|mut errors| errors.swap_remove(0))?;
    certify(spec, chain, key)
}

fn at_cert(spec: &PairSpec, problem: Problem) -> LoadError {
    LoadError::new(format!("{}.cert", spec.config_key), &spec.cert, problem)
}

fn at_key(spec: &PairSpec, problem: Problem) -> LoadError {
    LoadError::new(format!("{}.key", spec.config_key), &spec.key, problem)
}

type ChainAndKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads chain and key. A file that holds both is read once, as a renewal may replace it between
/// two reads.
fn read(spec: &PairSpec) -> Result<ChainAndKey, Vec<LoadError>> {
    let (chain, key) = if spec.cert == spec.key {
        let file = PemFile::read(&spec.cert).map_err(|problem| vec![at_cert(spec, problem)])?;
        (file.chain(), file.key())
    } else {
        let of = |path: &Path| PemFile::read(path);
        (
            of(&spec.cert).and_then(|file| file.chain()),
            of(&spec.key).and_then(|file| file.key()),
        )
    };
    match (chain, key) {
        (Ok(chain), Ok(key)) => Ok((chain, key)),
        (chain, key) => {
            let cert = chain.err().map(|problem| at_cert(spec, problem));
            Err(cert
                .into_iter()
                .chain(key.err().map(|problem| at_key(spec, problem)))
                .collect())
        }
    }
}

/// Combines chain and key if they match.
fn certify(
    spec: &PairSpec,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, LoadError> {
    let key = provider().key_provider.load_private_key(key).map_err(|_| {
        // The library's own words only list what it has tried.
        let kind = chain.first().and_then(chain::unusable_key);
        at_key(
            spec,
            kind.map_or(Problem::UnusableKey, Problem::UnusableKind),
        )
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // Unknown means that the key does not expose its public half; a mismatch then shows in the
        // handshake.
        Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(TlsError::InconsistentKeys(_)) => Err(mismatch(spec, &certified)),
        Err(error) => Err(at_cert(spec, Problem::UnusableCertificate(error))),
    }
}

/// Distinguishes a chain in the wrong order from a wrong key.
fn mismatch(spec: &PairSpec, certified: &CertifiedKey) -> LoadError {
    let is_of_key = |cert: &CertificateDer<'static>, key: &Arc<dyn SigningKey>| {
        CertifiedKey::new(vec![cert.clone()], Arc::clone(key))
            .keys_match()
            .is_ok()
    };
    match certified
        .cert
        .iter()
        .position(|cert| is_of_key(cert, &certified.key))
    {
        Some(index) => at_cert(spec, Problem::LeafNotFirst { place: index + 1 }),
        None => at_key(
            spec,
            Problem::KeyMismatch {
                cert: spec.cert.clone(),
            },
        ),
    }
}

/// A certificate that does not come from a pair of files. `place` is where messages say it is.
pub(super) fn entry(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    place: PathBuf,
    config_key: &str,
    origin: Origin,
) -> Result<CertEntry, Problem> {
    let spec = PairSpec {
        cert: place.clone(),
        key: place,
        config_key: config_key.to_owned(),
    };
    let certified = certify(&spec, chain, key).map_err(|error| error.problem)?;
    let (info, _) = info(&spec, &certified, origin)?;
    Ok(CertEntry::new(info, certified))
}

/// The facts about a certificate, and the names in it that are not host names.
fn info(
    spec: &PairSpec,
    certified: &CertifiedKey,
    origin: Origin,
) -> Result<(CertInfo, Vec<String>), Problem> {
    let leaf = certified
        .end_entity_cert()
        .map_err(Problem::UnusableCertificate)?;
    let facts = x509::facts(leaf)?;
    let info = CertInfo {
        names: facts.names,
        not_before: facts.not_before,
        not_after: facts.not_after,
        algorithm: certified.key.algorithm(),
        file: spec.cert.clone(),
        config_key: spec.config_key.clone(),
        origin,
    };
    Ok((info, facts.ignored))
}

fn describe(spec: &PairSpec, certified: CertifiedKey) -> Result<Loaded, Problem> {
    let origin = if spec.config_key == files::CONFIG_KEY {
        Origin::Development
    } else {
        Origin::File
    };
    let (info, ignored) = info(spec, &certified, origin)?;
    let mut notices: Vec<Notice> = ignored.into_iter().map(Notice::IgnoredName).collect();
    if origin == Origin::File {
        notices.extend(chain::notices(&certified.cert, &spec.cert));
    }
    let notices = notices.into_iter();
    let warnings = notices.map(|notice| info.warning(notice)).collect();
    Ok(Loaded {
        entries: vec![Arc::new(CertEntry::new(info, certified))],
        warnings,
    })
}
