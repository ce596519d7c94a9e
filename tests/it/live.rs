//! `ianitor check --live` asks each server what its upstream says it is, and says what it found.

use std::io;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};

use crate::harness::upstream::{Conn, Request};
use crate::harness::websocket::{ACCEPT, CLOSE, Frame, KEY, PING, TEXT};
use crate::harness::{Config, TestGateway, Then, Upstream};

const INFO: &str = r#"{"janus": "server_info", "name": "Janus WebRTC Server",
    "version_string": "1.1.2", "accepting-new-sessions": true}"#;
const PONG: &str = r#"{"janus": "pong", "transaction": "ianitor"}"#;
pub(crate) const UNHANDLED: &str =
    r#"{"janus": "error", "error": {"code": 457, "reason": "Unhandled request 'get_status'"}}"#;
pub(crate) const UNAUTHORIZED: &str =
    r#"{"janus": "error", "error": {"code": 403, "reason": "Unauthorized request"}}"#;

/// Janus' REST port as far as it is asked here, with its API or its admin API at a path, which it
/// finds in longer ones.
pub(crate) fn rest(base: &'static str, status: &'static str) -> Upstream {
    Upstream::http(move |request, conn| {
        let target = request.head.target();
        let body = match request.head.first.split(' ').next() {
            Some("GET") if target.ends_with(&format!("{base}/info")) => INFO,
            Some("POST")
                if target.ends_with(&format!("{base}/")) && is_get_status(&request.body) =>
            {
                status
            }
            Some("POST") if target.ends_with(&format!("{base}/")) && is_ping(&request.body) => PONG,
            _ => {
                conn.send(
                    "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                )?;
                return Ok(Then::Close);
            }
        };
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))?;
        Ok(Then::Keep)
    })
}

fn is_ping(body: &[u8]) -> bool {
    body.windows(6).any(|bytes| bytes == b"\"ping\"")
}

fn is_get_status(body: &[u8]) -> bool {
    body.windows(12).any(|bytes| bytes == b"\"get_status\"")
}

/// Janus' WebSocket port: another subprotocol than its own has the connection closed without an
/// answer.
pub(crate) fn websocket(own: &'static str, status: &'static str) -> Upstream {
    Upstream::http(move |request, conn| {
        if request.head.get("upgrade").is_none() {
            conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(Then::Close);
        }
        if request.head.get("sec-websocket-protocol") == Some(own) {
            conn.send(switching(
                request,
                &format!("Sec-WebSocket-Protocol: {own}\r\n"),
            ))?;
            talk(conn, |asked| match asked {
                asked if is_get_status(asked) => status,
                asked if is_ping(asked) => PONG,
                _ => INFO,
            })?;
        }
        Ok(Then::Close)
    })
}

/// Kurento: it takes every path, and says afterwards that it is the wrong one.
pub(crate) fn kurento() -> Upstream {
    Upstream::http(|request, conn| {
        if request.head.get("upgrade").is_none() {
            conn.send("HTTP/1.1 426 Upgrade Required\r\n\r\n")?;
            return Ok(Then::Close);
        }
        conn.send(switching(request, ""))?;
        if request.head.target() == "/kurento" {
            talk(
                conn,
                |_| r#"{"id":1,"jsonrpc":"2.0","result":{"value":"pong"}}"#,
            )?;
        } else {
            conn.send(Frame::server_close(1002, "Invalid path").bytes())?;
        }
        Ok(Then::Close)
    })
}

/// What Prosody shows where a browser opens its BOSH.
pub(crate) const PAGE: &str =
    "<p>It works! Now point your BOSH client to this URL to connect to Prosody.</p>";

/// Prosody: a page at each of its paths, and WebSockets for XMPP only.
pub(crate) fn prosody(page: &'static str) -> Upstream {
    Upstream::http(move |request, conn| {
        let is_page = request.head.target() == "/http-bind";
        let is_websocket = request.head.target() == "/xmpp-websocket";
        let asks = request.head.get("upgrade").is_some();
        match request.head.get("sec-websocket-protocol") {
            Some("xmpp") if is_websocket => {
                conn.send(switching(request, "Sec-WebSocket-Protocol: xmpp\r\n"))?;
                talk(
                    conn,
                    |_| "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
                )?;
            }
            _ if is_websocket && asks => conn.send("HTTP/1.1 501 Not Implemented\r\n\r\n")?,
            _ if is_page || is_websocket => {
                let length = page.len();
                conn.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{page}"
                ))?;
            }
            _ => conn.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
        Ok(Then::Close)
    })
}

