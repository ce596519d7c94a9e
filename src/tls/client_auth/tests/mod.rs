//! Certificates that count and those that do not.

mod names;

use std::fs;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, RevokedCertParams,
    SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;

use super::super::client_problem::ClientAuthNotice;
use super::super::problem::Notice;
use super::*;
use crate::clock::UnixTime;

const NOW: u64 = 1_780_000_000;
const DAY: u64 = 24 * 60 * 60;

fn at(days: i64) -> SystemTime {
    let seconds = NOW.saturating_add_signed(days * 86_400);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

struct Ca {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = at(-10).into();
    params.not_after = at(10).into();
    params
}

impl Ca {
    fn new(name: &str) -> Self {
        let (mut params, key) = (named(name), KeyPair::generate().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        let cert = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), cert.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { folder, issuer }
    }

    fn issue(&self, params: &CertificateParams) -> ClientCertificate {
        let key = KeyPair::generate().unwrap();
        shown(params.signed_by(&key, &self.issuer).unwrap().der())
    }

    /// Writes a list of revoked serial numbers for which a newer one is due at this day.
    fn revoke(&self, serials: &[u64], due: i64) {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: at(-1).into(),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: at(-5).into(),
            next_update: at(due).into(),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).unwrap().pem().unwrap();
        self.write("crl.pem", &list);
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn spec(&self, has_list: bool) -> ClientAuthSpec {
        let path = |name| self.folder.path().join(name);
        ClientAuthSpec {
            ca: path("ca.pem"),
            crl: has_list.then(|| path("crl.pem")),
        }
    }

    fn authority(&self, has_list: bool) -> ClientAuthority {
        ClientAuthority::load(&self.spec(has_list), at(0))
            .unwrap()
            .0
    }

    fn problems(&self, has_list: bool) -> Vec<String> {
        let loaded = ClientAuthority::load(&self.spec(has_list), at(0));
        let problems = loaded.unwrap_err().into_iter();
        problems.map(|problem| problem.to_string()).collect()
    }
}

fn shown(der: &CertificateDer<'_>) -> ClientCertificate {
    ClientCertificate::shown(Some(std::slice::from_ref(der))).unwrap()
}

fn judge(
    authority: &ClientAuthority,
    certificate: &ClientCertificate,
) -> Result<(), BadCertificate> {
    authority.verify(certificate, UnixTime(NOW)).map(drop)
}

#[test]
fn only_a_certificate_of_the_ca_counts_for_as_long_as_it_is_valid() {
    let (ca, other) = (Ca::new("ours"), Ca::new("ours"));
    let authority = ca.authority(false);
    let good = ca.issue(&named("ada"));
    let validity = authority.verify(&good, UnixTime(NOW)).unwrap();
    assert_eq!(validity.expires, UnixTime(NOW + 10 * DAY + 1));
    assert_eq!(validity.until, validity.expires);
    assert_eq!(
        judge(&authority, &other.issue(&named("ada"))),
        Err(BadCertificate::Unknown)
    );
    let with = |change: fn(&mut CertificateParams)| {
        let mut params = named("ada");
        change(&mut params);
        judge(&authority, &ca.issue(&params))
    };
    assert_eq!(
        with(|it| it.not_after = at(-1).into()),
        Err(BadCertificate::Expired)
    );
    assert_eq!(
        with(|it| it.not_before = at(1).into()),
        Err(BadCertificate::NotYet)
    );
    let server = |it: &mut CertificateParams| {
        it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    assert_eq!(with(server), Err(BadCertificate::Purpose));
    let client = |it: &mut CertificateParams| {
        it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    assert_eq!(with(client), Ok(()));
    let junk = CertificateDer::from(vec![0x30, 0]);
    assert_eq!(
        judge(&authority, &shown(&junk)),
        Err(BadCertificate::Unreadable)
    );
}

#[test]
fn a_self_signed_certificate_counts_only_if_it_is_in_the_file() {
    let ca = Ca::new("ours");
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = named("ada");
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        let old = ca.authority(false);
        assert!(judge(&old, &shown(own.der())).is_err());
        ca.write("ca.pem", &own.pem());
        let authority = ca.authority(false);
        assert_eq!(judge(&authority, &shown(own.der())), Ok(()));
        let later = authority.verify(&shown(own.der()), UnixTime(NOW + 11 * DAY));
        assert_eq!(later, Err(BadCertificate::Expired));
        assert_eq!(
            judge(&authority, &ca.issue(&named("ada"))),
            Err(BadCertificate::Unknown)
        );
    }
}

#[test]
fn what_is_revoked_or_of_a_list_out_of_date_does_not_count() {
    let ca = Ca::new("ours");
    let mut params = named("ada");
    params.serial_number = Some(SerialNumber::from(7_u64));
    let ada = ca.issue(&params);
    params.serial_number = Some(SerialNumber::from(8_u64));
    let bob = ca.issue(&params);
    ca.revoke(&[7], 2);
    let authority = ca.authority(true);
    assert_eq!(judge(&authority, &ada), Err(BadCertificate::Revoked));
    let validity = authority.verify(&bob, UnixTime(NOW)).unwrap();
    assert_eq!(validity.until, UnixTime(NOW + 2 * DAY));
    assert_eq!(validity.expires, UnixTime(NOW + 10 * DAY + 1));
    let later = authority.verify(&bob, UnixTime(NOW + 2 * DAY + 1));
    assert_eq!(later, Err(BadCertificate::OldCrl));
    let (_, warnings) = ClientAuthority::load(&ca.spec(true), at(3)).unwrap();
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    let notice = &warning.notice;
    assert!(
        matches!(notice, Notice::ClientAuth(ClientAuthNotice::OutOfDate { issuer, .. })
        if issuer == "CN=ours")
    );
    // The list of another CA, and one that another CA has signed in its name.
    let (named_other, forger) = (Ca::new("other"), Ca::new("ours"));
    for (of, why, warned) in [
        (&named_other, BadCertificate::NoCrl, 1),
        (&forger, BadCertificate::UnusableCrl, 0),
    ] {
        of.revoke(&[], 2);
        fs::copy(
            of.folder.path().join("crl.pem"),
            ca.folder.path().join("crl.pem"),
        )
        .unwrap();
        let (authority, warnings) = ClientAuthority::load(&ca.spec(true), at(0)).unwrap();
        assert_eq!(judge(&authority, &bob), Err(why));
        assert_eq!(warnings.len(), warned, "{warnings:?}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let ca = Ca::new("ours");
    assert!(ca.problems(true)[0].contains("tls.client_crl: "));
    ca.write("crl.pem", "");
    let problems = ca.problems(true);
    assert!(
        problems[0].contains("holds no list of revoked certificates"),
        "{problems:?}"
    );
    ca.revoke(&[], 2);
    let text = fs::read_to_string(ca.folder.path().join("crl.pem")).unwrap();
    ca.write("crl.pem", &text[..text.len() / 2]);
    assert!(ca.problems(true)[0].contains("is damaged"));
    ca.write(
        "crl.pem",
        "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
    );
    assert!(ca.problems(true)[0].contains("cannot be understood"));
    ca.write("ca.pem", "");
    let problems = ca.problems(true);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("tls.client_ca: "), "{problems:?}");
    assert!(problems[0].contains("holds no certificate"), "{problems:?}");
}

#[test]
fn the_same_files_are_the_same_authority() {
    let ca = Ca::new("ours");
    ca.revoke(&[], 2);
    let first = ca.authority(true);
    assert!(first.is_same(&ca.authority(true)));
    assert!(!first.is_same(&ca.authority(false)));
    ca.revoke(&[3], 2);
    assert!(!first.is_same(&ca.authority(true)));
}

#[test]
fn a_certificate_says_who_the_client_is() {
    let ca = Ca::new("ours");
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let name = &mut params.distinguished_name;
    name.push(DnType::OrganizationName, "Example, Inc.");
    name.push(DnType::OrganizationalUnitName, "Media");
    let uri = "spiffe://example.com/bot".try_into().unwrap();
    params.subject_alt_names = vec![
        SanType::Rfc822Name("Ada@Example.com".try_into().unwrap()),
        SanType::URI(uri),
        SanType::IpAddress([10, 0, 0, 7].into()),
        SanType::DnsName("*.bots.example.com".try_into().unwrap()),
    ];
    let facts = ca.issue(&params).facts().unwrap();
    assert_eq!(facts.subject.to_string(), "OU=Media,O=Example\\, Inc.");
    assert_eq!(facts.user(), "Ada@Example.com");
    params.distinguished_name.push(DnType::CommonName, "ada");
    assert_eq!(ca.issue(&params).facts().unwrap().user(), "ada");
    for (pattern, is_admitted) in [
        ("Ada@example.COM", true),
        ("ada@example.com", false),
        ("spiffe://example.com/bot", true),
        ("spiffe://example.com/bot2", false),
        ("10.0.0.7", true),
        ("::ffff:10.0.0.7", false),
        ("*.bots.example.com", true),
        ("a.bots.example.com", false),
        ("*.example.com", false),
    ] {
        let pattern: SanPattern = pattern.parse().unwrap();
        let admits = facts.names.iter().any(|name| pattern.admits(name));
        assert_eq!(admits, is_admitted, "{pattern}");
    }
}
