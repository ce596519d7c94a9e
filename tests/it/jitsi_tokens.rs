//! Where the tokens of Jitsi's clients stand, Prosody and the log see none of them, unless the
//! route forwards them.

use serde_json::json;

use crate::harness::token::{self, HMAC};
use crate::harness::websocket::{echo, handshake};
use crate::harness::{Config, TestGateway, Upstream};

/// Plain requests go to one server, WebSockets to another.
fn config(issuer: &str, plain: &Upstream, sockets: &Upstream) -> Config {
    let upstreams = format!(
        "[upstreams.bosh]\nservers = [\"{}\"]\nprotocol = \"jitsi\"\n\
         [upstreams.sockets]\nservers = [\"{}\"]\nprotocol = \"jitsi\"",
        plain.url(),
        sockets.url()
    );
    let policy = "policy = \"meeting\"";
    let forwarding = "policy = \"meeting\"\nforward_token = true";
    Config::new()
        .table(&upstreams)
        .table(issuer)
        .table("[policies.meeting]\nissuers = [\"staff\"]\noptional = true")
        .route_with("/http-bind", "bosh", policy)
        .route_with("/x/http-bind", "bosh", forwarding)
        .route_with("/xmpp-websocket", "sockets", policy)
}

/// An issuer whose tokens stand in these places.
fn issuer(sources: &str) -> String {
    let usual = "\"header\", \"cookie:ianitor\", \"query:token\", \"subprotocol\"";
    assert!(HMAC.contains(usual));
    HMAC.replace(usual, sources)
}

/// For one room in the domain `localhost`.
fn for_room(room: &str) -> String {
    token::token(json!({ "room": room, "sub": "localhost" }))
}

/// The status of a handshake.
fn opened_with(gateway: &TestGateway, target: &str, fields: &str) -> u16 {
    let mut client = gateway.client();
    client.send(handshake(target, fields));
    client.head().status()
}

#[test]
fn a_token_of_the_page_is_in_no_log_and_not_at_the_server() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let issuer = issuer("\"query:token\", \"query:jwt\"");
    let gateway = TestGateway::start(&config(&issuer, &plain, &sockets));
    let t = for_room("standup");
    let referer = format!("Referer: https://localhost/standup?jwt={t}\r\n");
    for target in [
        format!("/http-bind?room=standup&jwt={t}"),
        format!("/http-bind?jwt={t}&room=standup&token={t}"),
        format!("/http-bind?token={t}&room=standup"),
        format!("/http-bind?jwt={t}&room=retro"),
        format!("/http-bind?jwt={t}x&room=standup"),
        format!("/nowhere?jwt={t}"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{referer}\r\n");
        drop(gateway.client().ask(request));
    }
    for line in gateway.access.lines(6) {
        assert!(!line.contains("eyJ"), "{line}");
    }
    let heads = plain.heads();
    assert_eq!(heads.len(), 3);
    for head in heads {
        assert_eq!(head.target(), "/http-bind?room=standup");
        assert!(!head.to_string().contains("eyJ"), "{head}");
    }
}

#[test]
fn prosody_gets_no_token_wherever_the_gateway_looks_for_one() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let t = for_room("standup");
    for source in ["query:token", "query:jwt", "query:other", "cookie:other"] {
        let issuer = issuer(&format!("\"{source}\""));
        let gateway = TestGateway::start(&config(&issuer, &plain, &sockets));
        let (passed, opened) = (plain.heads().len(), sockets.heads().len());
        // Without a token where the gateway looks for it, this is a guest.
        for name in ["token", "jwt", "%74oken", "%4A%77t", "Token", "JWT"] {
            for query in [
                format!("{name}={t}&room=standup"),
                format!("room=standup&{name}={t}"),
                format!("room=standup&{name}={t}&{name}={t}"),
            ] {
                let bosh = format!("/http-bind?{query}");
                let socket = format!("/xmpp-websocket?{query}");
                assert_eq!(
                    gateway.client().get(&bosh).status(),
                    200,
                    "{source} {query}"
                );
                let status = gateway.client().post(&bosh, b"<body/>").status();
                assert_eq!(status, 200, "{source} {query}");
                assert_eq!(opened_with(&gateway, &socket, ""), 101, "{source} {query}");
                let mut h2 = gateway.dial().h2();
                assert_eq!(h2.get(&bosh).status, 200, "{source} {query}");
            }
        }
        for field in [
            format!("Authorization: Bearer {t}"),
            format!("Authorization: Bearers {t}"),
            format!("authorization: Basic {t}\r\nAuthorization: {t}"),
            format!("Referer: https://localhost/standup?jwt={t}"),
            format!("Referer: /x?a=b&token={t}"),
        ] {
            let head = "GET /http-bind?room=standup HTTP/1.1\r\nHost: localhost\r\n";
            let answer = gateway.client().ask(format!("{head}{field}\r\n\r\n"));
            assert_eq!(answer.status(), 200, "{source} {field}");
            let field = format!("{field}\r\n");
            let status = opened_with(&gateway, "/xmpp-websocket?room=standup", &field);
            assert_eq!(status, 101, "{source} {field}");
        }
        let heads = plain.heads().split_off(passed);
        for head in heads.iter().chain(&sockets.heads().split_off(opened)) {
            assert!(head.target().ends_with("?room=standup"), "{source} {head}");
            assert!(!head.to_string().contains("eyJ"), "{source} {head}");
        }
    }
}

#[test]
fn prosody_gets_every_token_where_the_route_forwards_them() {
    let (plain, sockets) = (Upstream::ok(), echo());
    let issuer = issuer("\"query:token\"");
    let gateway = TestGateway::start(&config(&issuer, &plain, &sockets));
    let t = for_room("standup");
    let target = format!("/x/http-bind?room=standup&token={t}&jwt={t}");
    let fields = format!("Host: localhost\r\nAuthorization: Bearer {t}\r\n");
    let answer = gateway
        .client()
        .ask(format!("GET {target} HTTP/1.1\r\n{fields}\r\n"));
    assert_eq!(answer.status(), 200);
    let head = plain.heads().pop().unwrap();
    assert_eq!(head.target(), target);
    assert_eq!(head.get("authorization"), Some(&*format!("Bearer {t}")));
}

#[test]
fn a_route_without_tokens_leaves_them_to_prosody() {
    let plain = Upstream::ok();
    let upstream = format!(
        "[upstreams.bosh]\nservers = [\"{}\"]\nprotocol = \"jitsi\"",
        plain.url()
    );
    let config =
        Config::new()
            .table(&upstream)
            .route_with("/http-bind", "bosh", "policy = \"open\"");
    let gateway = TestGateway::start(&config);
    let target = "/http-bind?room=standup&token=abc";
    assert_eq!(gateway.client().get(target).status(), 200);
    assert_eq!(plain.heads()[0].target(), target);
}