/// Accepts any WebSocket with whatever subprotocol is offered, and echoes: as many libraries do.
fn echo() -> Upstream {
    Upstream::http(|request, conn| {
        if request.head.get("upgrade").is_none() {
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            return Ok(Then::Close);
        }
        let chosen = request
            .head
            .get("sec-websocket-protocol")
            .unwrap_or_default();
        let chosen = if chosen.is_empty() {
            String::new()
        } else {
            format!("Sec-WebSocket-Protocol: {chosen}\r\n")
        };
        conn.send(switching(request, &chosen))?;
        talk(conn, |_| r#"{"echo": true}"#)?;
        Ok(Then::Close)
    })
}

/// A server with this status for everything.
fn always(status: &'static str) -> Upstream {
    Upstream::http(move |_, conn| {
        conn.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))?;
        Ok(Then::Close)
    })
}

pub(crate) fn switching(request: &Request, more: &str) -> String {
    let key = request.head.get("sec-websocket-key").unwrap_or(KEY);
    let accept = ianitor::proxy::websocket::accept(&key.parse().unwrap());
    assert!(key != KEY || accept == ACCEPT);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// Answers every text, with a ping before it and in two pieces, until the client says goodbye.
fn talk(conn: &mut Conn, answer: impl Fn(&[u8]) -> &'static str) -> io::Result<()> {
    loop {
        let frame = conn.wire.frame()?;
        assert!(frame.mask.is_some() && frame.is_last);
        match frame.opcode {
            TEXT => {
                let answer = answer(&frame.payload).as_bytes();
                let (one, other) = answer.split_at(answer.len() / 2);
                conn.send(Frame::from_server(TEXT, one).part().bytes())?;
                conn.send(Frame::from_server(PING, b"between").bytes())?;
                conn.send(Frame::from_server(0, other).bytes())?;
            }
            CLOSE => return Ok(()),
            other => panic!("opcode {other}"),
        }
    }
}

/// What is said of a server behind an upstream with this protocol and a route with this path, and
/// whether it is amiss.
fn ask(server: &Upstream, protocol: &str, path: &str) -> (String, bool) {
    let upstream = format!(
        "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"{protocol}\"",
        server.url()
    );
    let config = Config::new()
        .table(&upstream)
        .policy("operators", "\"192.0.2.1\"")
        .route_with(path, "app", "policy = \"operators\"");
    ask_all(&config)
}

fn ask_all(config: &Config) -> (String, bool) {
    let (text, is_success) = check_live(&config.text());
    (text, !is_success)
}

/// What `ianitor check --live` prints of the upstreams, and whether all is well.
pub(crate) fn check_live(config: &str) -> (String, bool) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gateway.toml"), config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .current_dir(folder.path())
        .args(["check", "--live"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let Some((_, text)) = text.rsplit_once("upstreams\n") else {
        panic!("{text}{}", String::from_utf8_lossy(&output.stderr));
    };
    (text.to_owned(), output.status.success())
}

#[test]
fn a_server_is_what_its_upstream_says() {
    for (server, protocol, path, found) in [
        (
            rest("/janus", UNHANDLED),
            "janus",
            "/janus",
            "ok: Janus 1.1.2, REST API at /janus, accepts sessions (",
        ),
        (
            rest("/janus", UNHANDLED),
            "janus",
            "/",
            "ok: Janus 1.1.2, REST API at /janus, accepts sessions (",
        ),
        (
            rest("/own/base", UNHANDLED),
            "janus",
            "/own/base",
            "Janus 1.1.2, REST API at /own/base, accepts sessions",
        ),
        (
            websocket("janus-protocol", UNHANDLED),
            "janus",
            "/janus-ws",
            "ok: Janus 1.1.2, WebSocket API, accepts sessions (",
        ),
        (
            rest("/admin", UNAUTHORIZED),
            "janus-admin",
            "/admin",
            "ok: Janus 1.1.2, ADMIN REST API at /admin (",
        ),
        (
            rest("/admin", r#"{"janus": "success"}"#),
            "janus-admin",
            "/ops",
            "ok: Janus 1.1.2, ADMIN REST API at /ops/admin (",
        ),
        (
            websocket("janus-admin-protocol", UNAUTHORIZED),
            "janus-admin",
            "/a",
            "ok: Janus 1.1.2, ADMIN WebSocket API (",
        ),
        (
            kurento(),
            "kurento",
            "/kurento",
            "ok: Kurento, control port at /kurento (",
        ),
        (
            kurento(),
            "kurento",
            "/",
            "ok: Kurento, control port at /kurento (",
        ),
        (echo(), "http", "/app", "answers (HTTP 200"),
        (echo(), "http", "/kurento", "answers (HTTP 200"),
    ] {
        let (text, is_amiss) = ask(&server, protocol, path);
        assert!(
            !is_amiss && text.contains(found) && !text.contains("write protocol"),
            "{protocol} {path}: {text}"
        );
        // The status of a plain request says nothing about a server that has been recognized.
        assert!(protocol == "http" || !text.contains("HTTP "), "{text}");
    }
}

#[test]
fn prosody_is_known_by_its_page_or_else_by_its_websocket() {
    let own_page = "a page of our own";
    for (page, path, found) in [
        (PAGE, "/http-bind", "ok: Prosody, BOSH at /http-bind ("),
        (PAGE, "/", "ok: Prosody, BOSH at /http-bind ("),
        (
            own_page,
            "/xmpp-websocket",
            "ok: a server of XMPP, WebSocket at /xmpp-websocket (",
        ),
    ] {
        let (text, is_amiss) = ask(&prosody(page), "jitsi", path);
        assert!(!is_amiss && text.contains(found), "{path}: {text}");
    }
    let (text, is_amiss) = ask(&Upstream::ok(), "jitsi", "/http-bind");
    assert!(is_amiss && text.contains("but not as Prosody: "), "{text}");
    let (text, is_amiss) = ask(&prosody(PAGE), "http", "/http-bind");
    assert!(
        !is_amiss && text.contains("write protocol = \"jitsi\""),
        "{text}"
    );
}

/// An offer would begin a stream.
#[test]
fn a_server_of_whip_is_asked_without_an_offer() {
    for (fields, found) in [
        (
            "Accept-Post: application/sdp\r\n",
            ", and takes offers of WHIP or WHEP at /whip",
        ),
        (
            "",
            "; whether it speaks WHIP or WHEP, only an offer would tell",
        ),
    ] {
        let server = Upstream::http(move |request, conn| {
            let is_endpoint = request.head.first.starts_with("OPTIONS /whip ");
            let fields = if is_endpoint { fields } else { "" };
            let answer = format!("HTTP/1.1 404 Not Found\r\n{fields}Content-Length: 0\r\n\r\n");
            conn.send(answer).map(|()| Then::Keep)
        });
        let (text, is_amiss) = ask(&server, "whip", "/whip");
        assert!(!is_amiss && text.contains(found), "{text}");
        let heads = server.heads();
        let is_sdp = |head: &str| head.contains("application/sdp");
        assert!(!heads.iter().any(|head| is_sdp(&head.to_string())));
    }
}

#[test]
fn the_upstream_of_websockets_is_asked_at_the_paths_of_its_routes() {
    let (app, janus) = (Upstream::ok(), rest("/own/base", UNHANDLED));
    let upstream = format!(
        "[upstreams.janus]\nservers = [\"{}\"]\nprotocol = \"janus\"",
        janus.url()
    );
    let lines = "websocket = \"janus\"\npolicy = \"open\"";
    let config = Config::new()
        .upstream("app", &app.url())
        .table(&upstream)
        .route_with("/own/base", "app", lines);
    let (text, is_amiss) = ask_all(&config);
    assert!(!is_amiss, "{text}");
    assert!(text.contains("REST API at /own/base"), "{text}");
}

/// 404, 403 and 426 are what Janus and Kurento answer to a plain request.
#[test]
fn the_status_of_a_plain_request_is_explained() {
    for (server, found) in [
        (Upstream::ok(), "ok: answers (HTTP 200, "),
        (
            always("404 Not Found"),
            "ok: answers (HTTP 404 to a plain request for /, which is no fault; ",
        ),
        (
            always("426 Upgrade Required"),
            "ok: answers (HTTP 426 to a plain request for /, which is no fault; ",
        ),
        (
            always("503 Service Unavailable"),
            "ok: answers, but with the error HTTP 503 (",
        ),
    ] {
        let (text, is_amiss) = ask(&server, "http", "/");
        assert!(!is_amiss && text.contains(found), "{found}: {text}");
    }
}

/// Servers answer 400 on a TLS port to what is not TLS.
#[test]
fn a_tls_port_that_is_asked_without_tls_is_suspected() {
    let gateway = TestGateway::start(&Config::to(&Upstream::ok()));
    let tls = gateway.https();
    let upstream = format!("[upstreams.app]\nservers = [\"http://{tls}\"]");
    let config = Config::new()
        .table(&upstream)
        .route_with("/", "app", "policy = \"open\"");
    let (text, _) = ask_all(&config);
    let want = format!("if it speaks TLS, write \"https://{tls}\"");
    assert!(text.contains(&want), "{text}");
}

#[test]
fn a_control_port_that_is_called_something_else_is_amiss() {
    let admin = || rest("/admin", UNAUTHORIZED);
    let admin_websocket = || websocket("janus-admin-protocol", UNAUTHORIZED);
    #[rustfmt::skip]
    let cases = [
        (admin(), "janus", "/janus",
         "this is Janus' ADMIN port (Janus 1.1.2, ADMIN REST API at /janus/admin)", "janus-admin"),
        (rest("/janus", UNAUTHORIZED), "janus", "/janus",
         "this is Janus' ADMIN port (Janus 1.1.2, ADMIN REST API at /janus)", "janus-admin"),
        (admin(), "http", "/",
         "this is Janus' ADMIN port (Janus 1.1.2, ADMIN REST API at /admin)", "janus-admin"),
        (admin(), "kurento", "/",
         "this is Janus' ADMIN port (Janus 1.1.2, ADMIN REST API at /admin)", "janus-admin"),
        (admin_websocket(), "janus", "/janus-ws",
         "this is Janus' ADMIN port (Janus 1.1.2, ADMIN WebSocket API)", "janus-admin"),
        (admin_websocket(), "http", "/ws",
         "this is Janus' ADMIN port (Janus 1.1.2, ADMIN WebSocket API)", "janus-admin"),
        (kurento(), "http", "/",
         "this is Kurento's control port (Kurento, control port at /kurento)", "kurento"),
        (kurento(), "janus", "/",
         "this is Kurento's control port (Kurento, control port at /kurento)", "kurento"),
        (rest("/janus", UNHANDLED), "janus-admin", "/admin",
         "(Janus 1.1.2, REST API at /admin/janus, accepts sessions)", "janus"),
        (rest("/janus", UNHANDLED), "kurento", "/kurento",
         "(Janus 1.1.2, REST API at /kurento/janus, accepts sessions)", "janus"),
    ];
    for (server, protocol, path, found, is) in cases {
        let (text, is_amiss) = ask(&server, protocol, path);
        let advice = format!("write protocol = \"{is}\"");
        assert!(
            is_amiss && text.contains(found) && text.contains(&advice),
            "{protocol} {path}: {text}"
        );
    }
    // A Janus behind plain HTTP works; that it is one is only worth knowing.
    let (text, is_amiss) = ask(&rest("/janus", UNHANDLED), "http", "/");
    assert!(
        !is_amiss
            && text.contains(
                "this is the port of Janus for clients (Janus 1.1.2, REST API at /janus,"
            )
            && text.contains("protocol = \"janus\""),
        "{text}"
    );
}

#[test]
fn no_more_is_said_than_was_seen() {
    for (server, protocol) in [
        (Upstream::ok(), "janus"),
        (Upstream::ok(), "janus-admin"),
        (Upstream::ok(), "kurento"),
        (echo(), "janus"),
        (echo(), "janus-admin"),
        (echo(), "kurento"),
    ] {
        let (text, is_amiss) = ask(&server, protocol, "/kurento");
        assert!(
            is_amiss
                && text.contains("problem: answers (HTTP 200")
                && text.contains(", but not as "),
            "{protocol}: {text}"
        );
    }
    // Nothing of a route leads to where it is.
    let (text, is_amiss) = ask(&kurento(), "kurento", "/media");
    assert!(is_amiss, "{text}");
    let (text, is_amiss) = ask(&rest("/janus", "<html>"), "janus", "/janus");
    assert!(
        !is_amiss && text.contains("of clients or of operators: it does not say which"),
        "{text}"
    );
}

#[test]
fn a_server_that_stops_answering_or_never_ends_is_not_waited_for() {
    let mute = Upstream::http(|request, conn| {
        if request.head.target() == "/" {
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            return Ok(Then::Close);
        }
        conn.wait_for_end().map(|()| Then::Close)
    });
    let (text, is_amiss) = ask(&mute, "janus", "/janus");
    assert!(
        is_amiss
            && text.contains("answers (HTTP 200")
            && text.contains("then does not answer within 3 s"),
        "{text}"
    );
    let (text, is_amiss) = ask(&mute, "http", "/app");
    assert!(!is_amiss && text.contains("answers (HTTP 200"), "{text}");
    // As an event stream does.
    let slow = Upstream::http(|_, conn| {
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")?;
        conn.wait_for_end().map(|()| Then::Close)
    });
    let (text, is_amiss) = ask(&slow, "http", "/app");
    assert!(!is_amiss && text.contains("answers (HTTP 200"), "{text}");
    let endless = Upstream::http(|_, conn| {
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            conn.send(format!("4000\r\n{}\r\n", "{".repeat(0x4000)))?;
        }
    });
    let (text, is_amiss) = ask(&endless, "janus", "/janus");
    assert!(
        is_amiss && text.contains(", but not as the Janus API"),
        "{text}"
    );
}

/// The path that the server sees is what counts, and the host that the route says.
#[test]
fn it_is_asked_as_the_routes_ask() {
    let server = rest("/own", UNHANDLED);
    let config = Config::new()
        .table(&format!(
            "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"janus\"",
            server.url()
        ))
        .route_with(
            "/media/own",
            "app",
            "policy = \"open\"\nstrip_prefix = \"/media\"\nhost_header = \"janus.internal\"",
        )
        .route_with("/other", "app", "policy = \"open\"\nrewrite = \"/own\"");
    let (text, is_amiss) = ask_all(&config);
    assert!(!is_amiss && text.contains("REST API at /own,"), "{text}");
    for head in server.heads() {
        assert_eq!(head.get("host"), Some("janus.internal"), "{head:?}");
    }
}

/// A listener with TLS and one without.
const BOTH: &str = "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]";

/// One sentence says what is wrong and what to write; no error of a library is in it.
#[test]
fn a_server_that_cannot_be_asked_is_described_in_words() {
    let gateway = TestGateway::start(&Config::to(&Upstream::ok()).listen(BOTH));
    let (tls, plain) = (gateway.https(), gateway.http());
    let closes = Upstream::http(|_, _| Ok(Then::Close));
    for (server, want) in [
        (
            "http://127.0.0.1:1".to_owned(),
            "problem: cannot be reached, no connection (tried 127.0.0.1:1): connection refused; \
             start the server, or correct its address"
                .to_owned(),
        ),
        (
            format!("https://{plain}"),
            format!(
                "what was received is not TLS; if it speaks no TLS there, write \"http://{plain}\""
            ),
        ),
        (
            format!("https://{tls}"),
            "the server's certificate is not trusted: no CA that this machine trusts has signed it"
                .to_owned(),
        ),
        (
            closes.url(),
            "problem: does not answer by HTTP, the connection was closed".to_owned(),
        ),
        (
            "http://no-such-name.invalid".to_owned(),
            "the name no-such-name.invalid".to_owned(),
        ),
    ] {
        let upstream = format!("[upstreams.app]\nservers = [\"{server}\"]");
        let config = Config::new()
            .table(&upstream)
            .route_with("/", "app", "policy = \"open\"");
        let (text, is_amiss) = ask_all(&config);
        assert!(is_amiss && text.contains(&want), "{server}: {want}\n{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        for word in [
            "os error",
            "client error",
            "UnknownIssuer",
            "InvalidContentType",
            "hyper",
        ] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}

/// As coturn's TLS port: it shows its certificate, with and without a PROXY header.
#[test]
fn servers_that_tls_is_passed_through_to_are_asked_for_their_certificate() {
    let site = Upstream::ok();
    let behind = Config::to(&site)
        .tls("self_signed = [\"turn.test\"]")
        .listen(BOTH);
    let behind = TestGateway::start(&behind);
    let with_header = Config::to(&site)
        .tls("self_signed = [\"mail.test\"]")
        .listen("https = [\"127.0.0.1:0\"]\nproxy_protocol = [\"127.0.0.1\"]");
    let with_header = TestGateway::start(&with_header);
    let entry = |sni: &str, to: &str, more: &str| {
        format!("[[passthrough]]\nsni = \"{sni}\"\nto = \"{to}\"\n{more}\n")
    };
    let plain = behind.http().to_string();
    let text = Config::to(&site)
        .table(&entry("turn.test", &behind.https().to_string(), ""))
        .table(&entry(
            "mail.test",
            &with_header.https().to_string(),
            "proxy_protocol = true",
        ))
        .table(&entry("plain.test", &plain, ""))
        .table(&entry("away.test", "127.0.0.1:1", ""))
        .text();
    let (text, is_success) = check_live(&text);
    for (at, want) in [
        "  turn.test  127.0.0.1:PORT  ok: answers by TLS, with a certificate for turn.test, until ",
        "  mail.test  127.0.0.1:PORT  ok: answers by TLS, with a certificate for mail.test, until ",
        "  plain.test  127.0.0.1:PORT  problem: does not answer by TLS, what was \
         received is not TLS",
        "  away.test  127.0.0.1:PORT  problem: cannot be reached, no connection (tried \
         127.0.0.1:1)",
    ]
    .into_iter()
    .enumerate()
    {
        let (_, lines) = text.split_once("passthrough\n").unwrap();
        let line = lines.lines().nth(at).unwrap_or_default();
        let parts: Vec<&str> = want.split("PORT").collect();
        assert!(
            line.starts_with(parts[0]) && line.contains(parts[1]),
            "{want}\n{text}"
        );
    }
    assert!(!is_success);
}

#[test]
fn a_secret_that_janus_rejects_is_amiss() {
    use std::io::Write as _;
    // More than a short frame of a WebSocket holds.
    let right = "s3cret ".repeat(20) + "end";
    let answers = |wanted: &str, asked: &[u8]| {
        let asked: serde_json::Value = serde_json::from_slice(asked).unwrap();
        match asked["janus"].as_str().unwrap() {
            "info" => INFO,
            "get_status" if asked["admin_secret"] != wanted => UNHANDLED,
            "keepalive" if asked["apisecret"] != wanted => UNAUTHORIZED,
            _ => r#"{"janus": "error", "error": {"code": 458}}"#,
        }
    };
    let wanted = right.clone();
    let rest = Upstream::http(move |request, conn| {
        let body = match request.head.first.split(' ').next() {
            Some("POST") => answers(&wanted, &request.body),
            _ => INFO,
        };
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))?;
        Ok(Then::Keep)
    });
    let wanted = right.clone();
    let websocket = Upstream::http(move |request, conn| {
        if request.head.get("sec-websocket-protocol") == Some("janus-protocol") {
            conn.send(switching(
                request,
                "Sec-WebSocket-Protocol: janus-protocol\r\n",
            ))?;
            talk(conn, |asked| answers(&wanted, asked))?;
        } else {
            conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")?;
        }
        Ok(Then::Close)
    });
    for server in [&rest, &websocket] {
        for (secret, is_amiss) in [("wrong", true), (&*right, false)] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            writeln!(file, "{secret}").unwrap();
            let upstream = format!(
                "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"janus\"\nsecret_file = \"{}\"",
                server.url(),
                file.path().display()
            );
            let config = Config::new()
                .table(&upstream)
                .policy("operators", "\"192.0.2.1\"")
                .route_with("/janus", "app", "policy = \"operators\"");
            let (text, amiss) = ask_all(&config);
            assert_eq!(amiss, is_amiss, "{text}");
            let advice = "rejects the secret of upstreams.app.secret_file; write api_secret";
            assert_eq!(text.contains(advice), is_amiss, "{text}");
        }
    }
}

#[test]
fn a_server_that_is_slow_does_not_hold_up_the_others() {
    let other_asked = Arc::new((Mutex::new(false), Condvar::new()));
    let ok = |conn: &mut Conn| conn.send("HTTP/1.1 204 No Content\r\n\r\n");
    let asked = Arc::clone(&other_asked);
    let slow = Upstream::http(move |_, conn| {
        let other = asked.0.lock().unwrap();
        drop(asked.1.wait_while(other, |asked| !*asked).unwrap());
        ok(conn).map(|()| Then::Keep)
    });
    let other = Upstream::http(move |_, conn| {
        *other_asked.0.lock().unwrap() = true;
        other_asked.1.notify_all();
        ok(conn).map(|()| Then::Keep)
    });
    let (text, is_problem) = ask_all(
        &Config::new()
            .upstream("a-slow", &slow.url())
            .upstream("other", &other.url())
            .route("/slow", "a-slow")
            .route("/other", "other"),
    );
    assert!(!is_problem, "{text}");
    assert!(text.find("a-slow") < text.find("other"), "{text}");
}
