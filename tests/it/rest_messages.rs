//! Messages over HTTP: judged like those on WebSockets, and what reaches Janus is what was judged.

use std::io::Write as _;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::harness::h1::Answer;
use crate::harness::janus::{Janus, code};
use crate::harness::{Config, Dial, TestGateway, Then, Upstream, h2, staff};

/// A file with the secret of the server.
pub(crate) fn secret() -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(b"s3 cret&x\n").unwrap();
    file
}

/// An upstream whose messages are judged, because it has a secret.
pub(crate) fn brokered(url: &str, secret: &NamedTempFile, protocol: &str) -> Config {
    let file = secret.path().display();
    Config::new().table(&format!(
        "[upstreams.app]\nservers = [\"{url}\"]\nprotocol = \"{protocol}\"\n\
         secret_file = \"{file}\""
    ))
}

/// A Janus with its gateway, which anybody may use below `/janus`.
struct House {
    janus: Janus,
    gateway: TestGateway,
    secret: NamedTempFile,
}

impl House {
    fn open() -> Self {
        Self::with(|config| config.route("/janus", "app"))
    }

    fn with(adjust: impl FnOnce(Config) -> Config) -> Self {
        let (janus, secret) = (Janus::new(), secret());
        let config = adjust(brokered(&janus.url(), &secret, "janus"));
        let gateway = TestGateway::start(&config);
        Self {
            janus,
            gateway,
            secret,
        }
    }

    /// The targets of all requests that have reached Janus after the first `from`.
    fn targets(&self, from: usize) -> Vec<String> {
        let heads = self.janus.upstream.heads();
        let heads = heads.iter().skip(from);
        heads.map(|head| head.target().to_owned()).collect()
    }

    fn reached(&self) -> usize {
        self.janus.upstream.heads().len()
    }
}

/// Sends a message as the client of a token, or without one.
#[track_caller]
pub(crate) fn post(dial: &Dial, token: &str, target: &str, message: &Value) -> Value {
    let body = message.to_string();
    let token = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let answer = dial.h1().ask(format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(answer.status(), 200, "{}", answer.head);
    serde_json::from_str(&answer.text()).unwrap()
}

/// Creates a session.
#[track_caller]
pub(crate) fn create(dial: &Dial, token: &str, base: &str) -> i64 {
    let answer = post(
        dial,
        token,
        base,
        &json!({"janus": "create", "transaction": "c"}),
    );
    assert_eq!(answer["transaction"], "c", "{answer}");
    answer["data"]["id"].as_i64().unwrap()
}

/// Attaches a handle.
#[track_caller]
pub(crate) fn attach(dial: &Dial, token: &str, base: &str, session: i64) -> i64 {
    let message =
        json!({"janus": "attach", "transaction": "a", "plugin": "janus.plugin.videoroom"});
    let answer = post(dial, token, &format!("{base}/{session}"), &message);
    assert_eq!(answer["transaction"], "a", "{answer}");
    answer["data"]["id"].as_i64().unwrap()
}

#[track_caller]
pub(crate) fn get(dial: &Dial, token: &str, target: &str) -> Answer {
    dial.h1().ask(format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    ))
}

#[test]
fn janus_gets_the_message_that_the_gateway_wrote_and_nothing_else_of_the_body() {
    let house = House::open();
    let message = r#"{"janus":"ping" , "transaction":"t","apisecret":"guess","token":"x"}"#;
    let want = r#"{"janus":"ping","transaction":"t","apisecret":"s3 cret&x"}"#;
    let (first, second) = message.split_at(9);
    let chunked = format!(
        "POST /janus?apisecret=guess&token=x HTTP/1.1\r\nHost: localhost\r\nTrailer: X-Sum\r\n\
         Content-Type: text/plain\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\nX-Sum: 1\r\n\r\n",
        first.len(),
        second.len()
    );
    let mut client = house.gateway.client();
    assert_eq!(
        client.ask(&chunked).text(),
        r#"{"janus":"pong","transaction":"t"}"#
    );
    // The connection goes on.
    assert_eq!(client.post("/janus/", message.as_bytes()).status(), 200);
    let mut h2 = house.gateway.dial().h2();
    assert_eq!(
        h2.send(h2::post("/janus?x=y"), message.as_bytes()).status,
        200
    );
    for request in house.janus.upstream.requests() {
        assert_eq!(String::from_utf8(request.body).unwrap(), want);
        assert_eq!(request.trailers, "");
        let head = request.head;
        assert_eq!(head.target(), "/janus", "{head}");
        assert_eq!(head.get("content-type"), Some("application/json"), "{head}");
        let length = want.len().to_string();
        assert_eq!(head.get("content-length"), Some(&*length), "{head}");
        for gone in ["transfer-encoding", "content-encoding", "trailer"] {
            assert_eq!(head.get(gone), None, "{head}");
        }
    }
    assert_eq!(house.janus.received().len(), 3);
}

