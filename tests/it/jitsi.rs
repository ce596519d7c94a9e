//! A token of Jitsi opens its own room in its own domain, whatever way the request goes, and no
//! request for another room reaches the server.

use serde_json::json;

use crate::harness::token::{self, HMAC, now};
use crate::harness::websocket::{Frame, echo, handshake, is_alive};
use crate::harness::{Client, Config, TestGateway, Upstream};

/// Tokens where Jitsi has them, and in the query of its pages.
fn issuer() -> String {
    HMAC.replace("\"query:token\"", "\"query:token\", \"query:jwt\"")
}

const POLICY: &str = "[policies.meeting]\nissuers = [\"staff\"]\n";

/// Plain requests go to one server, WebSockets to another.
fn config(plain: &Upstream, sockets: &Upstream, upstream: &str, policy: &str) -> Config {
    let upstreams = format!(
        "[upstreams.bosh]\nservers = [\"{}\"]\nprotocol = \"jitsi\"\n{upstream}\n\
         [upstreams.sockets]\nservers = [\"{}\"]\nprotocol = \"jitsi\"\n{upstream}",
        plain.url(),
        sockets.url()
    );
    let lines = "policy = \"meeting\"\nwebsocket = \"sockets\"";
    Config::new()
        .table(&upstreams)
        .table(&issuer())
        .table(&format!("{POLICY}{policy}"))
        .route_with("/http-bind", "bosh", "policy = \"meeting\"")
        .route_with("/{tenant}/http-bind", "bosh", "policy = \"meeting\"")
        .route_with(
            "/{tenant}/xmpp-websocket",
            "sockets",
            "policy = \"meeting\"",
        )
        .route_with("/xmpp-websocket", "bosh", lines)
}

/// For one room in the domain `localhost`.
fn for_room(room: &str) -> String {
    token::token(json!({ "room": room, "sub": "localhost" }))
}

fn open(gateway: &TestGateway, target: &str) -> (u16, Client) {
    let mut client = gateway.client();
    client.send(handshake(target, "Sec-WebSocket-Protocol: xmpp\r\n"));
    (client.head().status(), client)
}

#[test]
fn a_token_opens_its_room_by_get_post_and_websocket_and_no_other() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let gateway = TestGateway::start(&config(&plain, &sockets, "", ""));
    let t = for_room("StandUp");
    let mut client = gateway.client();
    let bosh = |query: &str| format!("/http-bind?{query}");
    let websocket = |query: &str| format!("/xmpp-websocket?{query}");
    for query in [
        format!("room=standup&token={t}"),
        format!("token={t}&room=standup&previd=x"),
        format!("token={t}&r%6fom=stand%75p"),
    ] {
        assert_eq!(
            client.post(&bosh(&query), b"<body/>").status(),
            200,
            "{query}"
        );
        assert_eq!(client.get(&bosh(&query)).status(), 200, "{query}");
        assert_eq!(client.get(&websocket(&query)).status(), 200, "{query}");
        let (status, mut socket) = open(&gateway, &websocket(&query));
        assert_eq!(status, 101, "{query}");
        is_alive(&mut socket);
    }
    assert_eq!(plain.heads()[0].target(), "/http-bind?room=standup");
    let (passed, opened) = (plain.heads().len(), sockets.heads().len());
    for query in [
        format!("room=retro&token={t}"),
        format!("token={t}"),
        format!("token={t}&room="),
        format!("room=standup&token={t}&room=retro"),
        format!("room=standup&room=standup&token={t}"),
    ] {
        let answer = gateway.client().post(&bosh(&query), b"<body/>");
        assert_eq!(answer.status(), 403, "{query}");
        assert_eq!(
            answer.head.get("www-authenticate"),
            Some("Bearer realm=\"ianitor\", error=\"insufficient_scope\""),
            "{query}"
        );
        let mut client = gateway.client();
        assert_eq!(client.get(&bosh(&query)).status(), 403, "{query}");
        assert_eq!(client.get(&websocket(&query)).status(), 403, "{query}");
        assert_eq!(open(&gateway, &websocket(&query)).0, 403, "{query}");
        let mut h2 = gateway.dial().h2();
        assert_eq!(h2.get(&bosh(&query)).status, 403, "{query}");
    }
    assert_eq!(
        (plain.heads().len(), sockets.heads().len()),
        (passed, opened)
    );
}

