//! An answer that takes long ends with its permission, as a tunnel does; one that is over at once
//! never notices.

use std::io::Read as _;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::h2::RecvStream;
use serde_json::json;

use crate::harness::issuer::{KeyServer, Signer};
use crate::harness::process::GatewayProcess;
use crate::harness::token::{self, HMAC, hmac_without_leeway, now};
use crate::harness::websocket::{Frame, handshake, is_alive, switching};
use crate::harness::{Client, Config, TestGateway, Then, Upstream, eventually, h2, staff};

/// Sends an event every now and then, for ever.
fn events() -> Upstream {
    Upstream::http(|_, conn| {
        conn.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                   Transfer-Encoding: chunked\r\n\r\n",
        )?;
        loop {
            conn.send("8\r\ndata: 1\n\r\n")?;
            std::thread::sleep(Duration::from_millis(50));
        }
    })
}

/// Takes requests and never answers.
fn silent() -> Upstream {
    Upstream::raw(|conn| {
        conn.head()?;
        conn.wait_for_end()
    })
}

fn guarded(config: Config, path: &str, name: &str, lines: &str) -> Config {
    config
        .table(&format!(
            "[policies.{name}]\nissuers = [\"staff\"]\n{lines}"
        ))
        .route_with(path, "app", &format!("policy = \"{name}\""))
}

fn callers(upstream: &Upstream) -> Config {
    guarded(
        Config::new()
            .upstream("app", &upstream.url())
            .table(&hmac_without_leeway()),
        "/sse",
        "callers",
        "",
    )
}

fn ending_in(seconds: u64) -> String {
    token::token(json!({ "exp": now() + seconds }))
}

fn get(target: &str, token: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
}

