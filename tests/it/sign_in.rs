//! A browser signs in with a token and goes on with a cookie that nobody else can use.

use crate::harness::h1::Answer;
use crate::harness::jar::Jar;
use crate::harness::websocket::{handshake, switching};
use crate::harness::{Config, TestGateway, Upstream, h2, staff};

const NAVIGATES: &str = "Sec-Fetch-Mode: navigate\r\n";
const OWN_PAGE: &str = "Origin: https://localhost\r\n";

fn config(upstream: &Upstream) -> Config {
    let policies = "[policies.staff]\nissuers = [\"staff\"]\n\
                    claims = { sub = [\"anna\", \"berta\"] }\n\
                    [policies.header]\nissuers = [\"header\"]\n\
                    [policies.here]\nallow = [\"127.0.0.1\"]\nissuers = [\"staff\"]\n\
                    satisfy = \"any\"\n\
                    [policies.there]\nallow = [\"192.0.2.1\"]\nissuers = [\"staff\"]\n\
                    satisfy = \"all\"";
    Config::new()
        .upstream("app", &upstream.url())
        .table(&staff::issuer(""))
        .table(&staff::issuer_named(
            "header",
            "another secret of thirty-two bytes",
            "sources = [\"header\"]",
        ))
        .table(policies)
        .route_with("/staff", "app", "policy = \"staff\"")
        .route_with(
            "/staff/deep",
            "app",
            "policy = \"staff\"\nafter_sign_in = \"/pages/start.html?x=1\"",
        )
        .route_with("/header", "app", "policy = \"header\"")
        .route_with("/here", "app", "policy = \"here\"")
        .route_with("/there", "app", "policy = \"there\"")
}

fn world() -> (Upstream, TestGateway) {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&config(&upstream));
    (upstream, gateway)
}

fn get(gateway: &TestGateway, target: &str, headers: &str) -> Answer {
    gateway.client().ask(format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
    ))
}

fn post(gateway: &TestGateway, target: &str, headers: &str, body: &str) -> Answer {
    gateway.client().ask(format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
         application/x-www-form-urlencoded\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn sign_in(gateway: &TestGateway, to: &str, token: &str) -> Answer {
    let form: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("token", token), ("to", to)])
        .finish();
    post(gateway, "/.ianitor/sign-in", OWN_PAGE, &form)
}

/// The cookies of an answer, each without the seconds that it is kept.
fn cookies(answer: &Answer) -> Vec<String> {
    let without = |cookie: &str| {
        let (front, rest) = cookie.split_once("; Max-Age=").unwrap();
        let (seconds, flags) = rest.split_once("; ").unwrap();
        let kept = match seconds.parse::<u64>().unwrap() {
            0 => "gone",
            540..=600 => "kept",
            other => panic!("{other} s: {cookie}"),
        };
        format!("{front}; {kept}; {flags}")
    };
    answer
        .head
        .all("set-cookie")
        .into_iter()
        .map(without)
        .collect()
}

fn cookie(path: &str, token: &str) -> String {
    let kept = if token.is_empty() { "gone" } else { "kept" };
    format!("ianitor={token}; Path={path}; {kept}; HttpOnly; Secure; SameSite=Strict")
}

