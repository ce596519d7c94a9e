//! Fixtures: generated certificates, a folder for them, and both ends of a handshake in memory.

mod chain;
mod dev;
mod handshake;
mod load;
mod names;
mod ordered;
mod trust;

use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, SanType, SignatureAlgorithm,
};
use tempfile::TempDir;

use super::{CertTable, LoadError, MinVersion, Mode, PairSpec, TlsSpec, Warning};
use crate::host::HostName;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The time in all tests: 2026-05-28 20:26:40 UTC.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000)
}

/// A number of days from now; negative for the past.
fn day(days: i64) -> SystemTime {
    let span = DAY * u32::try_from(days.unsigned_abs()).unwrap();
    if days < 0 { now() - span } else { now() + span }
}

fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

/// A certificate authority that test clients trust.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
struct Made {
    cert: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate that is valid from one day to another.
    fn issue_for(
        &self,
        names: &[&str],
        days: Range<i64>,
        algorithm: &'static SignatureAlgorithm,
    ) -> Made {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        self.issue_with(params, days, algorithm)
    }

    fn issue_with(
        &self,
        mut params: CertificateParams,
        days: Range<i64>,
        algorithm: &'static SignatureAlgorithm,
    ) -> Made {
        params.not_before = day(days.start).into();
        params.not_after = day(days.end).into();
        let key = KeyPair::generate_for(algorithm).unwrap();
        Made {
            cert: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn ecdsa(&self, names: &[&str]) -> Made {
        self.issue_for(names, -10..60, &PKCS_ECDSA_P256_SHA256)
    }

    fn rsa(&self, names: &[&str]) -> Made {
        self.issue_for(names, -10..60, &PKCS_RSA_SHA256)
    }
}

/// A folder with files, removed when it is dropped.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(
            tempfile::Builder::new()
                .prefix("ianitor-tls-")
                .tempdir()
                .unwrap(),
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that only its owner can read.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Writes `<name>.pem` and `<name>-key.pem`, and returns their specification.
    fn pair(&self, name: &str, made: &Made) -> PairSpec {
        let cert = self.write(&format!("{name}.pem"), &made.cert);
        let key = self.write(&format!("{name}-key.pem"), &made.key);
        PairSpec {
            cert,
            key,
            config_key: format!("tls.{name}"),
        }
    }

    fn spec(&self, certificates: Vec<PairSpec>) -> TlsSpec {
        let dev_folder = self.path("certs");
        let min_version = MinVersion::Tls12;
        let (self_signed, ordered) = (Vec::new(), Vec::new());
        TlsSpec {
            is_used: true,
            min_version,
            certificates,
            self_signed,
            default: false,
            dev_folder,
            ordered,
            placeholder: false,
            client_auth: None,
        }
    }

    fn self_signed(&self, hosts: &[&str]) -> TlsSpec {
        TlsSpec {
            self_signed: hosts.iter().map(|name| host(name)).collect(),
            ..self.spec(Vec::new())
        }
    }

    /// Loads these certificates under the names `a`, `b`, … in their order.
    fn table(&self, made: &[Made]) -> (CertTable, Vec<Warning>) {
        let pairs = made
            .iter()
            .zip('a'..)
            .map(|(made, name)| self.pair(&name.to_string(), made))
            .collect();
        load(&self.spec(pairs)).unwrap()
    }
}

fn load(spec: &TlsSpec) -> Result<(CertTable, Vec<Warning>), Vec<LoadError>> {
    CertTable::load(spec, now(), Mode::Make)
}

/// The file names of the certificates that can be served for a name, the preferred one first.
fn answers(table: &CertTable, name: &str) -> Vec<String> {
    let name = (!name.is_empty()).then(|| host(name));
    table
        .lookup(name.as_ref())
        .map(|info| info.file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// Runs the openssl command, which must succeed.
fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "openssl {arguments:?}: {text}");
    text
}
