use super::*;

fn cors(origins: &[&str], credentials: bool) -> Cors {
    let listed = || {
        Origins::Listed(
            origins
                .iter()
                .map(|origin| origin.parse().unwrap())
                .collect(),
        )
    };
    Cors {
        origins: if origins == ["*"] {
            Origins::Any
        } else {
            listed()
        },
        credentials,
        methods: HeaderValue::from_static("GET, POST"),
        headers: Some(HeaderValue::from_static("Content-Type")),
        expose: None,
        max_age: 3600,
    }
}

fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers
}

#[derive(Debug, PartialEq)]
enum Want {
    Preflight,
    Refused,
    Listed,
    Unlisted,
}

#[test]
fn who_may() {
    use Want::{Listed, Preflight, Refused, Unlisted};
    let listed = cors(&["https://app.example.com", "http://localhost:3000"], true);
    let any = cors(&["*"], false);
    let own: Authority = "media.example.com:8443".parse().unwrap();
    let preflight = "access-control-request-method";
    let (get, options, ws) = (
        (Method::GET, false),
        (Method::OPTIONS, false),
        (Method::GET, true),
    );
    let a = "https://app.example.com";
    #[rustfmt::skip]
    let cases = [
        // Ordinary requests go on, whoever asks.
        (&listed, &get, &[("origin", a)][..], Listed),
        (&listed, &get, &[("origin", "https://app.example.com:443")], Listed),
        (&listed, &get, &[("origin", "http://localhost:3000")], Listed),
        (&listed, &get, &[], Unlisted),
        (&listed, &get, &[("origin", "http://app.example.com")], Unlisted),
        (&listed, &get, &[("origin", "https://app.example.com:8443")], Unlisted),
        (&listed, &get, &[("origin", "https://app.example.com.evil.example")], Unlisted),
        (&listed, &get, &[("origin", "https://evil-app.example.com")], Unlisted),
        (&listed, &get, &[("origin", "https://user@app.example.com")], Unlisted),
        (&listed, &get, &[("origin", "https://app.example.com/")], Unlisted),
        (&listed, &get, &[("origin", "null")], Unlisted),
        (&listed, &get, &[("origin", "media.example.com:8443")], Unlisted),
        (&listed, &get, &[("origin", a), ("origin", "https://evil.example")], Unlisted),
        (&listed, &get, &[("origin", a), (preflight, "POST")], Listed),
        (&any, &get, &[("origin", "null")], Listed),
        // Preflights are answered or refused; another OPTIONS is the target's.
        (&listed, &options, &[("origin", a), (preflight, "POST")], Preflight),
        (&listed, &options, &[("origin", "https://evil.example"), (preflight, "POST")], Refused),
        (&listed, &options, &[("origin", "null"), (preflight, "POST")], Refused),
        (&listed, &options, &[(preflight, "POST")], Unlisted),
        (&listed, &options, &[("origin", a)], Listed),
        (&any, &options, &[("origin", "https://evil.example"), (preflight, "POST")], Preflight),
        // WebSockets.
        (&listed, &ws, &[("origin", a)], Listed),
        (&listed, &ws, &[], Unlisted),
        (&listed, &ws, &[("origin", "https://evil.example")], Refused),
        (&listed, &ws, &[("origin", "null")], Refused),
        (&listed, &ws, &[("origin", a), ("origin", a)], Refused),
        (&listed, &ws, &[("origin", "https://media.example.com:8443")], Unlisted),
        (&listed, &ws, &[("origin", "http://media.example.com:8443")], Refused),
        (&listed, &ws, &[("origin", "https://media.example.com")], Refused),
        (&listed, &ws, &[("origin", "media.example.com:8443")], Unlisted),
        (&listed, &ws, &[("origin", "media.example.com")], Refused),
        (&listed, &ws, &[("origin", "app.example.com")], Refused),
        (&any, &ws, &[("origin", "https://evil.example")], Listed),
        (&listed, &ws, &[("sec-fetch-site", "cross-site")], Refused),
        (&listed, &ws, &[("sec-fetch-site", "same-origin")], Unlisted),
    ];
    for (cors, (method, websocket), headers, want) in cases {
        let got = match cors.judge(method, &map(headers), *websocket, &own) {
            Verdict::Preflight(_) => Preflight,
            Verdict::Reject => Refused,
            Verdict::Pass(Some(_)) => Listed,
            Verdict::Pass(None) => Unlisted,
        };
        assert_eq!(got, want, "{method} {websocket} {headers:?}");
    }
}

#[test]
fn pages_that_are_not_named_have_no_use_of_a_cookie() {
    let origin = |text| Some(HeaderValue::from_static(text));
    let (listed, any) = (
        cors(&["https://app.example.com"], false),
        cors(&["*"], false),
    );
    for (cors, origin, by_address, by_cookie) in [
        (&listed, origin("https://app.example.com"), true, true),
        (&listed, origin("https://www.app.example.com"), false, false),
        (&listed, origin("null"), false, false),
        (&listed, None, false, false),
        (&any, origin("https://evil.example"), true, false),
        (&any, None, true, false),
    ] {
        assert_eq!(
            cors.admits(origin.as_ref(), false),
            by_address,
            "{origin:?}"
        );
        assert_eq!(cors.admits(origin.as_ref(), true), by_cookie, "{origin:?}");
    }
}

