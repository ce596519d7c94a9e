//! Connections to servers and descriptors are shared: none takes them all, neither a client nor a
//! server.

use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{handshake, switching};
use crate::harness::{Client, Config, Dial, TestGateway, Then, Upstream, eventually, h2};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that never answers what is below `/slow`, takes WebSockets, and says `ok` to the rest.
fn slow() -> Upstream {
    Upstream::http(|request, conn| match request.head.target() {
        target if target.starts_with("/slow") => conn.wait_for_end().map(|()| Then::Close),
        "/ws" => conn
            .send(switching(""))
            .and_then(|()| conn.wait_for_end())
            .map(|()| Then::Close),
        _ => conn.send(OK).map(|()| Then::Keep),
    })
}

fn world(upstream: &Upstream, lines: &str) -> TestGateway {
    let table = format!(
        "[upstreams.app]\nservers = [\"{}\"]\n{lines}",
        upstream.url()
    );
    TestGateway::start(
        &Config::new()
            .limits("exempt = []")
            .table(&table)
            .route("/", "app"),
    )
}

fn from(gateway: &TestGateway, source: &str) -> Client {
    gateway.dial().from(source).h1()
}

/// A request that is not answered, once the server has it.
fn hang(gateway: &TestGateway, upstream: &Upstream, source: &str) -> Client {
    let before = upstream.heads().len();
    let mut client = from(gateway, source);
    client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    eventually("the server has the request", || {
        upstream.heads().len() > before
    });
    client
}

#[track_caller]
fn is_refused(gateway: &TestGateway, source: &str, reason: &str) {
    let answer = from(gateway, source).get("/");
    assert_eq!(
        (answer.status(), answer.head.get("retry-after")),
        (503, Some("1")),
        "{source}"
    );
    eventually("the refusal has its line", || {
        gateway
            .access
            .now()
            .iter()
            .any(|line| line.contains(reason))
    });
    let is_it =
        |line: &String| line.contains(reason) && line.contains(&format!("client={source} "));
    assert!(
        gateway.access.now().iter().any(is_it),
        "{:#?}",
        gateway.access.now()
    );
}

#[test]
fn a_server_has_max_connections_and_one_client_leaves_room_for_others() {
    let upstream = slow();
    let gateway = world(&upstream, "max_connections = 4");
    let mut held = vec![
        hang(&gateway, &upstream, "127.0.0.2"),
        hang(&gateway, &upstream, "127.0.0.2"),
    ];
    is_refused(&gateway, "127.0.0.2", "upstream_share");
    held.push(hang(&gateway, &upstream, "127.0.0.3"));
    assert_eq!(from(&gateway, "127.0.0.4").get("/").status(), 200);
    held.push(hang(&gateway, &upstream, "127.0.0.4"));
    is_refused(&gateway, "127.0.0.5", "upstream_full");
    assert_eq!(gateway.dial().from("127.0.0.5").h2().get("/").status, 503);
    assert!(
        upstream.accepted() <= 5,
        "the one that was idle was used again, or closed: {}",
        upstream.accepted()
    );
    drop(held);
    eventually("room again", || {
        from(&gateway, "127.0.0.2").get("/").status() == 200
    });
}

#[test]
fn websockets_count_where_max_connections_is_written() {
    let upstream = slow();
    let gateway = world(&upstream, "max_connections = 4");
    let open = |source: &str| {
        let mut client = from(&gateway, source);
        client.send(handshake("/ws", ""));
        (client.head().status(), client)
    };
    let sources = [
        "127.0.0.2",
        "127.0.0.2",
        "127.0.0.2",
        "127.0.0.3",
        "127.0.0.4",
        "127.0.0.5",
    ];
    let opened: Vec<_> = sources.into_iter().map(open).collect();
    let statuses: Vec<u16> = opened.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [101, 101, 503, 101, 101, 503]);
    is_refused(&gateway, "127.0.0.5", "upstream_full");
    drop(opened);
    eventually("room again", || open("127.0.0.2").0 == 101);
}