#[test]
fn the_log_says_which_claim_was_not_what_was_asked_for() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let gateway = TestGateway::start(&config(&plain, &sockets, "", ""));
    let with = |claims| token::token(claims);
    for (target, reason, detail) in [
        (
            format!("/http-bind?room=retro&token={}", for_room("standup")),
            "jitsi_room",
            "room is standup, asked for retro",
        ),
        (
            format!("/http-bind?token={}", for_room("standup")),
            "jitsi_room",
            "room is standup, none asked for",
        ),
        (
            format!(
                "/http-bind?room=a&token={}",
                with(json!({ "sub": "localhost" }))
            ),
            "jitsi_room",
            "the token has no room",
        ),
        (
            format!(
                "/acme/http-bind?room=a&token={}",
                with(json!({ "room": "*", "sub": "other" }))
            ),
            "jitsi_tenant",
            "sub is other, asked for acme",
        ),
        (
            format!(
                "/http-bind?room=a&token={}",
                with(json!({ "room": "*", "sub": "other.test" }))
            ),
            "jitsi_domain",
            "sub is other.test, asked for localhost",
        ),
    ] {
        gateway.access.clear();
        assert_eq!(gateway.client().get(&target).status(), 403, "{detail}");
        let line = gateway.access.lines(1).remove(0);
        let want = format!(" reason={reason} detail=\"{detail}\" ");
        assert!(line.contains(&want), "{want}: {line}");
        assert!(!line.contains("eyJ"), "{line}");
    }
}

#[test]
fn the_domain_is_the_host_or_what_the_upstream_says() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let target = |sub: &str| {
        let t = token::token(json!({ "room": "a", "sub": sub }));
        format!("/http-bind?room=a&token={t}")
    };
    for (upstream, admitted, rejected) in [
        ("", "localhost", "meet.jitsi"),
        ("domain = \"meet.jitsi\"", "meet.jitsi", "localhost"),
        ("domain = \"Meet.Jitsi\"", "*", "localhost"),
        ("domain = \"*\"", "user-7", ""),
    ] {
        let gateway = TestGateway::start(&config(&plain, &sockets, upstream, ""));
        let mut client = gateway.client();
        assert_eq!(client.get(&target(admitted)).status(), 200, "{upstream}");
        if !rejected.is_empty() {
            assert_eq!(client.get(&target(rejected)).status(), 403, "{upstream}");
        }
    }
}

/// A client without a server name in TLS, which may name any host.
fn nameless(gateway: &TestGateway) -> Client {
    gateway.dial_blindly().name("127.0.0.1").h1()
}

#[test]
fn a_host_that_only_the_client_names_is_not_the_domain() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let gateway = TestGateway::start(&config(&plain, &sockets, "", ""));
    let of = |sub: &str| token::token(json!({ "room": "aula", "sub": sub }));
    let get = |path: &str, host: &str, sub: &str| {
        let target = format!("{path}/http-bind?room=aula&token={}", of(sub));
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        nameless(&gateway).ask(request).status()
    };
    assert_eq!(get("", "acme", "acme"), 403);
    let line = gateway.access.lines(1).remove(0);
    let want = " reason=jitsi_domain detail=\"acme: not a name of the gateway; set domain\" ";
    assert!(line.contains(want), "{line}");
    for (path, host, sub, status) in [
        ("", "other.test", "other.test", 403),
        ("", "192.0.2.1", "192.0.2.1", 403),
        ("", "acme", "*", 200),
        ("", "LocalHost", "localhost", 200),
        ("", "localhost", "acme", 403),
        ("/acme", "acme", "acme", 200),
        ("/other", "acme", "acme", 403),
    ] {
        assert_eq!(get(path, host, sub), status, "{path} {host} {sub}");
    }
    let target = format!("/xmpp-websocket?room=aula&token={}", of("acme"));
    let mut client = nameless(&gateway);
    client.send(handshake(&target, "").replace("Host: localhost", "Host: acme"));
    assert_eq!(client.head().status(), 403);
    assert_eq!(sockets.heads().len(), 0);
}