fn get_h2(target: &str, token: &str) -> http::Request<()> {
    let mut request = h2::get(target);
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// A stream of events that has begun.
struct Stream<'h> {
    h1: Option<Client>,
    h2: Option<(&'h mut h2::Client, RecvStream)>,
}

impl<'h> Stream<'h> {
    #[track_caller]
    fn h1(gateway: &TestGateway, target: &str, token: &str) -> Self {
        let mut client = gateway.client();
        client.send(get(target, token));
        assert_eq!(client.head().status(), 200);
        Self {
            h1: Some(client),
            h2: None,
        }
    }

    #[track_caller]
    fn h2(client: &'h mut h2::Client, target: &str, token: &str) -> Self {
        let (answer, _) = client.begin(get_h2(target, token), true);
        let answer = client.run(answer).unwrap();
        assert_eq!(answer.status(), 200);
        Self {
            h1: None,
            h2: Some((client, answer.into_body())),
        }
    }

    /// One more event; an error is a cut, an end without one must not be.
    fn next(&mut self) -> Result<(), String> {
        if let Some(client) = &mut self.h1 {
            let chunk = client.wire.exactly(13).map_err(|error| error.to_string())?;
            assert_eq!(
                chunk, b"8\r\ndata: 1\n\r\n",
                "the last chunk looks as if the answer was whole"
            );
        }
        if let Some((client, body)) = &mut self.h2 {
            let piece = client
                .run(body.data())
                .expect("a reset, and not the end of a whole answer");
            let piece = piece.map_err(|error| error.to_string())?;
            body.flow_control().release_capacity(piece.len()).unwrap();
        }
        Ok(())
    }

    #[track_caller]
    fn is_cut(&mut self) {
        eventually("the stream is cut", || self.next().is_err());
    }

    #[track_caller]
    fn goes_on(&mut self) {
        // More than there can be in any buffer since the others were cut.
        (0..20).for_each(|_| self.next().unwrap());
    }
}

#[track_caller]
fn ended_by_policy(gateway: &TestGateway, count: usize, reason: &str) {
    for line in gateway.access.lines(count) {
        assert!(
            line.contains(&format!(" end=policy reason={reason} ")),
            "{line}"
        );
    }
}

#[test]
fn server_sent_events_end_with_their_token() {
    let upstream = events();
    let config = guarded(callers(&upstream), "/kept", "kept", "on_expiry = \"keep\"");
    let gateway = TestGateway::start(&guarded(
        config,
        "/graced",
        "graced",
        "expiry_grace = \"2s\"",
    ));
    let (token, end) = (ending_in(3), now() + 3);
    let (mut first, mut second) = (gateway.dial().h2(), gateway.dial().h2());
    let mut cut = [
        Stream::h1(&gateway, "/sse", &token),
        Stream::h2(&mut first, "/sse", &token),
    ];
    let mut kept = [
        Stream::h1(&gateway, "/kept", &token),
        Stream::h2(&mut second, "/kept", &token),
    ];
    let mut graced = Stream::h1(&gateway, "/graced", &token);
    let mut longer = Stream::h1(&gateway, "/sse", &ending_in(60));
    cut.iter_mut().for_each(Stream::is_cut);
    assert!(now() >= end, "not before its end");
    ended_by_policy(&gateway, 2, "token_expired");
    graced.is_cut();
    assert!(now() >= end + 2, "not before its grace");
    kept.iter_mut().for_each(Stream::goes_on);
    longer.goes_on();
    drop((cut, kept, graced, longer));
    // A stream was cut, and not its connection.
    assert_eq!(first.send(h2::get("/elsewhere"), b"").status, 404);
    drop((first, second));
    upstream.is_left_by_all();
}

#[test]
fn a_revoked_token_ends_what_it_began() {
    let (upstream, folder) = (events(), tempfile::tempdir().unwrap());
    let list = folder.path().join("revoked");
    std::fs::write(&list, "").unwrap();
    let text = callers(&upstream).text().replace(
        "sources = [",
        &format!("revoked_file = {list:?}\nsources = ["),
    );
    let mut gateway = TestGateway::start_text(&text);
    let bad = token::token(json!({ "sub": "mallory" }));
    let mut client = gateway.dial().h2();
    let mut cut = [
        Stream::h1(&gateway, "/sse", &bad),
        Stream::h2(&mut client, "/sse", &bad),
    ];
    let mut good = Stream::h1(&gateway, "/sse", &ending_in(60));
    std::fs::write(&list, "sub mallory\n").unwrap();
    gateway.follow_files();
    cut.iter_mut().for_each(Stream::is_cut);
    ended_by_policy(&gateway, 2, "token_revoked");
    good.goes_on();
}

#[test]
fn what_a_policy_no_longer_allows_is_cut() {
    let upstream = events();
    let mut gateway = TestGateway::start(&callers(&upstream));
    let (ops, guest) = (
        token::token(json!({ "role": "ops" })),
        token::token(json!({ "role": "guest" })),
    );
    let (mut ops, mut guest) = (
        Stream::h1(&gateway, "/sse", &ops),
        Stream::h1(&gateway, "/sse", &guest),
    );
    let config = Config::new().upstream("app", &upstream.url()).table(HMAC);
    gateway.reload(&guarded(
        config,
        "/sse",
        "callers",
        "claims = { role = \"ops\" }",
    ));
    guest.is_cut();
    ended_by_policy(&gateway, 1, "no_longer_allowed");
    ops.goes_on();
}

#[test]
fn a_stream_belongs_to_its_route_as_a_tunnel_does() {
    let upstream = events();
    let broad = Config::new()
        .upstream("app", &upstream.url())
        .table(HMAC)
        .route("/", "app");
    let both = guarded(broad.clone(), "/sse", "callers", "");
    let mut gateway = TestGateway::start(&both);
    let mut client = gateway.dial().h2();
    let token = ending_in(60);
    let mut cut = [
        Stream::h1(&gateway, "/sse", &token),
        Stream::h2(&mut client, "/sse", &token),
    ];
    let mut other = Stream::h1(&gateway, "/other", "");
    // The broader route covers the path, and lets everybody pass.
    gateway.reload(&broad);
    cut.iter_mut().for_each(Stream::is_cut);
    ended_by_policy(&gateway, 2, "route_removed");
    other.goes_on();
}

#[test]
fn a_stream_from_a_server_that_was_taken_out_is_cut_after_the_time_of_a_drain() {
    let (before, after) = (events(), events());
    let config = |upstream: &Upstream, drain: &str| {
        Config::to(upstream).limits(&format!("drain = \"{drain}\""))
    };
    let mut gateway = TestGateway::start(&config(&before, "30s"));
    let mut stream = Stream::h1(&gateway, "/", "");
    gateway.reload(&config(&after, "60s"));
    // Answers that are on their way have that time.
    stream.goes_on();
    gateway.reload(&config(&after, "1s"));
    stream.is_cut();
    ended_by_policy(&gateway, 1, "target_changed");
    Stream::h1(&gateway, "/", "").goes_on();
    assert_eq!((before.accepted(), after.accepted()), (1, 1));
}

#[test]
fn a_request_that_waits_for_its_answer_is_refused_as_the_next_one_would_be() {
    let upstream = silent();
    let gateway = TestGateway::start(&callers(&upstream));
    let (mut h1, mut h2) = (gateway.client(), gateway.dial().h2());
    let token = ending_in(2);
    h1.send(get("/sse", &token));
    let (answer, _) = h2.begin(get_h2("/sse", &token), true);
    // Nothing of it moves but within a call.
    assert_eq!(h2.get("/elsewhere").status, 404);
    let mut uploading = gateway.client();
    uploading.send(format!(
        "POST /sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 1000000\r\n\r\nbegun"
    ));
    let refused = h1.answer();
    assert_eq!(refused.status(), 401);
    assert!(
        refused
            .head
            .get("www-authenticate")
            .unwrap()
            .contains("invalid_token"),
        "{}",
        refused.head
    );
    let refused = h2.run(async { h2::gather(answer.await?).await }).unwrap();
    assert_eq!(refused.status, 401);
    assert!(
        refused.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("invalid_token")
    );
    let refused = uploading.answer();
    assert_eq!(
        (refused.status(), refused.head.get("connection")),
        (401, Some("close"))
    );
    let lines: Vec<String> = gateway
        .access
        .lines(4)
        .into_iter()
        .filter(|line| line.contains(" status=401 "))
        .collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(
        lines
            .iter()
            .all(|line| line.contains(" end=policy reason=token_expired ")),
        "{lines:#?}"
    );
    // The connection is good for more.
    assert_eq!(h1.get("/elsewhere").status(), 404);
    upstream.is_left_by_all();
}

#[test]
fn what_came_within_the_leeway_has_that_time() {
    let upstream = Upstream::http(|_, conn| {
        std::thread::sleep(Duration::from_secs(3));
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .map(|()| Then::Keep)
    });
    let text = callers(&upstream)
        .text()
        .replace("leeway = \"0s\"", "leeway = \"8s\"");
    let gateway = TestGateway::start_text(&text);
    let token = token::token(json!({ "exp": now() - 1 }));
    assert_eq!(gateway.client().ask(get("/sse", &token)).status(), 200);
    let endless = events();
    let text = text.replace(&upstream.url(), &endless.url());
    let gateway = TestGateway::start_text(&text);
    let (token, end) = (token::token(json!({ "exp": now() - 5 })), now() - 5);
    Stream::h1(&gateway, "/sse", &token).is_cut();
    assert!(now() >= end + 8);
    ended_by_policy(&gateway, 1, "token_expired");
}

#[test]
fn a_download_that_nobody_reads_is_cut_too() {
    let upstream = Upstream::ok();
    let files = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(files.path().join("large")).unwrap();
    const SIZE: u64 = 64 << 20;
    file.set_len(SIZE).unwrap();
    let base = Config::to(&upstream);
    let route = format!(
        "[[routes]]\npath = \"/files\"\nfiles = {:?}\npolicy = \"open\"",
        files.path()
    );
    let mut gateway = TestGateway::start(&base.clone().table(&route));
    let mut client = gateway.client();
    client.send("GET /files/large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.head().status(), 200);
    let mut h2 = gateway.dial().h2();
    let (answer, _) = h2.begin(h2::get("/files/large"), true);
    let mut body = h2.run(answer).unwrap().into_body();
    gateway.reload(&base);
    // Its client does not have to read for it.
    eventually("the download is over", || gateway.access.now().len() == 1);
    ended_by_policy(&gateway, 1, "route_removed");
    let mut rest = Vec::new();
    let _ = client.wire.stream.read_to_end(&mut rest);
    assert!((rest.len() as u64) < SIZE);
    // Over HTTP/2, once it reads.
    let mut read = 0;
    let error = loop {
        match h2.run(body.data()).expect("a reset, and no end") {
            Ok(piece) => {
                read += piece.len() as u64;
                body.flow_control().release_capacity(piece.len()).unwrap();
            }
            Err(error) => break error,
        }
    };
    assert!(error.is_reset() && read < SIZE, "{error}");
    ended_by_policy(&gateway, 2, "route_removed");
}

/// Agrees to a WebSocket when it is told to.
fn hesitating() -> (Upstream, Sender<()>) {
    let (go, wait): (Sender<()>, Receiver<()>) = channel();
    let wait = Arc::new(Mutex::new(wait));
    let upstream = Upstream::raw(move |conn| {
        let Some(head) = conn.head()? else {
            return Ok(());
        };
        if head.get("upgrade").is_none() {
            return conn
                .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
        wait.lock().unwrap().recv().map_err(std::io::Error::other)?;
        conn.send(switching(""))?;
        loop {
            let frame = conn.wire.frame()?;
            conn.send(
                Frame {
                    mask: None,
                    ..frame
                }
                .bytes(),
            )?;
        }
    });
    (upstream, go)
}

#[test]
fn a_key_that_is_withdrawn_during_a_handshake_keeps_no_tunnel_open() {
    let (upstream, go) = hesitating();
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let keys = KeyServer::with_set(&[&one]);
    let config = Config::new()
        .listen("https = [\"127.0.0.1:0\"]\nworkers = 1")
        .upstream("app", &upstream.url());
    let lines = format!("jwks_url = \"{}\"\n", keys.url("/jwks.json"));
    let gateway = GatewayProcess::start(&crate::jwks::guarded(config, "staff", "/", &lines));
    gateway.event("an issuer's keys have changed");
    let begin = |by: &Signer| {
        let mut client = gateway.dial().h1();
        client.send(handshake(
            "/",
            &format!("Authorization: Bearer {}\r\n", by.token()),
        ));
        client
    };
    let mut witness = begin(&one);
    go.send(()).unwrap();
    assert_eq!(witness.head().status(), 101);
    let mut client = begin(&one);
    upstream.has_accepted(2);
    keys.publish(&[&two]);
    assert_eq!(
        crate::jwks::ask(&mut gateway.dial().h1(), "/", &two.token()),
        200
    );
    // Those that are open have been judged; the handshake has its answer only now.
    assert_eq!(witness.wire.frame().unwrap().close().0, 1008);
    let mut other = begin(&two);
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!((client.head().status(), other.head().status()), (101, 101));
    assert_eq!(
        client.wire.frame().unwrap().close(),
        (1008, "no longer allowed".to_owned())
    );
    client.send(Frame::client_close(1008, "").bytes());
    is_alive(&mut other);
}

/// Publishes the second set when it is told to, to who asks for the second time.
fn slow_keys(first: String, second: String) -> (Upstream, Sender<()>) {
    let (go, wait): (Sender<()>, Receiver<()>) = channel();
    let state = Arc::new(Mutex::new((wait, Some(first))));
    let server = Upstream::http(move |_, conn| {
        let (wait, first) = &mut *state.lock().unwrap();
        let set = match first.take() {
            Some(set) => set,
            None => {
                wait.recv().map_err(std::io::Error::other)?;
                second.clone()
            }
        };
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{set}",
            set.len()
        ))
        .map(|()| Then::Keep)
    });
    (server, go)
}

#[test]
fn who_waits_for_a_key_is_judged_by_the_configuration_of_then() {
    let (upstream, one, two) = (Upstream::ok(), Signer::new("one"), Signer::new("two"));
    let (keys, go) = slow_keys(
        crate::harness::issuer::set(&[&one]),
        crate::harness::issuer::set(&[&two]),
    );
    let config = Config::new()
        .upstream("app", &upstream.url())
        .route("/", "app");
    let lines = format!("jwks_url = \"{}/jwks.json\"\n", keys.url());
    let config = crate::jwks::guarded(config, "staff", "/guarded", &lines);
    let gateway = GatewayProcess::start(&config);
    gateway.event("an issuer's keys have changed");
    let mut client = gateway.dial().h1();
    client.send(get("/guarded", &two.token()));
    eventually("the key is looked for", || keys.requests().len() == 2);
    let text = config.text();
    gateway.hang_up(&text.replace("path = \"/guarded\"", "path = \"/another\""));
    gateway.event(" reloaded ");
    go.send(()).unwrap();
    assert_eq!(client.answer().status(), 404);
    assert!(upstream.heads().is_empty());
}

#[test]
fn a_withdrawn_key_ends_what_its_tokens_began() {
    let (upstream, one, two) = (events(), Signer::new("one"), Signer::new("two"));
    let keys = KeyServer::with_set(&[&one]);
    let config = Config::new().upstream("app", &upstream.url());
    let lines = format!("jwks_url = \"{}\"\n", keys.url("/jwks.json"));
    let gateway = GatewayProcess::start(&crate::jwks::guarded(config, "staff", "/", &lines));
    gateway.event("an issuer's keys have changed");
    let mut client = gateway.dial().h1();
    client.send(get("/", &one.token()));
    assert_eq!(client.head().status(), 200);
    keys.publish(&[&two]);
    let mut other = gateway.dial().h1();
    other.send(get("/", &two.token()));
    assert_eq!(other.head().status(), 200);
    eventually("the stream is cut", || client.wire.exactly(13).is_err());
    eventually("it is logged", || {
        gateway
            .accesses()
            .iter()
            .any(|line| line.contains(" end=policy "))
    });
    other.wire.exactly(13 * 20).unwrap();
}

#[test]
fn what_is_renewed_during_a_handshake_or_an_answer_lasts_as_the_newer_token() {
    let (upstream, go) = hesitating();
    let stream = events();
    let config = Config::new()
        .upstream("app", &upstream.url())
        .upstream("events", &stream.url());
    let config = config
        .table(&staff::issuer("leeway = \"0s\"\n"))
        .table("[policies.staff]\nissuers = [\"staff\"]");
    let config = config.route_with("/ws", "app", "policy = \"staff\"");
    let gateway = TestGateway::start(&config.route_with("/sse", "events", "policy = \"staff\""));
    let (old, end) = (staff::token("anna", 4), staff::now() + 4);
    let cookie = format!("Cookie: ianitor={old}\r\n");
    let mut socket = gateway.client();
    socket.send(handshake("/ws", &cookie));
    let mut client = gateway.client();
    client.send(format!(
        "GET /sse HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n"
    ));
    assert_eq!(client.head().status(), 200);
    upstream.has_accepted(1);
    let renewed = gateway.client().ask(format!(
        "POST /.ianitor/renew HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n{cookie}\
         Authorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
        staff::token("anna", 600)
    ));
    assert_eq!(renewed.status(), 200);
    go.send(()).unwrap();
    assert_eq!(socket.head().status(), 101);
    // Somebody else's, which ends with the old token, shows that its time is up.
    let mut witness = gateway.client();
    let berta = staff::token("berta", 4);
    witness.send(format!(
        "GET /sse HTTP/1.1\r\nHost: localhost\r\nCookie: ianitor={berta}\r\n\r\n"
    ));
    assert_eq!(witness.head().status(), 200);
    eventually("the witness is cut", || witness.wire.exactly(13).is_err());
    assert!(staff::now() >= end);
    is_alive(&mut socket);
    client.wire.exactly(13 * 20).unwrap();
}
