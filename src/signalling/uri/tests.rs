//! One spelling passes, and no other.

use super::*;

fn prefixes(texts: &[&str]) -> Vec<UriPrefix> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn what_is_below_a_prefix_is_allowed() {
    let allowed = prefixes(&[
        "https://media.example.com/pub/",
        "rtsp://10.0.0.7/cam",
        "http://*.example.org:8080/",
        "s3://recordings/calls/",
        "http://[2001:db8::7]/",
    ]);
    for uri in [
        "https://media.example.com/pub/a.webm",
        "HTTPS://Media.Example.com:443/pub/a.webm?x=../y",
        "https://media.example.com/pub/",
        "https://media.example.com/pub/a%20b/%C3%A9.webm",
        "https://media.example.com/pub/..a/b..",
        "https://media.example.com/p%75b/a",
        "https://media.example.com/%70%75%62/%7E%2d%2D%5F%5f",
        "rtsp://10.0.0.7/cam",
        "rtsp://10.0.0.7:554/cam/1",
        "http://a.example.org:8080/x",
        "s3://recordings/calls/1.webm",
        "http://[2001:DB8:0::7]/x",
    ] {
        assert_eq!(check(uri, &allowed), Ok(()), "{uri}");
    }
    let long = format!("https://media.example.com/pub/{}", "a".repeat(LONGEST));
    assert_eq!(check(&long, &allowed), Err(UriProblem::Length));
}

#[test]
fn what_is_elsewhere_or_has_a_second_reading_is_refused() {
    let allowed = prefixes(&[
        "https://media.example.com/pub/",
        "rtsp://10.0.0.7/cam",
        "http://*.example.org:8080/",
        "s3://recordings/calls/",
    ]);
    for (uri, problem) in REFUSED {
        assert_eq!(check(uri, &allowed), Err(problem), "{uri}");
    }
}

const REFUSED: [(&str, UriProblem); 58] = [
    ("https://media.example.com/public/a", UriProblem::Elsewhere),
    ("https://media.example.com/pub", UriProblem::Elsewhere),
    ("https://media.example.com/Pub/a", UriProblem::Elsewhere),
    (
        "https://media.example.com/p%75%62lic/a",
        UriProblem::Elsewhere,
    ),
    ("https://media.example.com/p%55b/a", UriProblem::Elsewhere),
    ("https://media.example.com", UriProblem::Elsewhere),
    (
        "https://media.example.com:8443/pub/a",
        UriProblem::Elsewhere,
    ),
    ("http://media.example.com/pub/a", UriProblem::Elsewhere),
    (
        "https://media.example.com.evil.example/pub/a",
        UriProblem::Elsewhere,
    ),
    ("rtsp://10.0.0.7/camera", UriProblem::Elsewhere),
    ("http://a.b.example.org:8080/x", UriProblem::Elsewhere),
    ("http://example.org:8080/x", UriProblem::Elsewhere),
    ("s3://other/calls/1", UriProblem::Elsewhere),
    ("https://media.example.com/pub/../etc", UriProblem::Path),
    ("https://media.example.com/pub/./a", UriProblem::Path),
    ("https://media.example.com/pub/..", UriProblem::Path),
    ("https://media.example.com/pub/..;x/a", UriProblem::Path),
    ("https://media.example.com/pub/%2e%2E/a", UriProblem::Path),
    ("https://media.example.com/pub/.%2e/a", UriProblem::Path),
    ("https://media.example.com/pub/..%2fa", UriProblem::Path),
    ("https://media.example.com/pub/..%5ca", UriProblem::Path),
    (
        "https://media.example.com/pub/%252e%252e/a",
        UriProblem::Path,
    ),
    ("https://media.example.com/pub/a%00", UriProblem::Path),
    ("https://media.example.com/pub/a%0d%0aX:", UriProblem::Path),
    ("https://media.example.com/pub/a%", UriProblem::Path),
    ("https://media.example.com/pub/a%+1", UriProblem::Path),
    ("https://media.example.com/pub//a", UriProblem::Path),
    ("https://media.example.com//pub/a", UriProblem::Path),
    ("https://media.example.com?/pub/", UriProblem::Path),
    (
        "https://media.example.com/pub/\\..\\a",
        UriProblem::Character,
    ),
    ("https://media.example.com/pub/a b", UriProblem::Character),
    ("https://media.example.com/pub/a\tb", UriProblem::Character),
    ("https://media.example.com/pub/a#b", UriProblem::Character),
    ("https://media.example.com/pub/é", UriProblem::Character),
    ("https://media.exämple.com/pub/a", UriProblem::Character),
    ("https://media。example.com/pub/a", UriProblem::Character),
    (" https://media.example.com/pub/a", UriProblem::Character),
    (
        "https://media.example.com@evil.example/pub/a",
        UriProblem::UserInfo,
    ),
    (
        "https://evil.example@media.example.com/pub/a",
        UriProblem::UserInfo,
    ),
    ("https://media.example.com./pub/a", UriProblem::Host),
    ("https://media.example.com:/pub/a", UriProblem::Host),
    ("https://media.example.com:0/pub/a", UriProblem::Host),
    ("https://media.example.com:0443/pub/a", UriProblem::Host),
    ("https://media.example.com:00443/pub/a", UriProblem::Host),
    ("https://media.example.com:443:443/pub/a", UriProblem::Host),
    ("https://m%65dia.example.com/pub/a", UriProblem::Host),
    ("https:///pub/a", UriProblem::Host),
    ("https://:443/pub/a", UriProblem::Host),
    ("https:media.example.com/pub/a", UriProblem::Relative),
    ("//media.example.com/pub/a", UriProblem::Relative),
    ("/pub/a", UriProblem::Relative),
    ("pub/a", UriProblem::Relative),
    ("", UriProblem::Relative),
    ("newref:0", UriProblem::Relative),
    ("file:///etc/x", UriProblem::File),
    ("ftp://media.example.com/pub/a", UriProblem::Scheme),
    ("gopher://media.example.com/pub/a", UriProblem::Scheme),
    ("://media.example.com/pub/a", UriProblem::Scheme),
];

