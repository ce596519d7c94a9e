//! Clients and servers that do what they should not, byte for byte, with the shipped binary in
//! between.

use std::io;

use crate::support::wire::h1::is_end;
use crate::support::wire::message::Otherwise;
use crate::support::wire::upstream::{Conn, Request};
use crate::support::wire::websocket::{Frame, TEXT, handshake};
use crate::support::wire::{Then, Upstream};
use crate::support::{Folder, Gateway};

/// What the server says to each target, before it closes.
const SAYS: [(&str, &str); 9] = [
    (
        "/unasked",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ),
    (
        "/wrong-accept",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    ),
    ("/http-0.9", "<html>an answer without a head</html>\r\n"),
    ("/garbage", "\x16\x03\x01\x00\x05hello"),
    ("/silent", ""),
    (
        "/cut-length",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    ),
    (
        "/cut-chunk",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
    ),
    (
        "/cut-chunks",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ),
    (
        "/refuses",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope",
    ),
];

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

struct World {
    folder: Folder,
    upstream: Upstream,
    gateway: Gateway,
}

impl World {
    fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        let upstream = Upstream::http(answer);
        let tables = format!(
            "[upstreams.app]\nservers = [\"{}\"]\n[[routes]]\npath = \"/\"\nupstream = \"app\"\n\
             policy = \"open\"\n",
            upstream.url()
        );
        let gateway = Gateway::start(&folder, "", &tables);
        Self {
            folder,
            upstream,
            gateway,
        }
    }

    /// The targets that have arrived.
    fn targets(&self) -> Vec<String> {
        self.upstream
            .heads()
            .iter()
            .map(|head| head.target().to_owned())
            .collect()
    }
}

fn answer(request: &Request, conn: &mut Conn) -> io::Result<Then> {
    let Some((_, says)) = SAYS
        .iter()
        .find(|(target, _)| *target == request.head.target())
    else {
        return conn.send(OK).map(|()| Then::Keep);
    };
    conn.send(says)?;
    Ok(if request.head.target() == "/refuses" {
        Then::Keep
    } else {
        Then::Close
    })
}

#[test]
fn other_upgrades_are_ordinary_requests() {
    let world = World::start("other-upgrades");
    for upgrade in [
        "h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "TLS/1.0",
        "foo",
        "websocket, foo/1",
    ] {
        let before = world.targets().len();
        let mut client = world.gateway.dial().h1();
        // Behind it what would be the first bytes of the other protocol, were there a way.
        client.send(format!(
            "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, HTTP2-Settings{}\r\n\
             Upgrade: {upgrade}\r\n\r\n\
             PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            if upgrade.starts_with("websocket") {
                ""
            } else {
                ", Upgrade"
            },
        ));
        assert_eq!(client.answer().status(), 200, "{upgrade}");
        if let Ok(answer) = client.try_answer() {
            assert!(
                (400..506).contains(&answer.status()),
                "{upgrade}: {answer:?}"
            );
        }
        let heads = &world.upstream.heads()[before..];
        assert_eq!(heads.len(), 1, "{upgrade}: {heads:?}");
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(heads[0].get(name), None, "{upgrade}: {}", heads[0]);
        }
    }
}

#[test]
fn what_follows_a_refused_upgrade_is_a_request_or_nothing() {
    let world = World::start("refused-upgrade");
    let inside = "GET /tunnelled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let frame = Frame {
        mask: None,
        ..Frame::from_client(TEXT, inside)
    }
    .bytes();
    for behind in [
        frame,
        b"GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
    ] {
        for (target, status) in [
            ("/refuses", 403),
            ("/wrong-accept", 502),
            ("/ordinary", 200),
        ] {
            let mut client = world.gateway.dial().h1();
            client.send([handshake(target, "").as_bytes(), &behind].concat());
            assert_eq!(client.answer().status(), status, "{target}");
            match client.try_answer() {
                Ok(answer) => {
                    assert!(
                        [200, 400].contains(&answer.status()),
                        "{target}: {answer:?}"
                    )
                }
                Err(error) => assert!(is_end(&error), "{target}: {error:?}"),
            }
        }
    }
    assert!(
        !world.targets().iter().any(|target| target == "/tunnelled"),
        "{:?}",
        world.targets()
    );
    for head in world
        .upstream
        .heads()
        .iter()
        .filter(|head| head.target() == "/next")
    {
        assert_eq!(
            head.get("x-forwarded-for"),
            Some("127.0.0.1"),
            "a request like every other: {head}"
        );
    }
    assert_eq!(
        world
            .gateway
            .metrics()
            .sum("ianitor_tunnels_opened_total", &[]),
        0
    );
}

