//! Which certificate is served for which name, and when.

use super::*;
use crate::tls::{Date, Notice, OutOfDate};

#[test]
fn exact_names_win_over_wildcards() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let (table, warnings) = folder.table(&[
        ca.ecdsa(&["*.example.com", "example.com"]),
        ca.ecdsa(&["media.example.com"]),
        ca.ecdsa(&["10.0.0.1", "::1"]),
    ]);
    assert_eq!(warnings, []);
    for (name, expected) in [
        ("", Some("a")),
        ("example.com", Some("a")),
        ("www.example.com", Some("a")),
        ("WWW.EXAMPLE.COM.", Some("a")),
        ("media.example.com", Some("b")),
        ("deep.www.example.com", None),
        ("com", None),
        ("example.org", None),
        ("10.0.0.1", Some("c")),
        ("[::1]", Some("c")),
        ("10.0.0.2", None),
    ] {
        assert_eq!(
            answers(&table, name),
            expected.into_iter().collect::<Vec<_>>(),
            "{name}"
        );
        assert_eq!(
            name.is_empty() || table.serves(&host(name)),
            expected.is_some(),
            "{name}"
        );
    }
    assert_eq!(table.entries().count(), 3);
}

#[test]
fn default_answers_unknown_names_but_vouches_for_none() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let pair = folder.pair("a", &ca.ecdsa(&["example.com"]));
    let (table, _) = load(&TlsSpec {
        default: true,
        ..folder.spec(vec![pair])
    })
    .unwrap();
    assert_eq!(answers(&table, "example.org"), ["a"]);
    assert!(!table.serves(&host("example.org")));
}

#[test]
fn ecdsa_is_preferred_whatever_the_order() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let both = ["a.example.com"];
    let (table, _) = folder.table(&[
        ca.rsa(&both),
        ca.ecdsa(&both),
        ca.rsa(&both),
        ca.ecdsa(&both),
    ]);
    assert_eq!(answers(&table, "a.example.com"), ["b", "d", "a", "c"]);
    assert_eq!(answers(&table, ""), ["b", "d", "a", "c"]);
}

/// Certificates with names and days, the requested name, the certificates served, and the notices.
type Case<'a> = (
    &'a str,
    &'a [(&'a [&'a str], Range<i64>)],
    &'a [&'a str],
    Vec<(&'a str, Notice)>,
);

#[test]
fn out_of_date_certificates_stand_back() {
    let ca = Authority::new();
    let expired = || OutOfDate::Expired(Date(day(-1)));
    let early = || OutOfDate::NotYet(Date(day(2)));
    let a = || vec!["a.b.de".parse().unwrap()];
    let cases: Vec<Case<'_>> = vec![
        (
            "alone",
            &[(&["a.b.de"], -9..-1)],
            &["a"],
            vec![("a", Notice::ServedOutOfDate(expired(), a()))],
        ),
        (
            "too early",
            &[(&["a.b.de"], 2..60)],
            &["a"],
            vec![("a", Notice::ServedOutOfDate(early(), a()))],
        ),
        (
            "beside a valid one",
            &[(&["a.b.de"], -9..-1), (&["a.b.de"], -9..60)],
            &["b"],
            vec![("a", Notice::PassedOver(expired()))],
        ),
        (
            "under a valid wildcard",
            &[(&["a.b.de"], -9..-1), (&["*.b.de"], -9..60)],
            &["b"],
            vec![("a", Notice::PassedOver(expired()))],
        ),
        (
            "under a wildcard that is no better",
            &[(&["a.b.de"], -9..-1), (&["*.b.de"], -9..-1)],
            &["a"],
            vec![
                ("a", Notice::ServedOutOfDate(expired(), a())),
                (
                    "b",
                    Notice::ServedOutOfDate(expired(), vec!["*.b.de".parse().unwrap()]),
                ),
            ],
        ),
        (
            "for one name of two",
            &[(&["z.b.de", "a.b.de"], -9..-1), (&["z.b.de"], -9..60)],
            &["a"],
            vec![("a", Notice::ServedOutOfDate(expired(), a()))],
        ),
        (
            "soon",
            &[(&["a.b.de"], -9..6)],
            &["a"],
            vec![("a", Notice::EndsSoon(Date(day(6))))],
        ),
        ("later", &[(&["a.b.de"], -9..8)], &["a"], vec![]),
    ];
    for (case, certificates, expected, notices) in cases {
        let folder = Folder::new();
        let made: Vec<_> = certificates
            .iter()
            .map(|(names, days)| ca.issue_for(names, days.clone(), &PKCS_ECDSA_P256_SHA256))
            .collect();
        let (table, warnings) = folder.table(&made);
        assert_eq!(answers(&table, "a.b.de"), expected, "{case}");
        let got: Vec<_> = warnings.into_iter().map(|w| (w.key, w.notice)).collect();
        let notices: Vec<_> = notices
            .into_iter()
            .map(|(name, notice)| (format!("tls.{name}.cert"), notice))
            .collect();
        assert_eq!(got, notices, "{case}");
    }
}

#[test]
fn no_name_follows_the_first_certificate_to_its_valid_stand_in() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let old = ca.issue_for(&["a.b.de"], -9..-1, &PKCS_ECDSA_P256_SHA256);
    let (table, _) = folder.table(&[old, ca.ecdsa(&["x.b.de"]), ca.ecdsa(&["a.b.de"])]);
    assert_eq!(answers(&table, ""), ["c"]);
}

#[test]
fn dates_and_lists_read_well() {
    assert_eq!(Date(now()).to_string(), "2026-05-28 20:26 UTC");
    assert_eq!(
        Date(SystemTime::UNIX_EPOCH - DAY).to_string(),
        "1969-12-31 00:00 UTC"
    );
    let names = vec!["a.b.de".parse().unwrap(), "*.c.de".parse().unwrap()];
    assert_eq!(
        Notice::ServedOutOfDate(OutOfDate::Expired(Date(day(-1))), names).to_string(),
        "expired on 2026-05-27 20:26 UTC; it is served all the same, as nothing else serves \
         a.b.de, *.c.de"
    );
}