#[test]
fn what_is_forbidden_is_so_in_each_spelling_of_its_server() {
    let all = ["https://media.example.com/vod/", "file:///var/media/"];
    let forbidden = prefixes(&[
        "https://media.example.com/vod/secret/",
        "https://media.example.com/vod/a,b(1)+c/",
        "https://media.example.com/vod/x-y_z~/",
        "file:///var/media/private/",
    ]);
    for uri in [
        "https://media.example.com/vod/secret/a",
        "https://media.example.com/vod/%73ecret/a",
        "https://media.example.com/vod/%73%65%63%72%65%74/a",
        "https://media.example.com/%76od/s%65cret/",
        "HTTPS://Media.Example.COM:443/vod/secre%74/a",
        "https://media.example.com/vod/secret;x=1/a",
        "https://media.example.com/vod/%73ecret;%79/a;b",
        "https://media.example.com/vod/a%2Cb%281%29%2bc/a",
        "https://media.example.com/vod/a%2cb(1)%2Bc/a",
        "https://media.example.com/vod/x%2dy%5Fz%7e/a",
        "https://media.example.com/vod/x%2Dy%5fz%7E/a",
        "file:///var/media/%70rivate/a",
        "FILE:///var/%6dedia/privat%65/a",
        "file:///var/%6Dedia/privat%65/a",
    ] {
        assert_eq!(check(uri, &prefixes(&all)), Ok(()), "{uri}");
        assert!(may_be_below(uri, &forbidden), "{uri}");
    }
    for uri in [
        "https://media.example.com/vod/%53ecret/a",
        "https://media.example.com/vod/secrets/a",
        "https://media.example.com/vod/a?x=/vod/secret/",
        "file:///var/media/a",
    ] {
        assert_eq!(check(uri, &prefixes(&all)), Ok(()), "{uri}");
        assert!(!may_be_below(uri, &forbidden), "{uri}");
    }
}

#[test]
fn all_hosts_are_all_public_ones() {
    let allowed = prefixes(&["http://*/", "https://*/pub/"]);
    for uri in [
        "http://example.com/x",
        "http://93.184.215.14/x",
        "http://[2606:4700::1]/x",
        "https://example.com/pub/x",
        "http://internal.example.com/",
    ] {
        assert_eq!(check(uri, &allowed), Ok(()), "{uri}");
    }
    for host in [
        "169.254.169.254",
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "192.0.0.8",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[fe80::1]",
        "[fc00::1]",
        "[ff02::1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
        "[2001:0:a9fe:a9fe::]",
        "localhost",
        "kms",
        "metadata.google.internal",
        "printer.local",
        "nas.LAN",
        "1.0.0.127.in-addr.arpa",
        "kms.default.svc",
        "db.service.consul",
        "instance.novalocal",
        "router.fritz.box",
        "169-254-169-254.nip.io",
        "nip.io",
        "kubernetes.default.svc",
        "vault.service.consul",
        "kms.localdomain4",
        "a.traefik.me",
    ] {
        let uri = format!("http://{host}/x");
        assert_eq!(check(&uri, &allowed), Err(UriProblem::Inner), "{uri}");
    }
    for host in [
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "1.2.3.4.5",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[::a9fe:a9fe]",
        "[fe80::1%25eth0]",
        "169.254.169.254.",
        "localhost.",
        "256.1.1.1",
    ] {
        let uri = format!("http://{host}/x");
        assert_eq!(check(&uri, &allowed), Err(UriProblem::Host), "{uri}");
    }
    assert_eq!(
        check("https://example.com/x", &allowed),
        Err(UriProblem::Elsewhere)
    );
    assert_eq!(
        check("http://example.com:81/x", &allowed),
        Err(UriProblem::Elsewhere)
    );
}

