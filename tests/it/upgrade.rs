//! An upgrade in place: the gateway starts its program anew, and nothing is lost.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use rustix::process::{Signal, kill_process, test_kill_process};
use rustls::HandshakeKind;

use crate::harness::load::StopOnDrop;
use crate::harness::process::GatewayProcess;
use crate::harness::upstream::Conn;
use crate::harness::websocket::{Frame, handshake, is_alive, switching};
use crate::harness::{Client, Config, Dial, Upstream, eventually, h2};

/// Answers requests, those for `/held` when the test says so, and echoes frames.
fn upstream() -> (Upstream, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let upstream = Upstream::raw(move |conn| {
        while let Some(request) = conn.request()? {
            if request.head.get("upgrade").is_some() {
                return echo(conn);
            }
            if request.head.target() == "/held" {
                wait.lock().unwrap().recv().map_err(io::Error::other)?;
            }
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
        Ok(())
    });
    (upstream, go)
}

fn echo(conn: &mut Conn) -> io::Result<()> {
    conn.send(switching(""))?;
    loop {
        let frame = Frame {
            mask: None,
            ..conn.wire.frame()?
        };
        conn.send(frame.bytes())?;
    }
}

fn tunnel(dial: &Dial) -> Client {
    let mut client = dial.h1();
    client.send(handshake("/ws", ""));
    assert_eq!(client.head().status(), 101);
    client
}

const LISTEN: &str = "https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\nworkers = 2";

#[test]
fn what_is_open_stays_in_the_old_process_and_what_comes_goes_to_the_new_one() {
    let (upstream, go) = upstream();
    let mut gateway = GatewayProcess::start(&Config::to(&upstream).listen(LISTEN));
    let dial = gateway.dial();
    let mut tunnel = tunnel(&dial);
    let mut idle = dial.h1();
    assert_eq!(idle.get("/").status(), 200);
    let mut held = dial.h1();
    held.send("GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut held_h2 = dial.h2();
    let (answer, _stream) = held_h2.begin(h2::get("/held"), true);
    held_h2.run(async {
        while upstream.heads().len() < 4 {
            tokio::task::yield_now().await;
        }
    });

    gateway.upgrade();
    // The socket is the same, and another process has it.
    assert_eq!(gateway.listening(2)[1], dial.addr);
    assert_eq!(dial.h1().get("/").status(), 200);
    is_alive(&mut tunnel);
    // A request on an idle connection of the old process may have been under way.
    let last = idle.get("/");
    assert_eq!(
        (last.status(), last.head.get("connection")),
        (200, Some("close"))
    );
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(held.answer().status(), 200);
    let answer = held_h2.run(async { h2::gather(answer.await.unwrap()).await.unwrap() });
    assert_eq!(answer.body, b"ok");
    held_h2.until_closed();
    is_alive(&mut tunnel);
    // The status listener and commands are the new process'.
    eventually("the old process is reported", || {
        let metrics = gateway.metrics();
        metrics.contains("ianitor_older_processes 1\n")
            && metrics.contains("ianitor_older_connections 1\n")
    });
    assert!(gateway.metrics().contains("ianitor_draining 0\n"));
    drop((tunnel, idle, held));
    assert_eq!(gateway.ended().code(), Some(0));
    eventually("the old process is gone", || {
        gateway.metrics().contains("ianitor_older_processes 0\n")
    });
    assert_eq!(dial.h1().get("/").status(), 200);
}

#[test]
fn a_second_upgrade_works_while_an_old_process_still_drains() {
    let (upstream, _go) = upstream();
    let mut gateway = GatewayProcess::start(&Config::to(&upstream).listen(LISTEN));
    let dial = gateway.dial();
    let mut first = tunnel(&dial);
    gateway.upgrade();
    let mut second = tunnel(&dial);
    gateway.upgrade();
    let mut third = tunnel(&dial);
    for tunnel in [&mut first, &mut second, &mut third] {
        is_alive(tunnel);
    }
    let processes = gateway.replaced_by();
    assert_eq!(processes.len(), 2);
    eventually("both old processes are reported", || {
        gateway.metrics().contains("ianitor_older_processes 2\n")
    });
    // The second one passes on what changes in the first one.
    drop(second);
    gateway.event("stays while an older one drains");
    is_alive(&mut first);
    is_alive(&mut third);
    drop(first);
    assert_eq!(gateway.ended().code(), Some(0));
    eventually("the second process has ended", || {
        test_kill_process(processes[0]).is_err()
    });
    is_alive(&mut third);
    // SIGTERM to the new process ends it as ever.
    kill_process(processes[1], Signal::TERM).unwrap();
    drop(third);
    eventually("the third process has ended", || {
        test_kill_process(processes[1]).is_err()
    });
}

#[test]
fn tunnels_of_an_old_process_end_after_drain_tunnels_or_at_a_signal() {
    let (upstream, _go) = upstream();
    let limits = "drain = \"100ms\"\ndrain_tunnels = \"200ms\"";
    let mut gateway = GatewayProcess::start(&Config::to(&upstream).limits(limits));
    let mut closed = tunnel(&gateway.dial());
    gateway.upgrade();
    assert_eq!(closed.wire.frame().unwrap().close().0, 1001);
    closed.send(Frame::client_close(1001, "").bytes());
    assert_eq!(gateway.ended().code(), Some(0));

    // It accepts no connections, so that it does not wait for drain_delay.
    let limits = "drain = \"100ms\"\ndrain_delay = \"1h\"";
    let mut gateway = GatewayProcess::start(&Config::to(&upstream).limits(limits));
    let mut closed = tunnel(&gateway.dial());
    gateway.upgrade();
    gateway.event("upgraded: the new process accepts connections");
    is_alive(&mut closed);
    let new = gateway.replaced_by()[0];
    for (signal, name) in [(Signal::HUP, "SIGHUP"), (Signal::USR2, "SIGUSR2")] {
        gateway.signal(signal);
        let said = gateway.event(&format!(
            "{name} is ignored: this process has been replaced"
        ));
        assert!(said.contains(&format!("process {new}")), "{said}");
    }
    is_alive(&mut closed);
    gateway.signal(Signal::TERM);
    assert_eq!(closed.wire.frame().unwrap().close().0, 1001);
    closed.send(Frame::client_close(1001, "").bytes());
    assert_eq!(gateway.ended().code(), Some(0));
    assert_eq!(gateway.dial().h1().get("/").status(), 200);
}

#[test]
fn sessions_of_tls_are_resumed_by_the_new_process() {
    let (upstream, _go) = upstream();
    let gateway = GatewayProcess::start(&Config::to(&upstream));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let dial = gateway.dial().remember().versions(&[version]);
        let config = dial.config(&["http/1.1"]);
        let kind = || {
            let tls = dial.tls_over(dial.tcp(), config.clone()).unwrap();
            let kind = tls.look(|tls| tls.handshake_kind());
            // A ticket of TLS 1.3 comes behind the handshake.
            assert_eq!(Client::new(tls).get("/").status(), 200);
            kind
        };
        assert_eq!(kind(), Some(HandshakeKind::Full));
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
        gateway.upgrade();
        assert_eq!(kind(), Some(HandshakeKind::Resumed), "{version:?}");
    }
}

#[test]
fn a_tls_connection_that_is_passed_through_goes_on() {
    let (upstream_behind, _go_behind) = upstream();
    let tls = "self_signed = [\"localhost\", \"passed.example\"]";
    let behind = GatewayProcess::start(&Config::to(&upstream_behind).tls(tls));
    let table = format!(
        "[[passthrough]]\nsni = \"passed.example\"\nto = \"{}\"",
        behind.dial().addr
    );
    let (upstream, _go) = upstream();
    let gateway = GatewayProcess::start(&Config::to(&upstream).table(&table));
    let dial = gateway.dial().name("passed.example").blind();
    let mut passed = dial.h1();
    let get = "GET /.ianitor/x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let status = passed.ask(get).status();
    gateway.upgrade();
    assert_eq!(passed.ask(get).status(), status);
    assert_eq!(dial.h1().ask(get).status(), status);
}

#[test]
fn sigusr2_upgrades_and_another_number_of_workers_takes_effect() {
    let (upstream, _go) = upstream();
    let config = Config::to(&upstream).listen(LISTEN);
    let mut gateway = GatewayProcess::start(&config);
    let dial = gateway.dial();
    for (count, workers) in [(1, "workers = 3"), (2, "workers = 1")] {
        let config = Config::to(&upstream).listen(&LISTEN.replace("workers = 2", workers));
        std::fs::write(gateway.config_path(), config.text()).unwrap();
        match gateway.replaced_by().last() {
            None => gateway.signal(Signal::USR2),
            Some(pid) => kill_process(*pid, Signal::USR2).unwrap(),
        }
        eventually("the new process is ready", || {
            gateway.replaced_by().len() == count
        });
        for _ in 0..20 {
            assert_eq!(dial.h1().get("/").status(), 200, "{workers}");
        }
    }
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn a_control_socket_that_moves_with_an_upgrade_leaves_no_file() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::ok());
    let [before, after] = ["before", "after"].map(|name| folder.path().join(name));
    let at = |path| Config::to(&upstream).listen(&format!("{LISTEN}\ncontrol = {path:?}"));
    let gateway = GatewayProcess::start(&at(&before));
    std::fs::write(gateway.config_path(), at(&after).text()).unwrap();
    gateway.signal(Signal::USR2);
    eventually("the file is where it is configured", || {
        after.exists() && !before.exists()
    });
    gateway.upgrade();
    assert!(after.exists());
}

