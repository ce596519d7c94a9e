//! Names as text, and what patterns admit.

use rcgen::{CertificateParams, DnType, KeyPair};

use super::super::{Dn, SubjectPattern};
use super::shown;

#[test]
fn subjects_are_common_names_or_whole() {
    let subject: Dn = "CN=a.bots.example.com,OU=Media,O=Example".parse().unwrap();
    for (pattern, is_admitted) in [
        ("a.bots.example.com", true),
        ("A.bots.example.com", false),
        ("*.bots.example.com", true),
        ("*.example.com", false),
        ("*", false),
        ("Media", false),
        ("cn=a.bots.example.com, OU = Media ,o=Example ", true),
        ("2.5.4.3=a.bots.example.com,OU=Media,O=Example", true),
        ("CN=a.bots.example.com,OU=Media", false),
        ("O=Example,OU=Media,CN=a.bots.example.com", false),
        ("CN=a.bots.example.com+OU=Media,O=Example", false),
        ("CN=a.bots.example.com,OU=media,O=Example", false),
    ] {
        let pattern: SubjectPattern = pattern.parse().unwrap();
        assert_eq!(pattern.admits(&subject), is_admitted, "{pattern}");
    }
}

#[test]
fn names_are_written_so_that_they_are_read_the_same() {
    for (text, canonical) in [
        ("CN=ada", "CN=ada"),
        ("cn=\\ a\\ ", "CN=\\ a\\ "),
        ("CN=\\61\\C3\\A9", "CN=aé"),
        ("CN=a\\,b\\+c\\=d\\\\,O=\\#x", "CN=a\\,b\\+c\\=d\\\\,O=\\#x"),
        ("CN=a\\0Ab", "CN=a\\0Ab"),
        ("O=b+CN=a", "CN=a+O=b"),
        ("1.2.3=#04024869", "1.2.3=#04024869"),
        ("CN=", "CN="),
    ] {
        let dn: Dn = text.parse().unwrap();
        assert_eq!(dn.to_string(), canonical);
        assert_eq!(dn.to_string().parse::<Dn>().unwrap(), dn);
    }
}

#[test]
fn any_value_is_read_as_it_was_written() {
    let parts = [
        " ", ",", "+", "=", "\\", "#", "\"", "<", ";", "a", "é", "\n", "\u{7f}", "🎥",
    ];
    for first in parts {
        for second in parts {
            let value = format!("{first}{second}{first}");
            let mut params = CertificateParams::default();
            let name = &mut params.distinguished_name;
            name.push(DnType::CommonName, value.clone());
            name.push(DnType::OrganizationName, second);
            let key = KeyPair::generate().unwrap();
            let cert = params.self_signed(&key).unwrap();
            let subject = shown(cert.der()).facts().unwrap().subject;
            let text = subject.to_string();
            assert!(!text.contains(char::is_control), "{text:?}");
            assert_eq!(text.parse::<Dn>().unwrap(), subject, "{text:?}");
            assert_eq!(subject.values("CN").next(), Some(&*value));
            assert_eq!(subject.values("O").next(), Some(second));
        }
    }
}