#[test]
fn what_is_not_exactly_one_message_is_answered_as_janus_does() {
    let house = House::open();
    let mut client = house.gateway.client();
    let ping = r#"{"janus":"ping","transaction":"t"}"#;
    let rows: [(Vec<u8>, i64); 12] = [
        (b"".to_vec(), 454),
        (b" \r\n".to_vec(), 454),
        (b"not JSON".to_vec(), 454),
        (format!("\u{feff}{ping}").into(), 454),
        (format!("{ping}\0x").into(), 454),
        (format!("{ping}x").into(), 454),
        (format!("{ping}{ping}").into(), 454),
        (format!("{ping} []").into(), 454),
        (
            b"{\"janus\":\"ping\",\"transaction\":\"\xff\"}".to_vec(),
            454,
        ),
        (b"[]".to_vec(), 455),
        (b"{\"janus\":\"ping\"}".to_vec(), 456),
        (
            b"{\"janus\":\"keepalive\",\"transaction\":\"t\",\"session_id\":\"1\"}".to_vec(),
            467,
        ),
    ];
    for (body, want) in rows {
        let answer = client.post("/janus", &body);
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(answer.status(), 200, "{shown}");
        assert_eq!(answer.head.get("content-type"), Some("application/json"));
        // Like an answer of Janus, a page of any origin may read it.
        assert_eq!(answer.head.get("access-control-allow-origin"), Some("*"));
        let answer: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(code(&answer), want, "{shown}: {answer}");
    }
    assert_eq!(house.reached(), 0);
    assert_eq!(client.post("/janus", ping.as_bytes()).status(), 200);
    let lines = house.gateway.access.lines(13);
    let refused = lines
        .iter()
        .filter(|line| line.contains(" status=200 ") && line.contains(" reason=message_refused "));
    assert_eq!(refused.count(), 12, "{lines:#?}");
    assert!(
        lines[0].contains("detail=\"Request payload missing\""),
        "{}",
        lines[0]
    );
}

#[test]
fn a_body_above_the_limit_never_reaches_janus() {
    let house = House::with(|config| {
        config.route("/janus", "app").route_with(
            "/small",
            "app",
            "policy = \"open\"\nbody = \"1KiB\"\nrewrite = \"/janus\"",
        )
    });
    for (target, size) in [("/janus", 256 * 1024 + 1), ("/small", 1025)] {
        let padding = "x".repeat(size);
        let message = format!("{{\"janus\":\"ping\",\"transaction\":\"{padding}\"}}");
        let answer = house.gateway.client().post(target, message.as_bytes());
        assert_eq!(answer.status(), 413, "{target}");
        let chunked = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
             {:x}\r\n{message}\r\n0\r\n\r\n",
            message.len()
        );
        assert_eq!(
            house.gateway.client().ask(chunked).status(),
            413,
            "{target}"
        );
    }
    assert_eq!(house.reached(), 0);
    let large = "x".repeat(200 * 1024);
    let message = format!("{{\"janus\":\"ping\",\"transaction\":\"{large}\"}}");
    let answer = house.gateway.client().post("/janus", message.as_bytes());
    assert_eq!(answer.status(), 200);
}

