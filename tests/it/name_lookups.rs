//! Names of servers: a name server that says nothing holds up nobody else, and a name that moves is
//! followed.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::harness::{Config, DEADLINE, TestGateway, Upstream, eventually};

/// What no name server would be so slow to say.
fn silence() -> ! {
    loop {
        std::thread::park();
    }
}

fn at(ip: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(vec![SocketAddr::new(ip.parse().unwrap(), 0)])
}

fn silent(name: &str) -> io::Result<Vec<SocketAddr>> {
    if name == "silent.test" {
        silence()
    } else {
        at("127.0.0.1")
    }
}

fn servers(servers: &[&str], lines: &str) -> Config {
    let list: Vec<String> = servers.iter().map(|url| format!("\"{url}\"")).collect();
    Config::new()
        .table(&format!(
            "[upstreams.app]\nservers = [{}]\n{lines}",
            list.join(", ")
        ))
        .route("/", "app")
}

#[test]
fn a_name_that_is_not_resolved_in_time_is_502_and_the_other_server_is_tried() {
    let gateway = TestGateway::start_resolving(&servers(&["http://silent.test:80"], ""), silent);
    let began = Instant::now();
    assert_eq!(gateway.client().get("/").status(), 502);
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "it is waited for"
    );
    assert!(gateway.access.lines(1)[0].contains("upstream_unreachable"));

    let upstream = Upstream::ok();
    for balance in ["client", "round_robin", "least"] {
        let config = servers(
            &["http://silent.test:80", &upstream.url()],
            &format!("balance = \"{balance}\""),
        );
        let gateway = TestGateway::start_resolving(&config, silent);
        assert!(
            (0..4).all(|_| gateway.client().get("/").status() == 200),
            "{balance}"
        );
    }
}

#[test]
fn files_and_other_servers_are_not_held_up_and_the_gateway_ends() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "page").unwrap();
    let upstream = Upstream::ok();
    let port = upstream.addr.port();
    let files = format!(
        "[[routes]]\npath = \"/files\"\nfiles = \"{}\"\npolicy = \"open\"",
        folder.path().display()
    );
    let config = servers(&["http://silent.test:80"], "")
        .upstream("other", &format!("http://other.test:{port}"))
        .route("/other", "other")
        .table(&files);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let gateway = TestGateway::start_resolving(&config, move |name| {
        count.fetch_add(usize::from(name == "silent.test"), Ordering::SeqCst);
        silent(name)
    });
    let mut waiting: Vec<_> = (0..100).map(|_| gateway.client()).collect();
    waiting
        .iter_mut()
        .for_each(|client| client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    eventually("the name is being looked up", || {
        asked.load(Ordering::SeqCst) > 0
    });
    for _ in 0..5 {
        assert_eq!(gateway.client().get("/files/").text(), "page");
        assert_eq!(gateway.client().get("/other").status(), 200);
    }
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "one look-up for a name at a time"
    );
    let began = Instant::now();
    drop(gateway);
    assert!(
        began.elapsed() < DEADLINE,
        "the gateway did not wait for the name server"
    );
}

#[test]
fn the_last_good_answer_is_used_while_the_name_server_fails() {
    let upstream = Upstream::ok();
    let url = format!("http://app.test:{}", upstream.addr.port());
    let asked = AtomicUsize::new(0);
    let look_up = move |_: &str| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => at("127.0.0.1"),
        1 => Err(io::Error::other("the name server is away")),
        _ => silence(),
    };
    let gateway = TestGateway::start_resolving(&servers(&[&url], "keep_alive = \"0s\""), look_up);
    assert!((0..3).all(|_| gateway.client().get("/").status() == 200));
    assert_eq!(upstream.accepted(), 3);
}

/// A server on another address of loopback, which says so.
fn moved_to(port: u16) {
    let listener = TcpListener::bind(("127.0.0.2", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                    stream
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nmoved")
                        .unwrap();
                }
            });
        }
    });
}

#[test]
fn a_name_that_has_moved_is_followed_at_a_reload() {
    let upstream = Upstream::ok();
    let port = upstream.addr.port();
    moved_to(port);
    let address = Arc::new(Mutex::new("127.0.0.1"));
    let now = Arc::clone(&address);
    let config = servers(&[&format!("http://app.test:{port}")], "");
    let mut gateway = TestGateway::start_resolving(&config, move |_| at(*now.lock().unwrap()));
    let mut client = gateway.client();
    assert!((0..3).all(|_| client.get("/").text() == "ok"));
    *address.lock().unwrap() = "127.0.0.2";
    assert_eq!(client.get("/").text(), "ok", "a kept connection is used");
    gateway.reload(&config);
    assert!((0..3).all(|_| gateway.client().get("/").text() == "moved"));
}

#[test]
fn a_silent_name_of_a_passed_through_server_is_given_up() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream)
        .table("[[passthrough]]\nsni = \"turn.test\"\nto = \"silent.test:5349\"");
    let gateway = TestGateway::start_resolving(&config, silent);
    gateway
        .dial()
        .name("turn.test")
        .tls(&[])
        .expect_err("nobody is there");
    assert!(gateway.access.lines(1)[0].contains("upstream_unreachable"));
    gateway.is_left_by_all();
}