/// How many connections of each kind have requests all the time.
const CLIENTS: usize = 3;

#[test]
fn no_request_and_no_connection_is_lost_while_two_upgrades_happen_under_load() {
    let (upstream, _go) = upstream();
    let gateway = GatewayProcess::start(&Config::to(&upstream));
    let dial = gateway.dial();
    let (is_over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let load = |connect: fn(&Dial) -> usize| {
            while !is_over.load(Ordering::Relaxed) {
                served.fetch_add(connect(&dial), Ordering::Relaxed);
            }
        };
        for _ in 0..CLIENTS {
            scope.spawn(move || load(requests_of_h1));
            scope.spawn(move || load(requests_of_h2));
        }
        let _stop = StopOnDrop(&is_over);
        for _ in 0..2 {
            let before = served.load(Ordering::Relaxed);
            gateway.upgrade();
            eventually("requests are served after it", || {
                served.load(Ordering::Relaxed) > before + 100
            });
        }
    });
    let errors = gateway.events();
    let errors: Vec<_> = errors
        .iter()
        .filter(|line| line.contains("ERROR"))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// A new connection, and requests on it until the gateway says that it closes.
fn requests_of_h1(dial: &Dial) -> usize {
    let mut client = dial.h1();
    for served in 1..=20 {
        let answer = client.get("/");
        assert_eq!(answer.status(), 200);
        if answer.head.get("connection") == Some("close") {
            client.is_closed();
            return served;
        }
    }
    20
}

/// The same over HTTP/2, where the gateway closes by GOAWAY.
fn requests_of_h2(dial: &Dial) -> usize {
    let mut client = dial.h2();
    for served in 0..20 {
        match client.try_get("/") {
            Ok(answer) => assert_eq!(answer.status, 200),
            // The gateway has not begun this one, so a client may repeat it on another connection.
            Err(error) if error.is_go_away() && error.reason() == Some(h2::NO_ERROR) => {
                return served;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    20
}
