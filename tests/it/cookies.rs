//! Cookies go to servers that may have a use for them, and heads that a server does not accept are
//! named.

use crate::harness::websocket::{handshake, switching};
use crate::harness::{Config, TestGateway, Upstream, h2};

fn config(upstream: &Upstream, protocol: &str, more: &str) -> Config {
    let server = upstream.url();
    Config::new()
        .policy("all", "\"127.0.0.0/8\"")
        .table(&format!(
            "[upstreams.app]\nservers = [\"{server}\"]\nprotocol = \"{protocol}\"\n{more}"
        ))
        .route_with("/", "app", "policy = \"all\"")
}

#[test]
fn media_servers_get_no_cookies_unless_a_key_says_so() {
    for (protocol, more, arrives) in [
        ("http", "", true),
        ("http", "forward_cookies = false", false),
        ("janus", "", false),
        ("janus-admin", "", false),
        ("kurento", "", false),
        ("janus", "forward_cookies = true", true),
    ] {
        let upstream = Upstream::ok();
        let gateway = TestGateway::start(&config(&upstream, protocol, more));
        let mut client = gateway.client();
        let head = "Host: localhost\r\nCookie: a=b\r\n";
        client.ask(format!("GET / HTTP/1.1\r\n{head}\r\n"));
        client.ask(handshake("/ws", "Cookie: a=b\r\n"));
        let mut by_h2 = h2::get("/");
        by_h2.headers_mut().append("cookie", "a=b".parse().unwrap());
        gateway.dial().h2().send(by_h2, b"");
        let heads = upstream.heads();
        assert_eq!(heads.len(), 3);
        for head in heads {
            let cookie = arrives.then_some("a=b");
            assert_eq!(head.get("cookie"), cookie, "{protocol} {more}: {head}");
        }
    }
}

/// As libwebsockets does: closes the connection for a head above 4 KiB.
fn of_small_heads() -> Upstream {
    Upstream::raw(|conn| {
        let Some(head) = conn.head()? else {
            return Ok(());
        };
        if head.raw.len() < 4096 {
            conn.send(switching(""))?;
            conn.wait_for_end()?;
        }
        Ok(())
    })
}

#[test]
fn a_websocket_of_janus_opens_whatever_cookies_the_browser_has() {
    let upstream = of_small_heads();
    let gateway = TestGateway::start(&config(&upstream, "janus", ""));
    let cookies = format!("Cookie: a={}\r\n", "x".repeat(4096));
    let mut client = gateway.client();
    client.send(handshake("/ws", &cookies));
    assert_eq!(client.head().status(), 101);
}

#[test]
fn a_large_head_that_gets_no_byte_is_named_in_the_log() {
    let upstream = of_small_heads();
    let gateway = TestGateway::start(&config(&upstream, "http", ""));
    let small = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let closing = Upstream::raw(|conn| conn.head().map(drop));
    let other = TestGateway::start(&config(&closing, "http", ""));
    for (gateway, more, reason) in [
        (&gateway, 4096, "upstream_request_head"),
        (&other, 4096, "upstream_request_head"),
        (&other, 100, "upstream_broken"),
    ] {
        gateway.access.clear();
        let request = format!("{small}Cookie: a={}\r\n\r\n", "x".repeat(more));
        assert_eq!(gateway.client().ask(request).status(), 502);
        let line = gateway.access.lines(1).remove(0);
        assert!(line.contains(&format!("reason={reason}")), "{line}");
    }
}
