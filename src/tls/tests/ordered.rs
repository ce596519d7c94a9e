//! Ordered certificates beside those of `[tls]`, and placeholders until they are issued.

use std::sync::Arc;

use super::*;
use crate::host::HostPattern;
use crate::secret::Secret;
use crate::tls::{CertCache, CertInfo, HostCoverage, Notice, OrderedSpec, OutOfDate, ServableCert};

/// A specification with ordered certificates for these hosts.
fn ordering(folder: &Folder, hosts: &[&[&str]]) -> TlsSpec {
    let ordered = |(at, hosts): (usize, &&[&str])| OrderedSpec {
        hosts: hosts.iter().map(|name| host(name)).collect(),
        config_key: format!("acme.certificates[{at}]"),
    };
    TlsSpec {
        ordered: hosts.iter().enumerate().map(ordered).collect(),
        ..folder.spec(Vec::new())
    }
}

/// An issued certificate. Its file has the same name as the certificate.
fn issued(name: &str, at: usize, made: &Made) -> ServableCert {
    let key = Secret::new(made.key.clone());
    let place = format!("/store/{name}.pem").into();
    ServableCert::new(
        name,
        &made.cert,
        &key,
        place,
        &format!("acme.certificates[{at}]"),
    )
    .unwrap()
}

fn reload(spec: &TlsSpec, cache: &CertCache) -> (CertTable, Vec<Warning>) {
    let (managed, errors) = cache.for_table(spec, now());
    assert!(errors.is_empty(), "{errors:?}");
    CertTable::reload(spec, &managed, now(), Mode::Make, None, &mut Vec::new()).unwrap()
}

fn coverage(table: &CertTable, name: &str) -> HostCoverage {
    table.coverage(&name.parse::<HostPattern>().unwrap(), now())
}

#[test]
fn listeners_open_with_nothing_but_orders() {
    let (folder, cache) = (Folder::new(), CertCache::new());
    let spec = ordering(&folder, &[&["a.example.com"]]);
    let (table, warnings) = reload(&spec, &cache);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(answers(&table, "a.example.com").is_empty() && !table.serves(&host("a.example.com")));
    assert_eq!(coverage(&table, "a.example.com"), HostCoverage::Ordered);
    assert_eq!(coverage(&table, "*.example.com"), HostCoverage::Ordered);
    assert_eq!(coverage(&table, "b.example.com"), HostCoverage::Unserved);
    assert_eq!(table.coverage_of_all(now()), HostCoverage::Ordered);
    let nothing = CertTable::load(&folder.spec(Vec::new()), now(), Mode::Read).unwrap_err();
    assert!(
        nothing[0]
            .to_string()
            .contains("no certificate is configured"),
        "{}",
        nothing[0]
    );
}

#[test]
fn what_has_come_is_served() {
    let (folder, ca, cache) = (Folder::new(), Authority::new(), CertCache::new());
    let spec = ordering(&folder, &[&["a.example.com"], &["b.example.com"]]);
    cache.put(issued("second", 1, &ca.ecdsa(&["b.example.com"])));
    cache.put(issued("first", 0, &ca.ecdsa(&["a.example.com"])));
    let (table, _) = reload(&spec, &cache);
    assert_eq!(answers(&table, "b.example.com"), ["second"]);
    assert_eq!(coverage(&table, "b.example.com"), HostCoverage::Served);
    // Clients without a server name get the first one of the configuration, not the one issued
    // first.
    assert_eq!(answers(&table, ""), ["first"]);
    cache.put(issued(
        "first",
        0,
        &ca.ecdsa(&["a.example.com", "www.example.com"]),
    ));
    cache.retain(|name| name == "first");
    let (table, _) = table.with_managed(&spec, &cache.all(), now());
    assert_eq!(answers(&table, "www.example.com"), ["first"]);
    assert_eq!(coverage(&table, "b.example.com"), HostCoverage::Ordered);
}

#[test]
fn a_file_wins_over_what_was_ordered_for_as_long_as_it_is_valid() {
    let (folder, ca, cache) = (Folder::new(), Authority::new(), CertCache::new());
    let hosts = ["exact.example.com", "old.example.com", "below.example.com"];
    let valid = folder.pair("valid", &ca.rsa(&["exact.example.com", "*.example.com"]));
    let old = folder.pair(
        "old",
        &ca.issue_for(&["old.example.com"], -90..-1, &PKCS_ECDSA_P256_SHA256),
    );
    let spec = TlsSpec {
        certificates: vec![valid, old],
        ..ordering(&folder, &[&hosts])
    };
    cache.put(issued("ordered", 0, &ca.ecdsa(&hosts)));
    for table in [
        reload(&spec, &cache).0,
        reload(&spec, &CertCache::new())
            .0
            .with_managed(&spec, &cache.all(), now())
            .0,
    ] {
        // Clients that do not support RSA get the other one.
        assert_eq!(answers(&table, "exact.example.com"), ["valid", "ordered"]);
        assert_eq!(answers(&table, "old.example.com"), ["ordered"]);
        // An exact name wins over a wildcard, whatever the origin.
        assert_eq!(answers(&table, "below.example.com"), ["ordered"]);
    }
}