#[test]
fn bodies_that_are_being_read_count_as_memory_of_their_client() {
    let house = House::open();
    let mut client = house.gateway.dial().h2();
    // None of them ends, and together they are more than a connection may hold.
    let piece = bytes::Bytes::from(vec![b' '; 200 * 1024]);
    let mut streams: Vec<_> = (0..8)
        .map(|_| client.begin(h2::post("/janus"), false))
        .collect();
    let answers = streams.iter_mut().map(|(answer, stream)| {
        let piece = piece.clone();
        Box::pin(async move {
            let mut left = piece;
            while !left.is_empty() {
                stream.reserve_capacity(left.len().min(16 * 1024));
                match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
                    Some(Ok(capacity)) => {
                        let piece = left.split_to(capacity.min(left.len()));
                        stream.send_data(piece, false).unwrap();
                    }
                    _ => break,
                }
            }
            answer.await
        })
    });
    let (answer, ..) = client.run(futures_util::future::select_all(answers));
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(house.reached(), 0);
}

#[test]
fn a_session_belongs_to_the_subject_of_the_token() {
    let house = House::with(|config| {
        config
            .table(&staff::issuer(""))
            .table("[policies.staff]\nissuers = [\"staff\"]")
            .route_with("/janus", "app", "policy = \"staff\"")
    });
    let dial = house.gateway.dial();
    let (ada, eve) = (staff::token("ada", 60), staff::token("eve", 60));
    let session = create(&dial, &ada, "/janus");
    let handle = attach(&dial, &ada, "/janus", session);
    let reached = house.reached();
    let target = format!("/janus/{session}");
    let verb = |verb: &str| json!({"janus": verb, "transaction": "t"});
    for refused in ["keepalive", "claim", "destroy"] {
        let answer = post(&dial, &eve, &target, &verb(refused));
        assert_eq!(
            (code(&answer), &answer["session_id"]),
            (458, &json!(session))
        );
        let mut in_body = verb(refused);
        in_body["session_id"] = session.into();
        assert_eq!(code(&post(&dial, &eve, "/janus", &in_body)), 458);
    }
    let handle_target = format!("{target}/{handle}");
    let mut message = verb("message");
    message["body"] = json!({"request": "list"});
    assert_eq!(code(&post(&dial, &eve, &handle_target, &message)), 458);
    for target in [&target, &handle_target, &format!("/janus/{}", session + 7)] {
        let answer = get(&dial, &eve, &format!("{target}?maxev=1"));
        assert_eq!((answer.status(), answer.body.len()), (404, 0), "{target}");
        let answer = get(&dial, &eve, &format!("{target}?session_id={session}"));
        assert_eq!(answer.status(), 404, "{target}");
    }
    assert_eq!(house.reached(), reached);
    // On another connection, and with another token of the same subject.
    let newer = staff::token("ada", 90);
    let answer = post(&dial, &newer, &handle_target, &message);
    assert_eq!(answer["janus"], "ack", "{answer}");
    assert_eq!(
        get(&dial, &newer, &target).text(),
        r#"{"janus":"keepalive"}"#
    );
    let answer = get(&dial, &newer, &handle_target);
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.head.get("location"), Some(&*target));
    // Destroyed, it belongs to no client.
    assert_eq!(
        post(&dial, &newer, &target, &verb("destroy"))["janus"],
        "success"
    );
    assert_eq!(code(&post(&dial, &newer, &target, &verb("keepalive"))), 458);
    assert_eq!(get(&dial, &newer, &target).status(), 404);
}

#[test]
fn without_a_token_a_session_belongs_to_the_address() {
    let house = House::open();
    let (here, there) = (house.gateway.dial(), house.gateway.dial().from("127.0.0.2"));
    let session = create(&here, "", "/janus");
    let keepalive = json!({"janus": "keepalive", "transaction": "k", "session_id": session});
    assert_eq!(code(&post(&there, "", "/janus", &keepalive)), 458);
    assert_eq!(post(&here, "", "/janus", &keepalive)["janus"], "ack");
}

