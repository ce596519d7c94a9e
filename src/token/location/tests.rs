use http::Uri;
use http::header::{self, HeaderMap, HeaderValue};

use super::*;

fn sources() -> Vec<Source> {
    vec![
        Source::Header,
        Source::Cookie("ianitor".into()),
        Source::Query("token".into()),
        Source::Subprotocol,
    ]
}

fn request(target: &str, headers: &[(&str, &str)]) -> (HeaderMap, Uri) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            http::HeaderName::try_from(*name).unwrap(),
            HeaderValue::try_from(*value).unwrap(),
        );
    }
    (map, target.parse().unwrap())
}

fn found(target: &str, headers: &[(&str, &str)]) -> Result<Option<(String, u32)>, Ambiguous> {
    let (headers, uri) = request(target, headers);
    find(&headers, &uri, &sources()).map(|located| located.map(|l| (l.text.into(), l.places)))
}

#[test]
fn tokens_are_found() {
    for (target, headers, want) in [
        ("/x", &[][..], None),
        (
            "/x",
            &[("authorization", "Bearer a.b.c")],
            Some(("a.b.c", 1)),
        ),
        (
            "/x",
            &[("authorization", "bEARER   a.b.c ")],
            Some(("a.b.c", 1)),
        ),
        (
            "/x",
            &[("authorization", "Bearer\ta.b.c\t")],
            Some(("a.b.c", 1)),
        ),
        ("/x", &[("authorization", "Bearer")], Some(("", 1))),
        (
            "/x",
            &[("authorization", "Bearer a, Bearer b")],
            Some(("a, Bearer b", 1)),
        ),
        ("/x", &[("authorization", "Basic a")], None),
        ("/x", &[("authorization", "Bearers a")], None),
        ("/x", &[("cookie", "a=1; ianitor=t; b=2")], Some(("t", 2))),
        (
            "/x",
            &[("cookie", "a=1"), ("cookie", "ianitor=\"t\"")],
            Some(("t", 2)),
        ),
        ("/x", &[("cookie", "xianitor=t; ianitors=t")], None),
        ("/x?token=t&y", &[], Some(("t", 4))),
        ("/x?y&t%6fken=a%2eb", &[], Some(("a.b", 4))),
        ("/x?Token=t", &[], None),
        (
            "/x",
            &[("sec-websocket-protocol", "janus-protocol, bearer.a.b.c")],
            Some(("a.b.c", 8)),
        ),
        (
            "/x",
            &[
                ("sec-websocket-protocol", "token.t"),
                ("sec-websocket-protocol", "x"),
            ],
            Some(("t", 8)),
        ),
        (
            "/x",
            &[("sec-websocket-protocol", "bearer.a.b.c, x\u{e4}")],
            Some(("a.b.c", 8)),
        ),
        (
            "/x?token=t",
            &[("authorization", "Bearer t"), ("cookie", "ianitor=t")],
            Some(("t", 7)),
        ),
    ] {
        assert_eq!(
            found(target, headers),
            Ok(want.map(|(t, p)| (t.to_owned(), p))),
            "{target} {headers:?}"
        );
    }
}

#[test]
fn a_token_in_cookies_alone_is_told_from_one_on_purpose() {
    for (target, headers, want) in [
        ("/x", &[("cookie", "ianitor=t")][..], true),
        ("/x?token=t", &[("cookie", "ianitor=t")], false),
        (
            "/x",
            &[
                ("cookie", "ianitor=t"),
                ("sec-websocket-protocol", "bearer.t"),
            ],
            false,
        ),
        ("/x", &[("authorization", "Bearer t")], false),
        ("/x?token=t", &[], false),
    ] {
        let (headers, uri) = request(target, headers);
        let located = find(&headers, &uri, &sources()).unwrap().unwrap();
        assert_eq!(
            located.is_in_cookies_alone(&sources()),
            want,
            "{target} {headers:?}"
        );
    }
}

#[test]
fn only_the_gateway_sets_its_own_cookie() {
    for (value, want) in [
        ("ianitor=x", true),
        ("ianitor=x; Path=/; HttpOnly", true),
        ("  ianitor = x", true),
        ("\tianitor\t=x", true),
        ("ianitor", true),
        ("ianitor=", true),
        ("=ianitor=x", true),
        (" = ianitor=x; Secure", true),
        ("__Host-ianitor=x; Path=/; Secure", true),
        ("__host-ianitor=x", true),
        ("__Secure-ianitor=x", true),
        ("__Host-Http-ianitor=x", true),
        ("session=ianitor", false),
        ("session=1; ianitor=x", false),
        ("xianitor=x", false),
        ("ianitors=x", false),
        ("Ianitor=x", false),
        ("", false),
    ] {
        assert_eq!(
            sets_own_cookie(&HeaderValue::from_static(value)),
            want,
            "{value:?}"
        );
    }
    let mut headers = HeaderMap::new();
    assert!(!remove_own_set_cookie(&mut headers));
    for value in ["a=1", "ianitor=x", "b=2; Path=/"] {
        headers.append(header::SET_COOKIE, HeaderValue::from_static(value));
    }
    assert!(remove_own_set_cookie(&mut headers));
    assert_eq!(
        headers
            .get_all(header::SET_COOKIE)
            .iter()
            .collect::<Vec<_>>(),
        ["a=1", "b=2; Path=/"]
    );
    assert!(!remove_own_set_cookie(&mut headers));
}