#[test]
fn what_connection_names_ends_here() {
    let world = World::start("connection-names");
    for (connection, ends) in [
        ("close, X-Forwarded-For", false),
        ("x-secret", true),
        ("keep-alive, X-SECRET ,, X-Real-IP", true),
        ("close\r\nConnection: X-Secret, Host, Content-Length", true),
    ] {
        let answer = world.gateway.dial().h1().ask(format!(
            "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\
             X-Forwarded-For: 192.0.2.1\r\n\
             X-Real-IP: 192.0.2.1\r\nX-Secret: s\r\nConnection: {connection}\r\n\
             Keep-Alive: timeout=5\r\nTE: trailers\r\n\r\nbody"
        ));
        assert_eq!(answer.status(), 200, "{connection}");
        let request = world.upstream.requests().pop().unwrap();
        let head = &request.head;
        assert_eq!(
            (head.get("x-secret").is_none(), request.body.as_slice()),
            (ends, &b"body"[..]),
            "{connection}: {head}"
        );
        for (name, value) in [
            ("host", Some("localhost")),
            ("x-forwarded-for", Some("127.0.0.1")),
            ("x-real-ip", Some("127.0.0.1")),
        ] {
            assert_eq!(head.get(name), value, "{connection}: {head}");
        }
        assert_eq!(head.get("keep-alive"), None, "{connection}: {head}");
    }
}

#[test]
fn what_is_no_answer_is_502() {
    let world = World::start("no-answer");
    let mut asked = 0;
    for (target, reason) in [
        ("/unasked", "upstream_upgrade"),
        ("/http-0.9", "upstream_broken"),
        ("/garbage", "upstream_broken"),
        ("/silent", "upstream_broken"),
    ] {
        assert_eq!(
            world.gateway.dial().h1().get(target).status(),
            502,
            "{target}"
        );
        assert_eq!(
            world.gateway.dial().h2().get(target).status,
            502,
            "{target}"
        );
        asked += 2;
        let lines = world.gateway.has_logged(asked);
        assert!(
            lines[asked - 2..]
                .iter()
                .all(|line| line["reason"] == reason),
            "{target}: {lines:?}"
        );
    }
    for target in ["/unasked", "/wrong-accept"] {
        let answer = world.gateway.dial().h1().ask(handshake(target, ""));
        assert_eq!(
            (answer.status(), answer.head.get("upgrade")),
            (502, None),
            "{target}"
        );
    }
    world.gateway.counts(
        "ianitor_refusals_total",
        &[("reason", "upstream_upgrade")],
        4,
    );
}

#[test]
fn a_cut_answer_is_seen_as_one() {
    let world = World::start("cut-answers");
    let out = world.folder.join("out");
    let out = out.to_str().unwrap();
    let mut asked = 0;
    for (target, _) in SAYS.iter().filter(|(target, _)| target.starts_with("/cut")) {
        let mut client = world.gateway.dial().h1();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = client.head();
        assert_eq!(head.status(), 200);
        let error = client
            .wire
            .body(&head, Otherwise::ToTheEnd)
            .expect_err("a cut, not a whole body");
        assert!(is_end(&error), "{target}: {error:?}");
        // A partial file, and a stream that was not closed cleanly.
        let clients = world.gateway.clients();
        for (version, codes) in [("--http1.1", &[18, 56][..]), ("--http2", &[92])] {
            let code = clients.curl_fails(&[version, "--output", out, &world.gateway.url(target)]);
            assert!(codes.contains(&code), "{target} {version}: {code}");
        }
        asked += 3;
        let lines = world.gateway.has_logged(asked);
        assert!(
            lines
                .iter()
                .all(|line| line["status"] == 200 && line["end"] == "upstream"),
            "{lines:?}"
        );
    }
}