#[test]
fn the_host_of_a_route_is_a_domain_whatever_the_certificates_name() {
    let upstream = Upstream::ok();
    let tables = "[upstreams.bosh]\nservers = [\"URL\"]\nprotocol = \"jitsi\"";
    let config = Config::new()
        .table(&tables.replace("URL", &upstream.url()))
        .table(&issuer())
        .table(POLICY)
        .route_with(
            "/http-bind",
            "bosh",
            "policy = \"meeting\"\nhost = \"meet.test\"",
        );
    let gateway = TestGateway::start(&config);
    for (sub, status) in [("meet.test", 200), ("localhost", 403)] {
        let t = token::token(json!({ "room": "a", "sub": sub }));
        let request =
            format!("GET /http-bind?room=a&token={t} HTTP/1.1\r\nHost: meet.test\r\n\r\n");
        assert_eq!(nameless(&gateway).ask(request).status(), status, "{sub}");
    }
}

#[test]
fn a_reload_after_which_no_certificate_names_the_host_closes_its_sockets() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let config = config(&plain, &sockets, "", "");
    let both = config
        .clone()
        .tls("self_signed = [\"localhost\", \"meet.test\"]");
    let mut gateway = TestGateway::start(&both);
    let opened = |host: &str, sub: &str| {
        let t = token::token(json!({ "room": "a", "sub": sub }));
        let text = handshake(&format!("/xmpp-websocket?room=a&token={t}"), "");
        let mut client = nameless(&gateway);
        client.send(text.replace("Host: localhost", &format!("Host: {host}")));
        assert_eq!(client.head().status(), 101, "{host}");
        is_alive(&mut client);
        client
    };
    let mut gone = opened("meet.test", "meet.test");
    let mut named = opened("localhost", "localhost");
    let mut of_any = opened("meet.test", "*");
    gateway.reload(&config);
    let close = gone.wire.frame().unwrap().close();
    assert_eq!(close, (1008, "no longer allowed".to_owned()));
    is_alive(&mut named);
    is_alive(&mut of_any);
}

#[test]
fn a_token_opens_the_rooms_of_its_tenant_and_no_other() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let mut gateway = TestGateway::start(&config(&plain, &sockets, "", ""));
    let t = |sub: &str| token::token(json!({ "room": "a", "sub": sub }));
    for (tenant, sub, is_admitted) in [
        ("/acme", "acme", true),
        ("/ACME", "acme", true),
        ("/acme", "*", true),
        ("/acme", "localhost", false),
        ("/other", "acme", false),
        ("", "acme", false),
    ] {
        let bosh = format!("{tenant}/http-bind?room=a&token={}", t(sub));
        let want = if is_admitted { 200 } else { 403 };
        assert_eq!(gateway.client().get(&bosh).status(), want, "{tenant} {sub}");
        let socket = format!("{tenant}/xmpp-websocket?room=a&token={}", t(sub));
        let want = if is_admitted { 101 } else { 403 };
        assert_eq!(open(&gateway, &socket).0, want, "{tenant} {sub}");
    }
    // What the client says of its tenant is not what Prosody is told.
    let own = |tenant: &str| format!("/{tenant}http-bind?room=a&prefix=acme&token={}", t("acme"));
    assert_eq!(gateway.client().get(&own("other/")).status(), 403);
    assert_eq!(gateway.client().get(&own("")).status(), 403);
    let (_, mut socket) = open(
        &gateway,
        &format!("/acme/xmpp-websocket?room=a&token={}", t("acme")),
    );
    gateway.reload(&config(&plain, &sockets, "domain = \"meet.jitsi\"", ""));
    is_alive(&mut socket);
}