#[test]
fn a_prefix_has_a_scheme_of_the_list_and_a_plain_path() {
    for (text, problem) in [
        ("ftp://media.example.com/", UriProblem::Scheme),
        ("file://var/recordings/", UriProblem::Host),
        ("file://", UriProblem::Path),
        ("file:/var/recordings/", UriProblem::Relative),
        ("file:///var//recordings/", UriProblem::Path),
        ("https://", UriProblem::Host),
        ("media.example.com/", UriProblem::Relative),
        ("https://u@media.example.com/", UriProblem::UserInfo),
        ("https://*.10.0.0.1/", UriProblem::Host),
        ("https://*x.example.com/", UriProblem::Host),
        ("https://*:x/", UriProblem::Host),
        ("https://127.1/", UriProblem::Host),
        ("https://media.example.com/../", UriProblem::Path),
        ("https://media.example.com/%61", UriProblem::Path),
        ("https://media.example.com/?a", UriProblem::Path),
        ("https://media.example.com/*.webm", UriProblem::Path),
    ] {
        assert_eq!(text.parse::<UriPrefix>(), Err(problem), "{text}");
    }
}

#[test]
fn files_are_allowed_only_below_a_prefix_for_files() {
    let allowed = prefixes(&["file:///var/lib/kurento/", "https://*/"]);
    for uri in [
        "file:///var/lib/kurento/a.webm",
        "FILE:///var/lib/kurento/a/b%20c.webm",
        "file:///var/lib/%6burento/a.webm",
    ] {
        assert_eq!(check(uri, &allowed), Ok(()), "{uri}");
    }
    for (uri, problem) in [
        ("file:///var/lib/kurento", UriProblem::Elsewhere),
        ("file:///var/lib/kurento2/a", UriProblem::Elsewhere),
        ("file:///etc/passwd", UriProblem::Elsewhere),
        ("file:///var/lib/kurento/../a", UriProblem::Path),
        ("file:///var/lib/kurento/%2e%2e/a", UriProblem::Path),
        ("file:///var/lib/kurento/?/../../etc/x", UriProblem::Path),
        ("file:///var/lib/kurento//a", UriProblem::Path),
        ("file:///var/lib/kurento/a%00", UriProblem::Path),
        ("file://localhost/var/lib/kurento/a", UriProblem::Host),
        ("file:/var/lib/kurento/a", UriProblem::Relative),
        ("file:var/lib/kurento/a", UriProblem::Relative),
        ("/var/lib/kurento/a", UriProblem::Relative),
        ("https:///var/lib/kurento/a", UriProblem::Host),
    ] {
        assert_eq!(check(uri, &allowed), Err(problem), "{uri}");
    }
    let others = prefixes(&["https://*/"]);
    let uri = "file:///var/lib/kurento/a.webm";
    assert_eq!(check(uri, &others), Err(UriProblem::File));
}

#[test]
fn a_prefix_contains_those_below_it() {
    for (outer, inner, contains) in [
        ("https://a.example.com/", "https://a.example.com/b/", true),
        ("https://*.example.com/", "https://a.example.com/b/", true),
        ("https://*/", "https://*/b/", true),
        ("file:///var/", "file:///var/lib/", true),
        ("https://a.example.com/b/", "https://a.example.com/", false),
        ("https://a.example.com/", "http://a.example.com/", false),
        (
            "https://a.example.com/",
            "https://a.example.com:8443/",
            false,
        ),
        ("https://a.example.com/", "https://*.example.com/", false),
        // An inner host is not one of all.
        ("https://*/", "https://10.0.0.1/", false),
    ] {
        let [outer_prefix, inner_prefix] = [outer, inner].map(|text| text.parse::<UriPrefix>());
        let got = outer_prefix.unwrap().contains(&inner_prefix.unwrap());
        assert_eq!(got, contains, "{outer} {inner}");
    }
}

#[test]
fn a_prefix_is_shown_as_it_is_written() {
    for text in [
        "https://media.example.com/pub/",
        "rtsp://*.cameras.example.com:8554/",
        "https://*/",
        "s3://recordings/",
        "http://[2001:db8::7]:8080/a",
        "file:///var/recordings/",
    ] {
        assert_eq!(prefixes(&[text])[0].to_string(), text);
    }
    assert_eq!(
        prefixes(&["HTTPS://media.example.com:443"])[0].to_string(),
        "https://media.example.com/"
    );
}