#[test]
fn paths_that_janus_does_not_have_never_reach_it() {
    let house = House::open();
    let session = create(&house.gateway.dial(), "", "/janus");
    let reached = house.reached();
    let ping = br#"{"janus":"ping","transaction":"t"}"#;
    for (rest, want) in [
        (format!("/{session}/1/2"), 404),
        (format!("/{session}x"), 404),
        (format!("/0{session}"), 404),
        (format!("/+{session}"), 404),
        (format!("/{session}/x"), 404),
        (format!("/{session};x"), 404),
        (format!("/{session}%20"), 404),
        (format!("/x/janus/{session}"), 404),
        (format!("/info/{session}"), 404),
        ("/9007199254740993".into(), 404),
        ("/x".into(), 404),
        (format!("//{session}"), 400),
        (format!("/{session}//"), 400),
        (format!("/1/../{session}"), 400),
        (format!("/%2e%2e/janus/{session}"), 400),
        (format!("%2F{session}"), 400),
        (format!("/{session}%00"), 400),
    ] {
        let target = format!("/janus{rest}");
        assert_eq!(
            house.gateway.client().get(&target).status(),
            want,
            "{target}"
        );
        let answer = house.gateway.client().post(&target, ping);
        assert_eq!(answer.status(), want, "{target}");
        let mut h2 = house.gateway.dial().h2();
        assert_eq!(h2.send(h2::post(&target), ping).status, want, "{target}");
    }
    assert_eq!(house.targets(reached), [""; 0]);
    // Another spelling of the same path is that path.
    let spelled: String = session
        .to_string()
        .bytes()
        .map(|b| format!("%{b:x}"))
        .collect();
    let answer = house.gateway.client().get(&format!("/janus/{spelled}/"));
    assert_eq!(answer.status(), 200);
    assert_eq!(
        house.targets(reached),
        [format!("/janus/{session}?apisecret=s3+cret%26x")]
    );
}

