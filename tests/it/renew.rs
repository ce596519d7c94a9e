//! Sockets of a browser go on by a newer token of the one who signed in, and by nothing else.

use serde_json::{Value, json};

use crate::harness::h1::Answer;
use crate::harness::jar::Jar;
use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Client, Config, TestGateway, Upstream, staff, token};

const OTHER: &str = "another secret of thirty-two bytes";

fn world() -> (Upstream, TestGateway) {
    let upstream = echo();
    let policies = "[policies.staff]\nissuers = [\"staff\", \"other\"]\n\
                    [policies.ops]\nissuers = [\"staff\"]\nclaims = { role = [\"ops\"] }";
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(&staff::issuer("leeway = \"0s\"\n"))
        .table(&staff::issuer_named("other", OTHER, ""))
        .table(policies)
        .route_with("/staff", "app", "policy = \"staff\"")
        .route_with("/ops", "app", "policy = \"ops\"");
    (upstream, TestGateway::start(&config))
}

fn open(gateway: &TestGateway, target: &str, token: &str) -> Client {
    let mut client = gateway.client();
    client.send(handshake(target, &format!("Cookie: ianitor={token}\r\n")));
    assert_eq!(client.head().status(), 101);
    client
}

#[track_caller]
fn ends(client: &mut Client) {
    assert_eq!(
        client.wire.frame().unwrap().close(),
        (1008, "token expired".to_owned())
    );
}

fn ask(gateway: &TestGateway, headers: &str, body: &str) -> Answer {
    gateway.client().ask(format!(
        "POST /.ianitor/renew HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n\
         {body}",
        body.len()
    ))
}

/// With the newer token in `Authorization`.
fn renew(gateway: &TestGateway, old: &str, new: &str) -> Answer {
    ask(
        gateway,
        &format!(
            "Origin: https://localhost\r\nCookie: ianitor={old}\r\nAuthorization: Bearer {new}\r\n"
        ),
        "",
    )
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn paths(answer: &Answer) -> Vec<String> {
    let path = |cookie: &str| {
        cookie
            .split_once("Path=")
            .unwrap()
            .1
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    };
    answer
        .head
        .all("set-cookie")
        .into_iter()
        .map(path)
        .collect()
}

#[test]
fn sockets_of_all_workers_go_on_past_the_old_end() {
    let (_upstream, gateway) = world();
    let (old, new) = (staff::token("anna", 4), staff::token("anna", 600));
    // More than one for each worker, as the kernel spreads them; and one of somebody else, that
    // ends with its token.
    let mut sockets: Vec<Client> = (0..12).map(|_| open(&gateway, "/staff", &old)).collect();
    let mut witness = open(&gateway, "/staff", &staff::token("berta", 4));
    let answer = renew(&gateway, &old, &new);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.head.get("content-type"), Some("application/json"));
    let body = json(&answer);
    assert_eq!(body["renewed"], 12);
    assert!((staff::now() + 590..=staff::now() + 600).contains(&body["expires"].as_i64().unwrap()));
    assert_eq!(paths(&answer), ["/.ianitor"]);
    assert!(
        answer.head.all("set-cookie")[0]
            .starts_with(&format!("ianitor={new}; Path=/.ianitor; Max-Age="))
    );
    ends(&mut witness);
    sockets.iter_mut().for_each(is_alive);
    // By now the browser's cookie is the newer one, and the old one names no socket any more.
    assert_eq!(
        json(&renew(&gateway, &new, &staff::token("anna", 700)))["renewed"],
        12
    );
    assert_eq!(
        json(&renew(&gateway, &old, &staff::token("anna", 800)))["renewed"],
        0
    );
}