#[test]
fn a_reload_after_which_a_token_is_for_another_domain_closes_its_sockets() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let mut gateway = TestGateway::start(&config(&plain, &sockets, "", ""));
    let target = |room: &str, sub: &str| {
        let t = token::token(json!({ "room": room, "sub": sub }));
        format!("/xmpp-websocket?room=standup&token={t}")
    };
    let (_, mut of_host) = open(&gateway, &target("standup", "localhost"));
    let (_, mut of_any) = open(&gateway, &target("standup", "*"));
    is_alive(&mut of_host);
    // The room is remembered: the same configuration once more closes nothing.
    gateway.reload(&config(&plain, &sockets, "", "on_expiry = \"keep\""));
    is_alive(&mut of_host);
    gateway.reload(&config(&plain, &sockets, "domain = \"meet.jitsi\"", ""));
    let close = of_host.wire.frame().unwrap().close();
    assert_eq!(close, (1008, "no longer allowed".to_owned()));
    is_alive(&mut of_any);
}

#[test]
fn a_newer_token_for_another_room_renews_no_socket() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let gateway = TestGateway::start(&config(&plain, &sockets, "", ""));
    let until = |room: &str, seconds: u64| {
        token::token(json!({ "room": room, "sub": "localhost", "exp": now() + seconds }))
    };
    let old = until("standup", 60);
    let mut client = gateway.client();
    let cookie = format!("Cookie: ianitor={old}\r\n");
    client.send(handshake("/xmpp-websocket?room=standup", &cookie));
    assert_eq!(client.head().status(), 101);
    let renewed = |new: String| {
        let answer = gateway.client().ask(format!(
            "POST /.ianitor/renew HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n\
             {cookie}Authorization: Bearer {new}\r\nContent-Length: 0\r\n\r\n"
        ));
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        body["renewed"].as_i64()
    };
    assert_eq!(renewed(until("retro", 600)), Some(0));
    assert_eq!(renewed(until("standup", 700)), Some(1));
    is_alive(&mut client);
}

#[test]
fn an_address_that_is_enough_needs_no_token_for_the_room() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let allow = "allow = [\"127.0.0.0/8\"]\nsatisfy = \"any\"";
    let gateway = TestGateway::start(&config(&plain, &sockets, "", allow));
    assert_eq!(gateway.client().get("/http-bind").status(), 200);
    assert_eq!(open(&gateway, "/xmpp-websocket?room=a").0, 101);
}

#[test]
fn what_does_not_speak_jitsi_may_have_rooms_of_its_own() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream).table(&issuer()).table(POLICY);
    let config = config.route_with("/app", "app", "policy = \"meeting\"");
    let gateway = TestGateway::start(&config);
    let target = format!("/app?room=retro&room=a&token={}", for_room("standup"));
    assert_eq!(gateway.client().get(&target).status(), 200);
}

#[test]
fn sockets_pass_frames_as_they_are() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let gateway = TestGateway::start(&config(&plain, &sockets, "", ""));
    let t = for_room("standup");
    let (_, mut socket) = open(&gateway, &format!("/xmpp-websocket?room=standup&token={t}"));
    // Fragments and binary frames, which Prosody itself refuses.
    let frame = Frame::from_client(2, b"\xff\x00").part();
    socket.send(frame.bytes());
    let echoed = socket.wire.frame().unwrap();
    assert_eq!(
        (echoed.is_last, echoed.opcode, &*echoed.payload),
        (false, 2, &b"\xff\x00"[..])
    );
}