#[test]
fn the_form_is_for_pages_where_a_cookie_is_accepted() {
    let (upstream, gateway) = world();
    let bad = "Cookie: ianitor=x\r\n";
    for (target, headers, status, has_form) in [
        ("/staff/a?b=c", NAVIGATES.to_owned(), 401, true),
        (
            "/staff",
            "Accept: text/html,*/*;q=0.8\r\n".to_owned(),
            401,
            true,
        ),
        ("/staff", format!("{NAVIGATES}{bad}"), 401, true),
        (
            "/staff",
            format!(
                "{NAVIGATES}Cookie: ianitor={}\r\n",
                staff::token("carla", 60)
            ),
            403,
            true,
        ),
        ("/staff", "Sec-Fetch-Mode: cors\r\n".to_owned(), 401, false),
        ("/staff", String::new(), 401, false),
        ("/header", NAVIGATES.to_owned(), 401, false),
        ("/there", NAVIGATES.to_owned(), 403, false),
    ] {
        let answer = get(&gateway, target, &headers);
        let page = answer.text();
        assert_eq!(
            (answer.status(), page.contains("<form")),
            (status, has_form),
            "{target} {headers}: {page}"
        );
    }
    let page = get(&gateway, "/staff/%61?b=1&c='d'", NAVIGATES).text();
    assert!(
        page.contains("value=\"/staff/a?b=1&amp;c=&#39;d&#39;\""),
        "{page}"
    );
    assert_eq!(get(&gateway, "/here", NAVIGATES).status(), 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_bad_token_of_the_query_does_not_come_back() {
    let upstream = Upstream::ok();
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(&staff::issuer(
            "sources = [\"query:token\", \"cookie:ianitor\"]",
        ))
        .table("[policies.staff]\nissuers = [\"staff\"]")
        .route_with("/staff", "app", "policy = \"staff\"");
    let page = get(
        &TestGateway::start(&config),
        "/staff?a=1&token=x&b=2",
        NAVIGATES,
    )
    .text();
    assert!(page.contains("value=\"/staff?a=1&amp;b=2\""), "{page}");
}

#[test]
fn a_good_token_becomes_two_cookies_and_the_way_back() {
    let (upstream, gateway) = world();
    let token = staff::token("anna", 600);
    let answer = sign_in(&gateway, "/staff/a?b=c", &format!(" {token}\r\n"));
    assert_eq!(
        (answer.status(), answer.head.get("location")),
        (303, Some("/staff/a?b=c"))
    );
    assert_eq!(answer.head.get("cache-control"), Some("no-store"));
    // A route below would get this one too: what it had is taken back.
    let want = [
        cookie("/staff/deep", ""),
        cookie("/staff", &token),
        cookie("/.ianitor", &token),
    ];
    assert_eq!(cookies(&answer), want);
    assert!(upstream.requests().is_empty());
    assert!(
        gateway
            .access
            .lines(1)
            .iter()
            .all(|line| !line.contains(&token) && !line.contains("token="))
    );
}

#[test]
fn a_route_may_have_a_page_to_go_to() {
    let (_upstream, gateway) = world();
    let token = staff::token("anna", 600);
    let answer = sign_in(&gateway, "/staff/deep/x", &token);
    assert_eq!(
        (answer.status(), answer.head.get("location")),
        (303, Some("/pages/start.html?x=1"))
    );
    let want = [
        cookie("/staff", ""),
        cookie("/staff/deep", &token),
        cookie("/.ianitor", &token),
    ];
    assert_eq!(cookies(&answer), want);
}

#[test]
fn the_cookie_is_accepted_and_goes_no_further() {
    let upstream = Upstream::http(|request, conn| {
        let is_websocket = request.head.get("upgrade").is_some();
        conn.send(if is_websocket {
            switching("")
        } else {
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()
        })?;
        Ok(crate::harness::Then::Keep)
    });
    let gateway = TestGateway::start(&config(&upstream));
    let header = format!(
        "Cookie: a=1; ianitor={}; b=2\r\n",
        staff::token("anna", 600)
    );
    assert_eq!(get(&gateway, "/staff", &header).status(), 200);
    let mut request = h2::get("/staff");
    request.headers_mut().insert(
        "cookie",
        header
            .trim_start_matches("Cookie: ")
            .trim()
            .parse()
            .unwrap(),
    );
    assert_eq!(gateway.dial().h2().send(request, b"").status, 200);
    let mut client = gateway.client();
    client.send(handshake("/staff", &header));
    assert_eq!(client.head().status(), 101);
    let seen = upstream.requests();
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter()
            .all(|request| request.head.get("cookie") == Some("a=1; b=2")),
        "{seen:#?}"
    );
    assert_eq!(get(&gateway, "/header", &header).status(), 401);
}

#[test]
fn a_wrong_token_leads_to_the_same_page() {
    let (_upstream, gateway) = world();
    let claims = serde_json::json!({ "sub": "anna", "exp": staff::now() + 600 });
    for (token, status, reason) in [
        ("rubbish".to_owned(), 401, "token_malformed"),
        (
            staff::mint("not the secret, though as long as it", &claims),
            401,
            "token_signature",
        ),
        (staff::token("anna", -600), 401, "token_expired"),
        // Within the leeway, but no browser would keep it.
        (staff::token("anna", -5), 401, "token_expired"),
        (staff::token("carla", 600), 403, "claim"),
    ] {
        gateway.access.clear();
        let answer = sign_in(&gateway, "/staff/a?b=c", &token);
        let page = answer.text();
        assert_eq!(answer.status(), status, "{reason}");
        assert!(
            page.contains("This token was not accepted.")
                && page.contains("value=\"/staff/a?b=c\""),
            "{page}"
        );
        assert!(cookies(&answer).is_empty());
        assert!(
            gateway.access.lines(1)[0].contains(&format!("reason={reason} ")),
            "{reason}"
        );
    }
    let empty = sign_in(&gateway, "/staff", " ");
    assert_eq!(
        (empty.status(), empty.text().contains("not accepted")),
        (401, false)
    );
}

#[test]
fn a_token_that_no_browser_keeps_is_named_as_such() {
    let (_upstream, gateway) = world();
    let claims =
        |len| serde_json::json!({ "sub": "anna", "exp": staff::now() + 600, "x": "x".repeat(len) });
    let answer = sign_in(
        &gateway,
        "/staff",
        &staff::mint(staff::SECRET, &claims(3100)),
    );
    assert_eq!(answer.status(), 400);
    assert!(answer.text().contains("4096 bytes"), "{}", answer.text());
    assert_eq!(
        sign_in(
            &gateway,
            "/staff",
            &staff::mint(staff::SECRET, &claims(2900))
        )
        .status(),
        303
    );
}

#[test]
fn nobody_is_sent_elsewhere() {
    let (_upstream, gateway) = world();
    let token = staff::token("anna", 600);
    for to in [
        "//evil.example/staff",
        "/\\evil.example",
        "https://evil.example/staff",
        "https:evil.example",
        "javascript:alert(1)",
        "/%2f%2fevil.example",
        "/%2Fstaff",
        "/staff/..//evil.example",
        "/\t/evil.example",
        "/staff\r\nSet-Cookie: x=y",
        "/staff?x\r\nSet-Cookie: x=y",
        "/.ianitor/sign-out",
        "staff",
        "",
    ] {
        let answer = sign_in(&gateway, to, &token);
        assert_eq!(
            (answer.status(), answer.head.get("location")),
            (400, None),
            "{to:?}"
        );
        assert!(cookies(&answer).is_empty(), "{to:?}");
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("to", to)
            .finish();
        for page in ["sign-in", "sign-out"] {
            assert_eq!(
                get(&gateway, &format!("/.ianitor/{page}?{query}"), "").status(),
                400,
                "{page} {to:?}"
            );
        }
    }
    for (to, status) in [("/elsewhere", 404), ("/header", 404), ("/", 404)] {
        assert_eq!(sign_in(&gateway, to, &token).status(), status, "{to}");
    }
}

#[test]
fn other_sites_sign_nobody_in_or_out() {
    let (_upstream, gateway) = world();
    let form = format!("token={}&to=/staff", staff::token("anna", 600));
    for headers in [
        "Origin: https://evil.example\r\n",
        "Origin: http://localhost\r\n",
        "Origin: https://localhost:444\r\n",
        "Origin: https://localhost.evil.example\r\n",
        "Origin: localhost\r\n",
        "Origin: null\r\n",
        "Origin: https://localhost\r\nOrigin: https://evil.example\r\n",
        "Origin: https://evil.example\r\nSec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: none\r\n",
        "Referer: https://localhost/staff\r\n",
        "",
    ] {
        for page in ["sign-in", "sign-out"] {
            let answer = post(&gateway, &format!("/.ianitor/{page}"), headers, &form);
            assert_eq!(
                (answer.status(), answer.head.all("set-cookie").len()),
                (403, 0),
                "{page} {headers:?}"
            );
        }
    }
    for headers in [
        OWN_PAGE,
        "Origin: https://localhost:443\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
    ] {
        assert_eq!(
            post(&gateway, "/.ianitor/sign-in", headers, &form).status(),
            303,
            "{headers:?}"
        );
    }
}

#[test]
fn signing_out_takes_the_cookies_back() {
    let (_upstream, gateway) = world();
    let page = get(&gateway, "/.ianitor/sign-out?to=%2Fstaff%2Fa", NAVIGATES);
    assert_eq!(page.status(), 200);
    assert!(
        page.text().contains("<button>Sign out</button>")
            && page.text().contains("value=\"/staff/a\"")
    );
    let answer = post(&gateway, "/.ianitor/sign-out", OWN_PAGE, "to=/staff/a");
    assert_eq!(answer.status(), 200);
    assert!(
        answer.text().contains("<h1>Signed out</h1>")
            && answer.text().contains("href=\"/staff/a\"")
    );
    assert_eq!(
        cookies(&answer),
        ["/staff", "/staff/deep", "/.ianitor"].map(|path| cookie(path, ""))
    );
    // Without a place: everywhere.
    let paths: Vec<String> = cookies(&post(&gateway, "/.ianitor/sign-out", OWN_PAGE, ""));
    assert_eq!(
        paths,
        ["/here", "/staff", "/staff/deep", "/there", "/.ianitor"].map(|path| cookie(path, ""))
    );
    assert!(
        get(&gateway, "/.ianitor/sign-out", "")
            .text()
            .contains("<button>")
    );
}

#[test]
fn whoever_has_signed_out_of_a_place_does_not_get_in_there() {
    let upstream = Upstream::ok();
    let config = config(&upstream).route_with("/", "app", "policy = \"staff\"");
    let gateway = TestGateway::start(&config.route_with("/admin", "app", "policy = \"staff\""));
    for (to, from) in [
        ("/", "/admin"),
        ("/staff", "/staff/deep"),
        ("/staff/deep", "/staff"),
        ("/admin/x", "/"),
    ] {
        let mut jar = Jar::default();
        jar.take(&sign_in(&gateway, to, &staff::token("anna", 600)).head);
        assert_eq!(get(&gateway, to, &jar.line(to)).status(), 200, "{to}");
        let answer = post(
            &gateway,
            "/.ianitor/sign-out",
            OWN_PAGE,
            &format!("to={from}"),
        );
        assert!(answer.text().contains("has forgotten your token"));
        jar.take(&answer.head);
        for target in [to, from] {
            assert_eq!(
                get(&gateway, target, &jar.line(target)).status(),
                401,
                "{to} {from} {target}"
            );
        }
    }
}

#[test]
fn whose_address_decides_needs_no_cookie() {
    let (_upstream, gateway) = world();
    let answer = sign_in(&gateway, "/here", "rubbish");
    assert_eq!(
        (answer.status(), answer.head.get("location")),
        (303, Some("/here"))
    );
    assert!(cookies(&answer).is_empty());
    let answer = sign_in(&gateway, "/there", &staff::token("anna", 600));
    assert_eq!(
        (answer.status(), answer.text().contains("<form")),
        (403, false)
    );
}

#[test]
fn forms_have_limits() {
    let (_upstream, gateway) = world();
    let token = staff::token("anna", 600);
    let large = post(
        &gateway,
        "/.ianitor/sign-in",
        OWN_PAGE,
        &format!("token={token}&to=/staff&x={}", "x".repeat(65_536)),
    );
    assert_eq!(large.status(), 413);
    let mut client = gateway.client();
    client.send(format!(
        "POST /.ianitor/sign-in HTTP/1.1\r\nHost: localhost\r\n\
         {OWN_PAGE}Transfer-Encoding: chunked\r\n\r\n"
    ));
    client.send(format!("10000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x10000)));
    assert_eq!(client.answer().status(), 413);
    let twice = format!("token={token}&token={token}&to=/staff");
    assert_eq!(
        post(&gateway, "/.ianitor/sign-in", OWN_PAGE, &twice).status(),
        400
    );
    let text = "Content-Type: text/plain\r\n";
    let ask = format!(
        "POST /.ianitor/sign-in HTTP/1.1\r\nHost: localhost\r\n\
         {OWN_PAGE}{text}Content-Length: 1\r\n\r\nx"
    );
    assert_eq!(gateway.client().ask(ask).status(), 415);
    for method in ["PUT", "DELETE", "OPTIONS"] {
        let ask = format!(
            "{method} /.ianitor/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = gateway.client().ask(ask);
        assert_eq!(
            (answer.status(), answer.head.get("allow")),
            (405, Some("GET, HEAD, POST")),
            "{method}"
        );
    }
    for path in [
        "/.ianitor",
        "/.ianitor/",
        "/.ianitor/sign-in/",
        "/.ianitor/other",
    ] {
        assert_eq!(get(&gateway, path, "").status(), 404, "{path}");
    }
}

#[test]
fn guessing_by_the_form_is_guessing() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(
        &config(&upstream).limits("bad_tokens_per_client = \"2/h\"\nexempt = []"),
    );
    for _ in 0..2 {
        assert_eq!(sign_in(&gateway, "/staff", "rubbish").status(), 401);
    }
    let answer = sign_in(&gateway, "/staff", "rubbish");
    assert_eq!(answer.status(), 429);
    assert!(
        answer.head.get("retry-after").is_some() && answer.text().contains("Too many attempts")
    );
    // Somebody else behind the same address is let in.
    assert_eq!(
        sign_in(&gateway, "/staff", &staff::token("anna", 600)).status(),
        303
    );
}