#[test]
fn nothing_but_a_newer_token_of_the_same_issuer_and_subject_renews() {
    let (_upstream, gateway) = world();
    let (old, good) = (staff::token("anna", 5), staff::token("anna", 600));
    let mut socket = open(&gateway, "/staff", &old);
    let nobody = |seconds| staff::mint(staff::SECRET, &json!({ "exp": staff::now() + seconds }));
    for (old, new, status, reason) in [
        (&*old, staff::token("berta", 600), 403, "renewal_subject"),
        (&old, nobody(600), 403, "renewal_subject"),
        (&nobody(5), nobody(600), 403, "renewal_subject"),
        (
            &old,
            staff::mint(OTHER, &json!({ "sub": "anna", "exp": staff::now() + 600 })),
            401,
            "token_signature",
        ),
        (&old, staff::token("anna", 3), 409, "renewal_not_later"),
        (&old, old.clone(), 409, "renewal_not_later"),
        (&old, staff::token("anna", -600), 401, "token_expired"),
        (&old, "rubbish".to_owned(), 401, "token_malformed"),
        ("rubbish", good.clone(), 401, "token_malformed"),
        (
            &staff::token("berta", 5),
            good.clone(),
            403,
            "renewal_subject",
        ),
    ] {
        gateway.access.clear();
        let answer = renew(&gateway, old, &new);
        assert_eq!(
            (answer.status(), answer.head.all("set-cookie").len()),
            (status, 0),
            "{reason}"
        );
        assert!(
            gateway.access.lines(1)[0].contains(&format!("reason={reason} ")),
            "{reason}"
        );
    }
    let bearer = format!("Authorization: Bearer {good}\r\n");
    let cookie = format!("Cookie: ianitor={old}\r\n");
    let own = "Origin: https://localhost\r\n";
    #[rustfmt::skip]
    let cases = [
        (format!("{own}{bearer}"), "", 401),
        (format!("{own}{cookie}"), "", 400),
        (format!("{cookie}{bearer}"), "", 403),
        (format!("Origin: https://evil.example\r\n{cookie}{bearer}"), "", 403),
        (format!("{own}{cookie}{bearer}Content-Type: application/json\r\n"), "{\"token\":\"x\"}",
         400),
        (format!("{own}{cookie}{bearer}Content-Type: application/json\r\n"),
         "{\"to\":\"//evil.example\"}", 400),
        (format!("{own}{cookie}{bearer}Content-Type: application/json\r\n"), "{\"to\":\"/ops\"}",
         403),
        (format!("{own}{cookie}{bearer}Content-Type: application/json\r\n"), "[]", 400),
    ];
    for (headers, body, status) in cases {
        let answer = ask(&gateway, &headers, body);
        assert_eq!(
            (answer.status(), answer.head.all("set-cookie").len()),
            (status, 0),
            "{headers}{body}"
        );
    }
    let answer = gateway.client().get("/.ianitor/renew");
    assert_eq!(
        (answer.status(), answer.head.get("allow")),
        (405, Some("POST"))
    );
    ends(&mut socket);
}

#[test]
fn the_policy_of_each_socket_is_asked() {
    let (_upstream, gateway) = world();
    let with_role = |seconds| {
        staff::mint(
            staff::SECRET,
            &json!({ "sub": "anna", "exp": staff::now() + seconds, "role": "ops" }),
        )
    };
    let old = with_role(4);
    let (mut staff, mut ops) = (open(&gateway, "/staff", &old), open(&gateway, "/ops", &old));
    let answer = renew(&gateway, &old, &staff::token("anna", 600));
    assert_eq!(json(&answer)["renewed"], 1);
    ends(&mut ops);
    is_alive(&mut staff);
}

#[test]
fn a_program_renews_sockets_that_it_opened_with_a_token_in_another_place() {
    let upstream = echo();
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(&token::hmac_without_leeway())
        .table("[policies.callers]\nissuers = [\"staff\"]")
        .route_with("/ws", "app", "policy = \"callers\"");
    let gateway = TestGateway::start(&config);
    let ending = |subject: &str, seconds: u64| {
        token::token(json!({ "sub": subject, "exp": token::now() + seconds }))
    };
    let (old, new) = (ending("program", 4), ending("program", 600));
    let mut sockets = [
        (format!("/ws?token={old}"), String::new()),
        ("/ws".to_owned(), format!("Authorization: Bearer {old}\r\n")),
    ]
    .map(|(target, headers)| {
        let mut client = gateway.client();
        client.send(handshake(&target, &headers));
        assert_eq!(client.head().status(), 101);
        client
    });
    let mut witness = open(&gateway, "/ws", &ending("another", 4));
    let answer = renew(&gateway, &old, &new);
    assert_eq!(
        (answer.status(), &json(&answer)["renewed"]),
        (200, &json!(2))
    );
    ends(&mut witness);
    sockets.iter_mut().for_each(is_alive);
}