#[test]
fn idle_connections_of_one_worker_do_not_keep_the_others_out() {
    let upstream = slow();
    let gateway = world(&upstream, "max_connections = 1");
    // The system deals connections out to both workers.
    assert!((0..20).all(|_| from(&gateway, "127.0.0.2").get("/").status() == 200));
    let _held = hang(&gateway, &upstream, "127.0.0.2");
    is_refused(&gateway, "127.0.0.3", "upstream_full");
}

#[test]
fn a_server_that_is_full_is_passed_over_where_clients_do_not_belong_to_theirs() {
    let (full, other) = (slow(), Upstream::ok());
    for (balance, statuses) in [("round_robin", [200, 200]), ("client", [200, 503])] {
        let table = format!(
            "[upstreams.app]\nservers = [\"{}\", \"{}\"]\nmax_connections = 1\n\
             balance = \"{balance}\"",
            full.url(),
            other.url()
        );
        let gateway = TestGateway::start(&Config::new().table(&table).route("/", "app"));
        let heads = full.heads().len();
        // Clients are tried until one is found that belongs to the slow one.
        let mut held = Vec::new();
        for n in 2..200 {
            let mut client = from(&gateway, &format!("127.0.0.{n}"));
            client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let is_held = || full.heads().len() > heads;
            let answered = other.heads().len();
            eventually("one of them has it", || {
                is_held() || other.heads().len() > answered
            });
            if is_held() {
                held.push(client);
                break;
            }
            assert_eq!(client.answer().status(), 200);
        }
        let answers: Vec<u16> = (2..30)
            .map(|n| from(&gateway, &format!("127.0.0.{n}")).get("/").status())
            .collect();
        assert!(
            answers.iter().all(|status| statuses.contains(status)),
            "{balance}: {answers:?}"
        );
        assert!(
            statuses.iter().all(|status| answers.contains(status)),
            "{balance}: {answers:?}"
        );
        drop(held);
        drop(gateway);
        full.is_left_by_all();
    }
}

#[test]
fn behind_a_trusted_proxy_each_client_has_its_share() {
    let upstream = slow();
    let table = format!(
        "[upstreams.app]\nservers = [\"{}\"]\nmax_connections = 4",
        upstream.url()
    );
    let listen = "https = [\"127.0.0.1:0\"]\nworkers = 2\ntrusted_proxies = [\"127.0.0.5\"]";
    let config = Config::new()
        .listen(listen)
        .limits("exempt = []")
        .table(&table)
        .route("/", "app");
    let gateway = TestGateway::start(&config);
    let ask = |target: &str, client: &str| {
        let mut proxy = from(&gateway, "127.0.0.5");
        proxy.send(format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {client}\r\n\r\n"
        ));
        proxy
    };
    let held = [ask("/slow", "192.0.2.1"), ask("/slow", "192.0.2.1")];
    eventually("the server has both", || upstream.heads().len() == 2);
    assert_eq!(ask("/", "192.0.2.1").answer().status(), 503);
    assert_eq!(ask("/", "192.0.2.2").answer().status(), 200);
    drop(held);
}

#[test]
fn max_connections_changes_with_a_reload() {
    let upstream = slow();
    let config = |lines: &str| {
        let table = format!(
            "[upstreams.app]\nservers = [\"{}\"]\n{lines}",
            upstream.url()
        );
        Config::new().table(&table).route("/", "app")
    };
    let mut gateway = TestGateway::start(&config("max_connections = 1"));
    let _held = hang(&gateway, &upstream, "127.0.0.1");
    assert_eq!(gateway.client().get("/").status(), 503);
    gateway.reload(&config("max_connections = 2"));
    assert_eq!(gateway.client().get("/").status(), 200);
}