#[test]
fn a_dot_at_the_end_makes_another_origin() {
    let listed = cors(&["https://app.test"], true);
    let own: Authority = "media.test".parse().unwrap();
    let preflight = "access-control-request-method";
    for origin in [
        "https://app.test.",
        "https://app.test.:443",
        "https://app.test..",
        "https://app.test.:",
    ] {
        let goes = listed.judge(&Method::GET, &map(&[("origin", origin)]), false, &own);
        assert_eq!(goes, Verdict::Pass(None), "{origin}");
        for (method, is_websocket) in [(Method::OPTIONS, false), (Method::GET, true)] {
            let headers = map(&[("origin", origin), (preflight, "POST")]);
            assert_eq!(
                listed.judge(&method, &headers, is_websocket, &own),
                Verdict::Reject,
                "{origin}"
            );
        }
        assert!(origin.parse::<WebOrigin>().is_err());
    }
    let own_page = map(&[("origin", "https://media.test.")]);
    assert_eq!(
        listed.judge(&Method::GET, &own_page, true, &own),
        Verdict::Pass(None)
    );
}

#[test]
fn an_answer_has_one_word_of_cors() {
    let theirs = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-origin", "https://evil.example"),
        ("access-control-max-age", "86400"),
        ("access-control-expose-headers", "X-Id"),
        ("vary", "Accept-Encoding"),
    ];
    let text = |headers: &HeaderMap| {
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()))
            .collect();
        lines.sort_unstable();
        lines
    };
    let origin = HeaderValue::from_static("https://app.example.com");
    let listed = cors(&["https://app.example.com"], true);
    let mut headers = map(&theirs);
    listed.apply(Some(&origin), &mut headers);
    assert_eq!(
        text(&headers),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: https://app.example.com",
            "access-control-expose-headers: X-Id",
            "vary: Accept-Encoding",
            "vary: Origin",
        ]
    );
    let mut headers = map(&theirs);
    listed.apply(None, &mut headers);
    assert_eq!(text(&headers), ["vary: Accept-Encoding", "vary: Origin"]);
    let mut headers = map(&[("vary", "accept, ORIGIN")]);
    cors(&["*"], false).apply(Some(&origin), &mut headers);
    listed.apply(None, &mut headers);
    assert_eq!(text(&headers), ["vary: accept, ORIGIN"]);
    cors(&["*"], false).apply(Some(&origin), &mut headers);
    assert_eq!(headers["access-control-allow-origin"], "*");
}

#[test]
fn a_preflight_is_answered_in_full() {
    let headers = map(&[
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "POST"),
    ]);
    let cors = cors(&["https://app.example.com"], true);
    let own = "media.example.com".parse().unwrap();
    let Verdict::Preflight(answer) = cors.judge(&Method::OPTIONS, &headers, false, &own) else {
        panic!()
    };
    assert_eq!(
        answer["access-control-allow-origin"],
        "https://app.example.com"
    );
    assert_eq!(answer["access-control-allow-methods"], "GET, POST");
    assert_eq!(answer["access-control-allow-headers"], "Content-Type");
    assert_eq!(answer["access-control-max-age"], "3600");
    assert_eq!(answer["vary"], "Origin");
}

#[test]
fn origins() {
    for text in [
        "app.example.com",
        "https://",
        "wss://a",
        "https://a/",
        "https://a/b",
        "https://a:0x1",
        "null",
        "*",
    ] {
        assert!(text.parse::<WebOrigin>().is_err(), "{text}");
    }
    for (text, shown) in [
        ("https://A.example:443", "https://a.example"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ] {
        assert_eq!(text.parse::<WebOrigin>().unwrap().to_string(), shown);
    }
}

#[test]
fn pages_may_read_the_headers_that_the_route_names_or_else_the_target() {
    let expose = |value: &'static str| Some(HeaderValue::from_static(value));
    for (own, target, want) in [
        (None, &["Location", "X-Id"][..], &["Location", "X-Id"][..]),
        (None, &[], &[]),
        (expose("Location"), &["X-Id"], &["Location"]),
        (expose(""), &["X-Id"], &[]),
    ] {
        let origin = HeaderValue::from_static("https://app.example.com");
        let cors = Cors {
            expose: own,
            ..cors(&["https://app.example.com"], true)
        };
        let name = "access-control-expose-headers";
        let pairs: Vec<_> = target.iter().map(|value| (name, *value)).collect();
        let mut headers = map(&pairs);
        cors.apply(Some(&origin), &mut headers);
        assert_eq!(headers.get_all(name).iter().collect::<Vec<_>>(), want);
        // A page that is not listed reads nothing.
        let mut headers = map(&pairs);
        cors.apply(None, &mut headers);
        assert!(!headers.contains_key(name));
    }
}