#[test]
fn a_file_that_is_in_the_way_of_what_was_ordered_is_told_once() {
    let (folder, ca, cache) = (Folder::new(), Authority::new(), CertCache::new());
    let hosts = ["exact.example.com", "old.example.com", "below.example.com"];
    let valid = folder.pair(
        "valid",
        &ca.rsa(&["exact.example.com", "*.example.com", "other.test"]),
    );
    let old = folder.pair(
        "old",
        &ca.issue_for(&["old.example.com"], -90..-1, &PKCS_ECDSA_P256_SHA256),
    );
    let spec = TlsSpec {
        certificates: vec![valid, old],
        ..ordering(&folder, &[&hosts, &hosts])
    };
    let in_the_way = |warnings: &[Warning]| {
        let these = warnings
            .iter()
            .filter(|warning| matches!(warning.notice, Notice::ServedBeforeOrdered(_)));
        these.map(ToString::to_string).collect::<Vec<_>>()
    };
    let (table, warnings) = reload(&spec, &cache);
    let [only] = &in_the_way(&warnings)[..] else {
        panic!("{warnings:?}")
    };
    let said =
        "is served for exact.example.com before the ordered one; take it out when you have moved";
    assert!(only.ends_with(said), "{only}");
    cache.put(issued("ordered", 0, &ca.ecdsa(&hosts)));
    assert_eq!(
        in_the_way(&table.with_managed(&spec, &cache.all(), now()).1),
        [""; 0]
    );
}

#[test]
fn the_newest_of_what_was_ordered_wins() {
    let (folder, ca, cache) = (Folder::new(), Authority::new(), CertCache::new());
    let spec = ordering(&folder, &[&["a.example.com"]]);
    let valid_for = |days| ca.issue_for(&["a.example.com"], days, &PKCS_ECDSA_P256_SHA256);
    cache.put(issued("former", 7, &valid_for(-30..60)));
    cache.put(issued("latest", 7, &valid_for(-1..30)));
    cache.put(issued("older", 7, &valid_for(-40..70)));
    assert_eq!(
        answers(&reload(&spec, &cache).0, "a.example.com"),
        ["latest", "former", "older"]
    );
}

#[test]
fn one_that_has_ended_stays_in_service_and_is_complained_of() {
    let (folder, ca, cache) = (Folder::new(), Authority::new(), CertCache::new());
    let spec = TlsSpec {
        placeholder: true,
        ..ordering(&folder, &[&["a.example.com"]])
    };
    cache.put(issued(
        "ended",
        0,
        &ca.issue_for(&["a.example.com"], -90..-1, &PKCS_ECDSA_P256_SHA256),
    ));
    let (table, warnings) = reload(&spec, &cache);
    assert_eq!(
        answers(&table, "a.example.com"),
        ["ended"],
        "and no placeholder"
    );
    assert!(matches!(
        coverage(&table, "a.example.com"),
        HostCoverage::OutOfDate(OutOfDate::Expired(_))
    ));
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert!(
        matches!(&warning.notice, Notice::ServedOutOfDate(_, names) if names.len() == 1),
        "{warning}"
    );
    assert_eq!(warning.key, "acme.certificates[0]");
}

#[test]
fn a_renewal_is_late_by_the_measure_of_the_certificate() {
    let (folder, ca, cache) = (Folder::new(), Authority::new(), CertCache::new());
    let spec = ordering(&folder, &[&["a.example.com"]]);
    for (days, is_late) in [
        (-3..3, false),
        (-5..1, true),
        (-80..8, false),
        (-84..6, true),
    ] {
        cache.put(issued(
            "one",
            0,
            &ca.issue_for(&["a.example.com"], days.clone(), &PKCS_ECDSA_P256_SHA256),
        ));
        let (_, warnings) = reload(&spec, &cache);
        let late = warnings
            .iter()
            .filter(|warning| matches!(warning.notice, Notice::RenewalLate(_)));
        assert_eq!(
            (late.count() == 1, warnings.len()),
            (is_late, usize::from(is_late)),
            "{days:?}: {warnings:?}"
        );
    }
}