/// 1,024 descriptors: 412 for clients, 103 for each of them; 309 for servers, 77 for each client;
/// 103 for files.
fn few_descriptors(
    upstream: &Upstream,
    other: &Upstream,
    files: &std::path::Path,
) -> GatewayProcess {
    let config = Config::new()
        .limits("exempt = []")
        .upstream("slow", &upstream.url())
        .upstream("other", &other.url())
        .route("/", "slow")
        .route("/other", "other")
        .table(&format!(
            "[[routes]]\npath = \"/files\"\nfiles = \"{}\"\npolicy = \"open\"",
            files.display()
        ));
    GatewayProcess::start_with_descriptors(1024, &config)
}

fn is_served(dial: &Dial) {
    let mut client = dial.h1();
    for target in ["/", "/other", "/files/small"] {
        assert_eq!(client.get(target).status(), 200, "{target}");
    }
}

#[test]
fn with_few_descriptors_idle_connections_of_one_client_leave_room_for_others() {
    let (upstream, other, files) = (slow(), Upstream::ok(), tempfile::tempdir().unwrap());
    std::fs::write(files.path().join("small"), "x").unwrap();
    let gateway = few_descriptors(&upstream, &other, files.path());
    let said = gateway.event("limits.connections");
    for part in [
        "clamped=412",
        "connections_per_client=103",
        "upstream_sockets=309",
        "open_files=103",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let greedy = gateway.dial().from("127.0.0.2");
    let held: Vec<_> = (0..110).map_while(|_| greedy.tls(&[]).ok()).collect();
    assert_eq!(held.len(), 103);
    is_served(&gateway.dial().from("127.0.0.3"));
    greedy.tls(&[]).expect_err("one too many");
}

#[test]
fn with_few_descriptors_hanging_requests_of_one_client_leave_room_for_others() {
    let (upstream, other, files) = (slow(), Upstream::ok(), tempfile::tempdir().unwrap());
    std::fs::write(files.path().join("small"), "x").unwrap();
    std::fs::write(files.path().join("large"), vec![0; 4 << 20]).unwrap();
    let gateway = few_descriptors(&upstream, &other, files.path());
    let mut greedy: Vec<_> = (0..4)
        .map(|_| gateway.dial().from("127.0.0.2").h2())
        .collect();
    let mut held = Vec::new();
    for client in &mut greedy {
        held.extend((0..120).map(|_| client.begin(h2::get("/slow"), true)));
        client.run(async { tokio::time::sleep(std::time::Duration::from_millis(200)).await });
    }
    eventually("as many as it may have", || upstream.accepted() >= 77);
    is_served(&gateway.dial().from("127.0.0.3"));
    assert_eq!(gateway.dial().from("127.0.0.2").h1().get("/").status(), 503);
    // Files that nobody reads take the place of files alone.
    drop((held, greedy));
    let mut reader = gateway.dial().from("127.0.0.4").h2();
    let unread: Vec<_> = (0..100)
        .map(|_| reader.begin(h2::get("/files/large"), true))
        .collect();
    reader.run(async { tokio::time::sleep(std::time::Duration::from_millis(500)).await });
    is_served(&gateway.dial().from("127.0.0.5"));
    drop((unread, reader));
    assert!(upstream.accepted() <= 85, "{}", upstream.accepted());
}

#[test]
fn with_few_descriptors_a_slow_server_leaves_room_for_others() {
    let (upstream, other, files) = (slow(), Upstream::ok(), tempfile::tempdir().unwrap());
    std::fs::write(files.path().join("small"), "x").unwrap();
    let gateway = few_descriptors(&upstream, &other, files.path());
    let mut held = Vec::new();
    // Ten clients with 40 each would be 400.
    for n in 10..20 {
        let mut client = gateway.dial().from(&format!("127.0.0.{n}")).h2();
        let begun: Vec<_> = (0..40)
            .map(|_| client.begin(h2::get("/slow"), true))
            .collect();
        client.run(async { tokio::time::sleep(std::time::Duration::from_millis(100)).await });
        held.push((begun, client));
    }
    let mut client = gateway.dial().from("127.0.0.3").h1();
    assert_eq!(
        (
            client.get("/other").status(),
            client.get("/files/small").status()
        ),
        (200, 200)
    );
    assert!(upstream.accepted() <= 240, "{}", upstream.accepted());
}