#[test]
fn a_guest_may_have_no_token_but_not_a_bad_one() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let policy = "optional = true\nclaims = { role = \"caller\" }\n";
    let gateway = TestGateway::start(&config(&plain, &sockets, "", policy));
    let with = |more: serde_json::Value| {
        let mut claims = json!({ "room": "standup", "sub": "localhost", "role": "caller" });
        claims
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        token::token(claims)
    };
    let good = with(json!({}));
    // The body of another token under this signature.
    let forged = {
        let (front, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = front.split_once('.').unwrap();
        let payload = token::part(token::claims(json!({ "room": "*", "sub": "*" })).to_string());
        format!("{header}.{payload}.{signature}")
    };
    for (query, status) in [
        ("room=standup".to_owned(), 200),
        ("room=retro&room=any".to_owned(), 200),
        (String::new(), 200),
        (format!("room=standup&token={good}"), 200),
        (format!("room=standup&token={good}&token={good}"), 200),
        (format!("room=retro&token={good}"), 403),
        (
            format!("room=standup&token={}", with(json!({ "role": "guest" }))),
            403,
        ),
        (
            format!(
                "room=standup&token={}",
                with(json!({ "exp": now() - 3600 }))
            ),
            401,
        ),
        (
            format!("room=standup&token={}", with(json!({ "aud": "other" }))),
            401,
        ),
        (
            format!("room=standup&token={}", with(json!({ "iss": "other" }))),
            401,
        ),
        (format!("room=standup&token={forged}"), 401),
        ("room=standup&token=".to_owned(), 401),
        ("room=standup&token=guest".to_owned(), 401),
        (
            format!(
                "room=standup&token={good}&token={}",
                with(json!({ "jti": "2" }))
            ),
            400,
        ),
    ] {
        let target = format!("/http-bind?{query}");
        assert_eq!(gateway.client().get(&target).status(), status, "{query}");
        let opened = open(&gateway, &format!("/xmpp-websocket?{query}")).0;
        assert_eq!(opened, if status == 200 { 101 } else { status }, "{query}");
    }
}

#[test]
fn a_guest_is_judged_again_as_one() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let guests = config(&plain, &sockets, "", "optional = true");
    let mut gateway = TestGateway::start(&guests);
    let (_, mut guest) = open(&gateway, "/xmpp-websocket?room=standup");
    let t = for_room("standup");
    let (_, mut member) = open(&gateway, &format!("/xmpp-websocket?room=standup&token={t}"));
    gateway.reload(&guests.clone().route("/other", "bosh"));
    is_alive(&mut guest);
    gateway.reload(&config(&plain, &sockets, "", ""));
    let close = guest.wire.frame().unwrap().close();
    assert_eq!(close, (1008, "no longer allowed".to_owned()));
    is_alive(&mut member);
}

#[test]
fn a_guest_from_inside_needs_the_address_and_no_token() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let policy = |allow: &str| format!("optional = true\nallow = [{allow}]\nsatisfy = \"all\"");
    let inside = policy("\"127.0.0.0/8\"");
    let gateway = TestGateway::start(&config(&plain, &sockets, "", &inside));
    let mut client = gateway.client();
    assert_eq!(client.get("/http-bind?room=a").status(), 200);
    assert_eq!(client.get("/http-bind?room=a&token=guest").status(), 401);
    // The address is enough, so pages of other origins may not use it.
    let foreign =
        "GET /http-bind HTTP/1.1\r\nHost: localhost\r\nOrigin: https://other.test\r\n\r\n";
    assert_eq!(client.ask(foreign).status(), 403);
    let outside = policy("\"192.0.2.0/24\"");
    let gateway = TestGateway::start(&config(&plain, &sockets, "", &outside));
    assert_eq!(gateway.client().get("/http-bind?room=a").status(), 403);
}

#[test]
fn an_issuer_may_have_several_names() {
    let upstream = Upstream::ok();
    let issuer = HMAC.replace(
        "issuer = \"https://login.example.com\"",
        "issuer = [\"my_app_id\", \"https://login.example.com\"]",
    );
    let config = Config::new().upstream("app", &upstream.url());
    let config = config.table(&issuer).table(POLICY);
    let gateway = TestGateway::start(&config.route_with("/", "app", "policy = \"meeting\""));
    for (iss, status) in [
        (json!("my_app_id"), 200),
        (json!("https://login.example.com"), 200),
        (json!("My_App_Id"), 401),
        (json!("other"), 401),
        (json!(null), 401),
    ] {
        let target = format!("/?token={}", token::token(json!({ "iss": iss })));
        assert_eq!(gateway.client().get(&target).status(), status, "{iss}");
    }
}
