//! From a pair of files to a certificate that can be served.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error as TlsError, InconsistentKeys};

use super::entry::Entry;
use super::info::{CertInfo, Origin};
use super::pem::PemFile;
use super::problem::{LoadError, Notice, Problem, Warning};
use super::{PairSpec, files, provider, x509};

/// Certificates ready to serve, and what there is to say about them.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) warnings: Vec<Warning>,
}

impl Loaded {
    pub(super) fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.warnings.extend(other.warnings);
    }
}

/// Reads every pair, also after one has failed. In the place of one that fails stands what `before`
/// has of it; then its errors go to `kept`.
pub(super) fn pairs(
    specs: &[PairSpec],
    before: impl Fn(&PairSpec) -> Option<Arc<Entry>>,
    kept: &mut Vec<LoadError>,
) -> Result<Loaded, Vec<LoadError>> {
    let (mut loaded, mut errors) = (Loaded::default(), Vec::new());
    for spec in specs {
        match (pair(spec), before(spec)) {
            (Ok(one), _) => loaded.extend(one),
            (Err(more), Some(entry)) => {
                kept.extend(more);
                loaded.entries.push(entry);
            }
            (Err(more), None) => errors.extend(more),
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

fn at_cert(spec: &PairSpec, problem: Problem) -> LoadError {
    LoadError::new(format!("{}.cert", spec.config_key), &spec.cert, problem)
}

fn at_key(spec: &PairSpec, problem: Problem) -> LoadError {
    LoadError::new(format!("{}.key", spec.config_key), &spec.key, problem)
}

type ChainAndKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A combined file is read once: a renewal that replaces it in between must not tear the pair
/// apart.
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

/// Puts chain and key together, if they belong together.
fn certify(
    spec: &PairSpec,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, LoadError> {
    let key = provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| at_key(spec, Problem::UnusableKey(error)))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // Unknown is a key that does not tell its public half: then the handshake will.
        Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(TlsError::InconsistentKeys(_)) => Err(mismatch(spec, &certified)),
        Err(error) => Err(at_cert(spec, Problem::UnusableCertificate(error))),
    }
}

/// Tells a chain in the wrong order from the wrong key.
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
        Some(at) => at_cert(spec, Problem::LeafNotFirst { place: at + 1 }),
        None => at_key(
            spec,
            Problem::KeyMismatch {
                cert: spec.cert.clone(),
            },
        ),
    }
}

/// A pair that comes from no pair of files.
pub(super) fn entry(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    place: PathBuf,
    config_key: &str,
    origin: Origin,
) -> Result<Entry, Problem> {
    let spec = PairSpec {
        cert: place.clone(),
        key: place,
        config_key: config_key.to_owned(),
    };
    let certified = certify(&spec, chain, key).map_err(|error| error.problem)?;
    let (info, _) = info(&spec, &certified, origin)?;
    Ok(Entry::new(info, certified))
}

/// What a certificate is, and the names in it that are none.
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
    let warnings = ignored
        .into_iter()
        .map(|name| info.warning(Notice::IgnoredName(name)))
        .collect();
    Ok(Loaded {
        entries: vec![Arc::new(Entry::new(info, certified))],
        warnings,
    })
}
