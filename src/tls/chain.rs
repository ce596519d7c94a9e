//! What clients would reject about a chain of certificates that can be served, and keys that no TLS
//! library takes, in words.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::public_key::PublicKey;

use super::pem::PemFile;
use super::problem::Notice;
use super::x509;

/// What a chain is called next to the file that has only the server's certificate: by certbot, and
/// by acme.sh.
const WHOLE_CHAINS: [&str; 2] = ["fullchain.pem", "fullchain.cer"];

/// The smallest RSA key that TLS libraries take.
const LEAST_RSA: usize = 2048;

/// Signature algorithms that clients no longer accept, by object identifier.
const OLD_SIGNATURES: [(&str, &str); 4] = [
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
];

/// Where CAs say how to get the issuer's certificate (RFC 5280, section 4.2.2.1).
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";

/// What clients would reject. `file` is where the chain was read.
pub(super) fn notices(chain: &[CertificateDer<'_>], file: &Path) -> Vec<Notice> {
    let certs: Vec<_> = chain
        .iter()
        .map_while(|cert| x509::parse(cert).ok())
        .collect();
    let Some(leaf) = certs.first() else {
        return Vec::new();
    };
    let mut notices = Vec::new();
    let usage = leaf.extended_key_usage().ok().flatten();
    if usage.is_some_and(|usage| !usage.value.server_auth && !usage.value.any) {
        notices.push(Notice::NotForServers);
    }
    notices.extend(certs.iter().find_map(old_signature));
    notices.extend(if certs.len() == 1 {
        lone_leaf(leaf, &chain[0], file)
    } else {
        certs.windows(2).zip(2..).find_map(|(pair, place)| {
            let is_signed = pair[0].issuer() == pair[1].subject() && have_same_key_id(pair);
            (!is_signed).then(|| Notice::NotItsIssuer {
                place,
                found: name(pair[1].subject()),
                wanted: name(pair[0].issuer()),
            })
        })
    });
    notices
}

/// A self-signed certificate has no issuer, and one of a private CA often needs no other: clients
/// have the CA itself. Certificates of public CAs say where their issuer's is.
fn lone_leaf(leaf: &X509Certificate<'_>, der: &CertificateDer<'_>, file: &Path) -> Option<Notice> {
    if leaf.subject() == leaf.issuer() {
        return None;
    }
    let whole = whole_chain(der, file);
    (whole.is_some() || names_issuer(leaf)).then(|| Notice::NoIssuer {
        issuer: name(leaf.issuer()),
        whole,
    })
}

/// The file next to this one that has the same certificate with its issuer's.
fn whole_chain(leaf: &CertificateDer<'_>, file: &Path) -> Option<PathBuf> {
    let beside = WHOLE_CHAINS.iter().map(|name| file.with_file_name(name));
    let is_whole = |path: &PathBuf| {
        let chain = PemFile::read(path).and_then(|file| file.chain());
        chain.is_ok_and(|chain| chain.len() > 1 && chain[0] == *leaf)
    };
    beside.into_iter().find(is_whole)
}

fn names_issuer(cert: &X509Certificate<'_>) -> bool {
    cert.iter_extensions().any(|extension| {
        let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else {
            return false;
        };
        let mut all = access.accessdescs.iter();
        all.any(|one| one.access_method.to_id_string() == CA_ISSUERS)
    })
}

/// Whether the key that signed the first certificate may be that of the second: two CAs may have
/// one name.
fn have_same_key_id(pair: &[X509Certificate<'_>]) -> bool {
    let wanted =
        pair[0]
            .iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => Some(id.key_identifier.as_ref()?.0),
                _ => None,
            });
    let found =
        pair[1]
            .iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
                _ => None,
            });
    wanted
        .zip(found)
        .is_none_or(|(wanted, found)| wanted == found)
}

/// The signature of a self-signed certificate is not verified.
fn old_signature(cert: &X509Certificate<'_>) -> Option<Notice> {
    let id = cert.signature_algorithm.algorithm.to_id_string();
    let (_, hash) = OLD_SIGNATURES.iter().find(|(old, _)| *old == id)?;
    let is_self_signed = cert.subject() == cert.issuer();
    (!is_self_signed).then(|| Notice::OldSignature {
        subject: name(cert.subject()),
        hash,
    })
}

fn name(of: &x509_parser::x509::X509Name<'_>) -> String {
    let common = of.iter_common_name().next();
    let common = common.and_then(|name| name.as_str().ok());
    common.map_or_else(|| of.to_string(), str::to_owned)
}

/// The kind of a certificate's key, if TLS libraries do not take it.
pub(super) fn unusable_key(leaf: &CertificateDer<'_>) -> Option<String> {
    let cert = x509::parse(leaf).ok()?;
    let key = cert.public_key();
    match key.parsed().ok()? {
        PublicKey::RSA(rsa) => {
            let bits = rsa.key_size();
            (bits < LEAST_RSA).then(|| format!("RSA with {bits} bits"))
        }
        PublicKey::EC(_) => {
            let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
            Some(match &*curve.to_id_string() {
                "1.2.840.10045.3.1.7" | "1.3.132.0.34" | "1.3.132.0.35" => return None,
                "1.3.132.0.10" => "ECDSA on the curve secp256k1".to_owned(),
                other => format!("ECDSA on the curve {other}"),
            })
        }
        PublicKey::DSA(_) => Some("DSA".to_owned()),
        _ => None,
    }
}