#[test]
fn methods_that_janus_does_not_have_never_reach_it() {
    let house = House::open();
    let session = create(&house.gateway.dial(), "", "/janus");
    let reached = house.reached();
    let all = "GET, POST, OPTIONS";
    for (method, rest, allowed) in [
        ("GET", String::new(), "POST, OPTIONS"),
        ("HEAD", format!("/{session}"), all),
        ("PUT", format!("/{session}/1"), all),
        ("DELETE", format!("/{session}"), all),
        ("PATCH", String::new(), "POST, OPTIONS"),
        ("FOO", String::new(), "POST, OPTIONS"),
        ("POST", "/info".into(), "GET, OPTIONS"),
        ("PUT", "/ping".into(), "GET, OPTIONS"),
    ] {
        let mut client = house.gateway.client();
        client.send(format!(
            "{method} /janus{rest} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}"
        ));
        let head = client.head();
        let want = if method == "GET" { 400 } else { 405 };
        assert_eq!(head.status(), want, "{method} {rest}");
        client = house.gateway.client();
        client.send(format!(
            "{method} /janus{rest} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        let head = client.head();
        assert_eq!(head.status(), 405, "{method} {rest}");
        assert_eq!(head.get("allow"), Some(allowed), "{method} {rest}");
    }
    for target in [format!("/janus/{session}"), "/janus/info".into()] {
        let with_body = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\n{{}}\r\n0\r\n\r\n"
        );
        assert_eq!(house.gateway.client().ask(with_body).status(), 400);
    }
    assert_eq!(house.targets(reached), [""; 0]);
    let preflight = format!(
        "OPTIONS /janus/{session}?token=x HTTP/1.1\r\nHost: localhost\r\n\
         Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n\r\n"
    );
    assert_eq!(house.gateway.client().ask(preflight).status(), 200);
    assert_eq!(house.targets(reached), [format!("/janus/{session}")]);
}

#[test]
fn a_long_poll_has_the_secret_of_the_server_and_of_the_client_only_what_janus_reads() {
    let house = House::open();
    let dial = house.gateway.dial();
    let session = create(&dial, "", "/janus");
    let reached = house.reached();
    let query =
        "rid=7&maxev=5&apisecret=guess&%61pisecret=guess&APISECRET=g&token=t&x=y&session_id=1";
    let answer = dial.h1().get(&format!("/janus/{session}?{query}"));
    assert_eq!(answer.text(), r#"{"janus":"keepalive"}"#);
    let want = format!("/janus/{session}?rid=7&maxev=5&apisecret=s3+cret%26x");
    assert_eq!(house.targets(reached), [want]);
    let answer = dial.h1().get("/janus/info?apisecret=guess");
    assert!(answer.text().contains("server_info"));
    let want = "/janus/info?apisecret=s3+cret%26x";
    assert_eq!(house.targets(reached)[1], want);
    for line in house.gateway.access.lines(3) {
        assert!(!line.contains("s3") && !line.contains("guess"), "{line}");
    }
}

/// Answers `create` with this session, and everything else by a script.
fn scripted(
    session: i64,
    script: impl Fn(&str, &mut crate::harness::Conn) -> std::io::Result<()> + Send + Sync + 'static,
) -> Upstream {
    Upstream::http(move |request, conn| {
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if message["janus"] == "create" {
            let answer = json!({"janus": "success", "transaction": message["transaction"],
                "data": {"id": session}});
            conn.send(ok(&answer.to_string()))?;
        } else {
            script(&request.head.first, conn)?;
        }
        Ok(Then::Keep)
    })
}

fn ok(text: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}

#[test]
fn the_answer_to_a_long_poll_is_streamed() {
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let janus = scripted(5, move |_, conn| {
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{\"ja\r\n")?;
        let _ = wait.lock().unwrap().recv();
        conn.send("8\r\nnus\":1}]\r\n0\r\n\r\n")
    });
    let secret = secret();
    let config = brokered(&janus.url(), &secret, "janus").route("/janus", "app");
    let gateway = TestGateway::start(&config);
    let session = create(&gateway.dial(), "", "/janus");
    let mut client = gateway.client();
    client.send(format!(
        "GET /janus/{session} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ));
    assert_eq!(client.head().status(), 200);
    // The first piece is here before the second was sent.
    assert_eq!(client.wire.exactly(10).unwrap(), b"5\r\n[{\"ja\r\n");
    go_on.send(()).unwrap();
    assert_eq!(client.wire.chunked().unwrap().0, b"nus\":1}]");
}

#[test]
fn a_session_that_janus_no_longer_polls_is_forgotten() {
    let janus = scripted(5, |_, conn| {
        conn.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    });
    let secret = secret();
    let config = brokered(&janus.url(), &secret, "janus").route("/janus", "app");
    let gateway = TestGateway::start(&config);
    assert_eq!(create(&gateway.dial(), "", "/janus"), 5);
    assert_eq!(gateway.client().get("/janus/5").status(), 404);
    assert_eq!(janus.requests().len(), 2);
    assert_eq!(gateway.client().get("/janus/5").status(), 404);
    assert_eq!(janus.requests().len(), 2);
}

#[test]
fn what_a_streamed_answer_says_is_over_is_forgotten() {
    let polled = r#"[{"janus":"keepalive"},{"janus":"timeout","session_id":5}]"#;
    let unknown = r#"{"janus":"error","session_id":5,"transaction":"t",
        "error":{"code":458,"reason":"No such session 5"}}"#;
    let keepalive = json!({"janus": "keepalive", "transaction": "t"});
    for (answer, is_polled) in [(polled, true), (unknown, false)] {
        let janus = scripted(5, move |_, conn| conn.send(ok(answer)));
        let secret = secret();
        let config = brokered(&janus.url(), &secret, "janus").route("/janus", "app");
        let gateway = TestGateway::start(&config);
        assert_eq!(create(&gateway.dial(), "", "/janus"), 5);
        if is_polled {
            let got = gateway.client().get("/janus/5?maxev=2");
            assert_eq!(got.text(), answer);
        } else {
            post(&gateway.dial(), "", "/janus/5", &keepalive);
        }
        // The gateway learns it when the last byte has gone, so a moment later than the client.
        crate::harness::eventually("the session is forgotten", || {
            let reached = janus.requests().len();
            let answer = post(&gateway.dial(), "", "/janus/5", &keepalive);
            answer["error"]["code"] == 458 && janus.requests().len() == reached
        });
    }
}

#[test]
fn an_answer_that_says_what_belongs_to_whom_has_to_be_readable() {
    let large = format!(
        "{{\"janus\":\"success\",\"x\":\"{}\"}}",
        "x".repeat(256 * 1024)
    );
    let answers = [
        ok("not JSON"),
        ok("{}{}"),
        ok(""),
        ok(&large),
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}".to_owned(),
    ];
    for answer in answers {
        let secret = secret();
        let janus = Upstream::http(move |_, conn| conn.send(&answer).map(|()| Then::Close));
        let config = brokered(&janus.url(), &secret, "janus").route("/janus", "app");
        let gateway = TestGateway::start(&config);
        let create = br#"{"janus":"create","transaction":"c"}"#;
        assert_eq!(gateway.client().post("/janus", create).status(), 502);
        let line = gateway.access.lines(1).remove(0);
        assert!(line.contains(" reason=message_answer "), "{line}");
    }
}

#[test]
fn an_answer_that_nothing_waits_for_is_passed_on_as_it_is() {
    for answer in [
        ok("not JSON").as_str(),
        ok("{}{}").as_str(),
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (secret, sent) = (secret(), answer.to_owned());
        let janus = Upstream::http(move |_, conn| conn.send(&sent).map(|()| Then::Keep));
        let config = brokered(&janus.url(), &secret, "janus").route("/janus", "app");
        let gateway = TestGateway::start(&config);
        let ping = br#"{"janus":"ping","transaction":"p"}"#;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let got = gateway.client().post("/janus", ping);
        assert_eq!(got.text(), body);
        let busy = answer.contains("503");
        let create = br#"{"janus":"create","transaction":"c"}"#;
        let want = if busy { 503 } else { 502 };
        assert_eq!(gateway.client().post("/janus", create).status(), want);
    }
}

#[test]
fn a_refused_create_of_janus_reaches_the_client_with_its_own_transaction() {
    let janus = Upstream::http(|request, conn| {
        let message: Value = serde_json::from_slice(&request.body).unwrap();
        let answer = json!({"janus": "error", "transaction": message["transaction"],
            "error": {"code": 472, "reason": "Currently not accepting new sessions"}});
        conn.send(ok(&answer.to_string())).map(|()| Then::Keep)
    });
    let secret = secret();
    let config = brokered(&janus.url(), &secret, "janus").route("/janus", "app");
    let gateway = TestGateway::start(&config);
    let create = json!({"janus": "create", "transaction": "mine"});
    let answer = post(&gateway.dial(), "", "/janus", &create);
    assert_eq!(
        (code(&answer), &answer["transaction"]),
        (472, &json!("mine"))
    );
    let sent: Value = serde_json::from_slice(&janus.only_request().body).unwrap();
    assert_ne!(sent["transaction"], "mine");
}

#[test]
fn a_rewritten_path_and_a_route_for_everything_are_read_by_what_is_forwarded() {
    let house = House::with(|config| {
        let rewritten = "policy = \"open\"\nrewrite = \"/janus\"";
        let stripped = "policy = \"open\"\nstrip_prefix = \"/media\"";
        config
            .route_with("/rooms", "app", rewritten)
            .route_with("/media", "app", stripped)
            .route("/", "app")
    });
    let dial = house.gateway.dial();
    for (base, upstream) in [
        ("/rooms", "/janus"),
        ("/media/janus", "/janus"),
        ("/janus", "/janus"),
    ] {
        let from = house.reached();
        let session = create(&dial, "", base);
        let handle = attach(&dial, "", base, session);
        assert_eq!(dial.h1().get(&format!("{base}/{session}")).status(), 200);
        let answer = dial.h1().get(&format!("{base}/{session}/{handle}"));
        assert_eq!(
            answer.head.get("location"),
            Some(&*format!("{base}/{session}"))
        );
        let targets = house.targets(from);
        assert_eq!(targets[0], upstream, "{base}");
        assert_eq!(targets[1], format!("{upstream}/{session}"), "{base}");
    }
    // Where the base path is not known, Janus might read other ids from the path. It gets those
    // that were judged in the message as well, and refuses the message if they differ.
    let session = create(&dial, "", "/janus");
    let handle = attach(&dial, "", "/janus", session);
    let hangup = json!({"janus": "hangup", "transaction": "h"});
    post(&dial, "", &format!("/janus/{session}/{handle}"), &hangup);
    let sent = house.janus.take_received().pop().unwrap();
    let ids = (&sent["session_id"], &sent["handle_id"]);
    assert_eq!(ids, (&json!(session), &json!(handle)));
    let from = house.reached();
    for path in [
        format!("/1x/{session}"),
        format!("/{session}/janus/{session}"),
        format!("/info/{session}"),
        format!("/janus/info/{session}"),
        format!("/%C3%A4/{session}"),
    ] {
        assert_eq!(dial.h1().get(&path).status(), 404, "{path}");
    }
    assert_eq!(house.targets(from), [""; 0]);
}

#[test]
fn the_admin_api_is_judged_by_path_and_message_alike() {
    let (janus, secret) = (Janus::new(), secret());
    let config = brokered(&janus.url(), &secret, "janus-admin")
        .policy("here", "\"127.0.0.0/8\"")
        .route_with("/admin", "app", "policy = \"here\"");
    let gateway = TestGateway::start(&config);
    let dial = gateway.dial();
    let message = json!({"janus": "handle_info", "transaction": "t", "admin_secret": "guess"});
    post(&dial, "", "/admin/5/7", &message);
    post(&dial, "", "/admin/5/7/", &message);
    for sent in janus.take_received() {
        let want = json!({"janus": "handle_info", "transaction": "t", "session_id": 5,
            "handle_id": 7, "admin_secret": "s3 cret&x"});
        assert_eq!(sent, want);
    }
    let conflict = json!({"janus": "handle_info", "transaction": "t", "session_id": 6});
    assert_eq!(code(&post(&dial, "", "/admin/5", &conflict)), 457);
    assert!(dial.h1().get("/admin/info").text().contains("server_info"));
    let reached = janus.upstream.heads().len();
    for (target, want) in [
        ("/admin", 405),
        ("/admin/5", 405),
        ("/admin/5/7", 405),
        ("/admin/x", 404),
        ("/admin/5/7/9", 404),
    ] {
        assert_eq!(dial.h1().get(target).status(), want, "{target}");
    }
    let empty = dial.h1().post("/admin", b"");
    assert!(empty.text().contains("Request payload missing"));
    assert_eq!(janus.upstream.heads().len(), reached);
}

#[test]
fn a_page_may_read_a_refusal_where_it_may_read_an_answer() {
    let house = House::with(|config| {
        let listed = "policy = \"open\"\nrewrite = \"/janus\"\n\
                      cors = { origins = [\"https://app.example\"] }";
        let here = "policy = \"here\"\nrewrite = \"/janus\"";
        config
            .policy("here", "\"127.0.0.0/8\"")
            .route("/janus", "app")
            .route_with("/listed", "app", listed)
            .route_with("/here", "app", here)
    });
    let refused = r#"{"janus":"keepalive","transaction":"t","session_id":7}"#;
    for (path, origin, want) in [
        ("/janus", "https://a.example", Some("*")),
        (
            "/listed",
            "https://app.example",
            Some("https://app.example"),
        ),
        ("/listed", "https://a.example", None),
        // The address alone lets the request in: no other page may read anything.
        ("/here", "https://localhost", None),
    ] {
        let answer = house.gateway.client().ask(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\
             Content-Length: {}\r\n\r\n{refused}",
            refused.len()
        ));
        let answered: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(code(&answered), 458, "{path}");
        let allowed = answer.head.get("access-control-allow-origin");
        assert_eq!(allowed, want, "{path} {origin}");
        let answer = house.gateway.client().ask(format!(
            "GET {path}/7 HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\r\n"
        ));
        assert_eq!(answer.status(), 404);
        let allowed = answer.head.get("access-control-allow-origin");
        assert_eq!(allowed, want, "{path} {origin}");
    }
    assert_eq!(house.reached(), 0);
}

#[test]
fn a_route_that_is_removed_while_a_body_is_read_sends_nothing_to_janus() {
    let mut house = House::open();
    let ping = r#"{"janus":"ping","transaction":"t"}"#;
    let mut client = house.gateway.client();
    client.send(format!(
        "POST /janus HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{{",
        ping.len()
    ));
    // The request is with its route.
    let other = house.gateway.client().post("/janus", ping.as_bytes());
    assert_eq!(other.status(), 200);
    let without = brokered(&house.janus.url(), &house.secret, "janus").route("/x", "app");
    house.gateway.reload(&without);
    client.send(&ping[1..]);
    assert_eq!(client.head().status(), 404);
    assert_eq!(house.reached(), 1);
}

#[test]
fn a_long_poll_that_calls_itself_a_websocket_is_none() {
    let house = House::open();
    let dial = house.gateway.dial();
    let session = create(&dial, "", "/janus");
    let reached = house.reached();
    let handshake = |target: &str| crate::harness::websocket::handshake(target, "");
    for rest in [
        format!("/{session}"),
        format!("/{session}/"),
        format!("/x/{session}"),
        format!("/janus/{session}?maxev=5"),
        "/info".into(),
        "/janus/info".into(),
    ] {
        let answer = dial.h1().ask(handshake(&format!("/janus{rest}")));
        assert_eq!(answer.status(), 404, "{rest}");
        let mut h2 = house.gateway.dial().h2();
        assert!(h2.takes_extended_connect());
        let request = http::Request::builder()
            .method(http::Method::CONNECT)
            .uri(format!("https://localhost/janus{rest}"))
            .header("sec-websocket-version", "13")
            .extension(::h2::ext::Protocol::from_static("websocket"));
        let (response, _stream) = h2.begin(request.body(()).unwrap(), false);
        assert_eq!(h2.run(response).unwrap().status(), 404, "{rest}");
    }
    assert_eq!(house.targets(reached), [""; 0]);
    // Whatever a server answers without opening a WebSocket was not judged.
    let plain = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    let secret = secret();
    let config = brokered(&plain.url(), &secret, "janus").route("/janus", "app");
    let gateway = TestGateway::start(&config);
    assert_eq!(gateway.client().ask(handshake("/janus")).status(), 502);
}

#[test]
fn a_large_message_alone_on_its_connection_is_no_trouble() {
    let large = "policy = \"open\"\nmessage_size = \"4MiB\"\nbody = \"4MiB\"";
    let house = House::with(|config| config.route_with("/janus", "app", large));
    let padding = "x".repeat(3 << 20);
    let message = format!("{{\"janus\":\"ping\",\"transaction\":\"{padding}\"}}");
    let answer = house.gateway.client().post("/janus", message.as_bytes());
    assert_eq!(answer.status(), 200);
    let mut h2 = house.gateway.dial().h2();
    let answer = h2.send(h2::post("/janus"), message.as_bytes());
    assert_eq!(answer.status, 200);
}

#[test]
fn what_janus_says_about_itself_is_trimmed_or_hidden_however_it_is_asked() {
    let with_info = |url: &str, info: &str| {
        let config = Config::new().table(&format!(
            "[upstreams.app]\nservers = [\"{url}\"]\nprotocol = \"janus\"\ninfo = \"{info}\""
        ));
        TestGateway::start(&config.route("/janus", "app"))
    };
    let ask = |gateway: &TestGateway| -> Vec<Answer> {
        let get = ["/info", "/info/"].map(|rest| gateway.client().get(&format!("/janus{rest}")));
        let spellings = [r#""info""#, r#""INFO""#, r#""inf\u006f""#];
        let post = spellings.map(|verb| {
            let message = format!("{{\"janus\":{verb},\"transaction\":\"i\"}}");
            gateway.client().post("/janus", message.as_bytes())
        });
        get.into_iter().chain(post).collect()
    };
    let janus = Janus::new();
    let gateway = with_info(&janus.url(), "trim");
    for answer in ask(&gateway) {
        let shown = answer.text();
        assert!(shown.contains("\"session-timeout\":60"), "{shown}");
        assert!(
            !shown.contains("1102") && !shown.contains("192.0.2.77"),
            "{shown}"
        );
    }
    let reached = janus.upstream.heads().len();
    let gateway = with_info(&janus.url(), "hide");
    for answer in ask(&gateway) {
        assert_eq!(code(&serde_json::from_str(&answer.text()).unwrap()), 403);
    }
    assert_eq!(janus.upstream.heads().len(), reached);
    // What cannot be read cannot be trimmed.
    let odd = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nversion 1102");
    for answer in ask(&with_info(&odd.url(), "trim")) {
        assert_eq!(answer.status(), 502);
    }
}