#[test]
fn a_token_that_is_over_still_names_its_sockets() {
    let (_upstream, gateway) = world();
    let answer = renew(
        &gateway,
        &staff::token("anna", -3600),
        &staff::token("anna", 600),
    );
    assert_eq!(
        (answer.status(), json(&answer)["renewed"].as_u64()),
        (200, Some(0))
    );
}

#[test]
fn the_cookie_of_the_page_is_replaced_too() {
    let (_upstream, gateway) = world();
    let (old, new) = (staff::token("anna", 60), staff::token("anna", 600));
    let cookie = format!("Origin: https://localhost\r\nCookie: ianitor={old}\r\n");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    for (headers, body, want) in [
        (
            form,
            format!("token={new}&to=/staff/page"),
            &["/staff", "/.ianitor"][..],
        ),
        (
            json,
            format!("{{\"token\":\"{new}\",\"to\":\"/staff\"}}"),
            &["/staff", "/.ianitor"],
        ),
        (
            "Referer: https://localhost/staff/page?x\r\nContent-Type: application/json\r\n",
            format!("{{\"token\":\"{new}\"}}"),
            &["/staff", "/.ianitor"],
        ),
        (
            "Referer: https://evil.example/staff\r\nContent-Type: application/json\r\n",
            format!("{{\"token\":\"{new}\"}}"),
            &["/.ianitor"],
        ),
        (
            "Referer: https://localhost/ops\r\nContent-Type: application/json\r\n",
            format!("{{\"token\":\"{new}\"}}"),
            &["/.ianitor"],
        ),
        (json, format!("{{\"token\":\"{new}\"}}"), &["/.ianitor"]),
    ] {
        let answer = ask(&gateway, &format!("{cookie}{headers}"), &body);
        assert_eq!(answer.status(), 200, "{headers}{body}");
        assert_eq!(paths(&answer), want, "{headers}{body}");
    }
}

#[test]
fn a_browser_goes_on_wherever_it_was_signed_in() {
    let upstream = Upstream::ok();
    let routes = ["/", "/admin", "/admin/deep", "/other"];
    for (has_root, at, asks) in [
        (
            true,
            "/",
            &["", "to=/admin", "to=/", "to=/admin/deep", ""][..],
        ),
        (true, "/admin", &["", "to=/other"]),
        (true, "/admin/deep", &["to=/admin", "to=/admin/deep", ""]),
        // Without a route that has everything below it, a page's place has to be named.
        (false, "/admin", &["", "to=/admin", "to=/admin/deep", ""]),
        (false, "/admin/deep", &["", "to=/admin/deep", "to=/admin"]),
    ] {
        let mut config = Config::new()
            .upstream("app", &upstream.url())
            .table(&staff::issuer(""));
        config = config.table("[policies.staff]\nissuers = [\"staff\"]");
        for path in routes.iter().skip(usize::from(!has_root)) {
            config = config.route_with(path, "app", "policy = \"staff\"");
        }
        signed_in_and_renewed(&TestGateway::start(&config), at, asks);
    }
}

fn signed_in_and_renewed(gateway: &TestGateway, at: &str, asks: &[&str]) {
    let form = "Origin: https://localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let body = format!("to={at}&token={}", staff::token("anna", 60));
    let mut jar = Jar::default();
    jar.take(
        &gateway
            .client()
            .ask(format!(
                "POST /.ianitor/sign-in HTTP/1.1\r\nHost: localhost\r\n{form}Content-Length: {}\r\n\
                 \r\n{body}",
                body.len()
            ))
            .head,
    );
    for (seconds, ask_for) in (600..).zip(asks) {
        let newer = staff::token("anna", seconds);
        let answer = ask(
            gateway,
            &format!("{form}{}", jar.line("/.ianitor/renew")),
            &format!("token={newer}&{ask_for}"),
        );
        assert_eq!(answer.status(), 200, "{at} {ask_for}: {jar:?}");
        jar.take(&answer.head);
        assert!(jar.has(&newer));
        let to = ask_for.strip_prefix("to=").unwrap_or(at);
        for target in [at, to, &format!("{to}/x").replace("//", "/")] {
            let line = jar.line(target);
            let get = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n");
            assert_eq!(
                gateway.client().ask(get).status(),
                200,
                "{at} {ask_for} {target}: {jar:?}"
            );
            assert!(
                ask_for.is_empty() || line.contains(&newer),
                "{at} {ask_for} {target}: {jar:?}"
            );
        }
    }
}