#[test]
fn a_placeholder_answers_only_for_what_nothing_else_has() {
    let (folder, ca, cache) = (Folder::new(), Authority::new(), CertCache::new());
    let pair = folder.pair("file", &ca.ecdsa(&["file.example.com"]));
    let orders: [&[&str]; 2] = [&["a.example.com", "file.example.com"], &["b.example.com"]];
    let spec = TlsSpec {
        certificates: vec![pair],
        placeholder: true,
        ..ordering(&folder, &orders)
    };
    let (table, _) = reload(&spec, &cache);
    assert_eq!(answers(&table, "file.example.com"), ["file"]);
    let names = |name: &str| {
        table
            .lookup(Some(&host(name)))
            .map(CertInfo::is_placeholder)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (
            names("a.example.com"),
            names("b.example.com"),
            names("c.example.com")
        ),
        (vec![true], vec![true], vec![])
    );
    assert!(table.serves(&host("a.example.com")));
    assert_eq!(coverage(&table, "a.example.com"), HostCoverage::Ordered);
    let said = table.unserved(&"c.example.com".parse().unwrap());
    assert!(
        !said.contains("a.example.com") && said.contains("add it to acme.certificates; there are"),
        "{said}"
    );
    assert!(
        table
            .unserved(&"*.c.example.com".parse().unwrap())
            .contains("one by one")
    );
    let only = TlsSpec {
        certificates: Vec::new(),
        ..ordering(&folder, &orders)
    };
    let said = reload(&only, &cache)
        .0
        .unserved(&"c.example.com".parse().unwrap());
    assert!(said.ends_with("add it to acme.certificates"), "{said}");

    cache.put(issued("a", 0, &ca.ecdsa(orders[0])));
    let (managed, _) = cache.for_table(&spec, now());
    let (table, _) = table.with_managed(&spec, &managed, now());
    assert_eq!(
        (
            answers(&table, "a.example.com"),
            coverage(&table, "a.example.com")
        ),
        (vec!["a".to_owned()], HostCoverage::Served)
    );
    assert_eq!(
        table.entries().filter(|info| info.is_placeholder()).count(),
        1
    );
}

#[test]
fn a_placeholder_stays_the_same_for_as_long_as_it_is_needed() {
    let (folder, ca, cache) = (Folder::new(), Authority::new(), CertCache::new());
    let spec = TlsSpec {
        placeholder: true,
        ..ordering(&folder, &[&["a.example.com"], &["b.example.com"]])
    };
    let of_a = || {
        let (managed, _) = cache.for_table(&spec, now());
        managed
            .into_iter()
            .find(|one| one.info().names_host(&host("a.example.com")))
            .unwrap()
    };
    let first = of_a();
    cache.put(issued("b", 1, &ca.ecdsa(&["b.example.com"])));
    let second = of_a();
    assert!(first.info().is_placeholder() && Arc::ptr_eq(first.entry(), second.entry()));
    cache.put(issued("a", 0, &ca.ecdsa(&["a.example.com"])));
    assert!(!of_a().info().is_placeholder());
}

#[test]
fn a_host_that_is_no_longer_ordered_gets_its_development_certificate_at_once() {
    let (folder, ca, cache) = (Folder::new(), Authority::new(), CertCache::new());
    cache.put(issued("old", 0, &ca.ecdsa(&["a.example.com"])));
    let ordering = ordering(&folder, &[&["a.example.com"]]);
    let spec = TlsSpec {
        self_signed: vec![host("a.example.com")],
        ..ordering.clone()
    };
    let (table, _) = reload(&spec, &cache);
    assert!(
        table.entries().all(|info| !info.is_development()),
        "it has a better one"
    );

    let spec = TlsSpec {
        ordered: Vec::new(),
        ..spec
    };
    let (table, _) = reload(&spec, &cache);
    cache.retain(|_| false);
    let (managed, _) = cache.for_table(&spec, now());
    let (table, _) = table.with_managed(&spec, &managed, now());
    assert!(
        table
            .lookup(Some(&host("a.example.com")))
            .all(CertInfo::is_development)
    );
    assert!(table.serves(&host("a.example.com")));
}

#[test]
fn a_file_that_another_goes_before_everywhere_is_a_warning() {
    let (folder, ca) = (Folder::new(), Authority::new());
    let both = ["a.example.com", "b.example.com"];
    let never_served = |made: &[Made]| {
        let (_, warnings) = folder.table(made);
        let texts = warnings.iter().map(ToString::to_string);
        let these = texts.filter(|text| text.contains("is never served"));
        these.collect::<Vec<_>>()
    };
    let again = never_served(&[ca.ecdsa(&both), ca.ecdsa(&["b.example.com"])]);
    assert_eq!(again.len(), 1, "{again:?}");
    assert!(again[0].contains("tls.a has all of its names"), "{again:?}");
    for both_used in [
        [ca.ecdsa(&["b.example.com"]), ca.ecdsa(&both)],
        [ca.ecdsa(&both), ca.rsa(&both)],
        [ca.ecdsa(&["*.example.com"]), ca.ecdsa(&["b.example.com"])],
    ] {
        assert_eq!(never_served(&both_used), [""; 0]);
    }
}