#[test]
fn two_tokens_are_refused() {
    for (target, headers) in [
        (
            "/x",
            &[("authorization", "Bearer t"), ("authorization", "Bearer t")][..],
        ),
        (
            "/x",
            &[("authorization", "Basic t"), ("authorization", "Bearer t")],
        ),
        ("/x?token=a", &[("authorization", "Bearer b")]),
        ("/x?token=a&token=b", &[]),
        ("/x", &[("cookie", "ianitor=a; ianitor=b")]),
        ("/x", &[("sec-websocket-protocol", "bearer.a, token.b")]),
    ] {
        assert_eq!(
            found(target, headers),
            Err(Ambiguous),
            "{target} {headers:?}"
        );
    }
}

#[test]
fn nothing_of_them_is_left() {
    let (mut headers, mut uri) = request(
        "/x?a=%20b&token=t&%74oken=t&c",
        &[
            ("authorization", "Bearer t"),
            ("cookie", "a=1; ianitor=t"),
            ("cookie", "b=2"),
            (
                "sec-websocket-protocol",
                "janus-protocol, bearer.t, token.t, other",
            ),
        ],
    );
    remove(&mut headers, &mut uri, &sources());
    assert_eq!(uri, "/x?a=%20b&c");
    assert_eq!(headers[header::COOKIE], "a=1; b=2");
    assert_eq!(
        headers[header::SEC_WEBSOCKET_PROTOCOL],
        "janus-protocol, other"
    );
    assert_eq!(headers.len(), 2);
    let (mut headers, mut uri) = request(
        "https://h/x?token=t",
        &[
            ("authorization", "Basic t"),
            ("cookie", "ianitor=t"),
            ("sec-websocket-protocol", "bearer.t"),
        ],
    );
    remove(&mut headers, &mut uri, &sources());
    assert_eq!(uri, "https://h/x");
    assert_eq!(headers.len(), 1);
}

#[test]
fn nothing_of_them_is_left_where_nobody_looked_for_one() {
    let (mut headers, mut uri) = request(
        "/x",
        &[
            ("authorization", "Basic a"),
            ("authorization", "Bearer t"),
            ("authorization", "bearer\tt"),
            ("authorization", "Digest b"),
            ("sec-websocket-protocol", "bearer.t, x\u{e4}"),
        ],
    );
    remove(&mut headers, &mut uri, &sources());
    let left: Vec<&HeaderValue> = headers.get_all(header::AUTHORIZATION).iter().collect();
    assert_eq!(left, ["Basic a", "Digest b"]);
    assert_eq!(
        headers[header::SEC_WEBSOCKET_PROTOCOL].as_bytes(),
        "x\u{e4}".as_bytes()
    );
}

#[test]
fn a_referer_loses_the_token_of_its_page_and_nothing_else() {
    let names = |page: Option<&Uri>| match page.map(Uri::path) {
        Some("/page") => vec!["jwt", "token"],
        Some(_) => vec!["token"],
        None => vec!["token", "jwt"],
    };
    for (referer, want) in [
        ("https://h/page", Some("https://h/page")),
        ("https://h/page?", Some("https://h/page?")),
        ("https://h/page?token=t", Some("https://h/page")),
        (
            "https://h/page?a=%20b&token=t&%74oken=t&&c",
            Some("https://h/page?a=%20b&&c"),
        ),
        (
            "HTTPS://H:443/%70age?jwt=t&a",
            Some("HTTPS://H:443/%70age?jwt=t&a"),
        ),
        ("HTTPS://H:443/page?jwt=t&a", Some("HTTPS://H:443/page?a")),
        (
            "https://h/other?jwt=t&token=t",
            Some("https://h/other?jwt=t"),
        ),
        ("/page?token=t&a=b", Some("/page?a=b")),
        (
            "https://h/page?a=b?token=t",
            Some("https://h/page?a=b?token=t"),
        ),
        ("about:blank", Some("about:blank")),
        ("no address=", Some("no address=")),
        ("no address?a=b&token=t", None),
        ("https://h/page?a=b&t%6fken=t#c", None),
        ("https://h/page?a=\u{e4}&jwt=t", None),
        (
            "https://h/page?a=\u{e4}=b",
            Some("https://h/page?a=\u{e4}=b"),
        ),
    ] {
        let (mut headers, _) = request("/x", &[("referer", referer)]);
        remove_from_referer(&mut headers, names);
        let left = headers.get(header::REFERER).map(HeaderValue::as_bytes);
        assert_eq!(left, want.map(str::as_bytes), "{referer}");
    }
    let (mut headers, _) = request(
        "/x",
        &[("referer", "https://h/"), ("referer", "https://h/?token=t")],
    );
    remove_from_referer(&mut headers, names);
    assert!(
        headers
            .get_all(header::REFERER)
            .iter()
            .eq(["https://h/", "https://h/"])
    );
}
