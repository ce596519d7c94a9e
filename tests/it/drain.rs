//! The gateway ends as it is told to, and starts only where nobody else listens.

use std::net::TcpStream;
use std::sync::{Mutex, mpsc};

use rustix::process::Signal;

use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{Frame, handshake, switching};
use crate::harness::{Client, Config, Upstream, eventually, h2};

/// Holds every answer back until it is told to give one; agrees to tunnels.
fn patient() -> (Upstream, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let upstream = Upstream::raw(move |conn| {
        while let Some(request) = conn.request()? {
            if request.head.get("upgrade").is_some() {
                conn.send(switching(""))?;
                let close = conn.wire.frame()?;
                return conn.send(
                    Frame {
                        mask: None,
                        ..close
                    }
                    .bytes(),
                );
            }
            wait.lock().unwrap().recv().map_err(std::io::Error::other)?;
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
        Ok(())
    });
    (upstream, go)
}

fn tunnel(gateway: &GatewayProcess) -> Client {
    let mut client = gateway.dial().h1();
    client.send(handshake("/ws", ""));
    assert_eq!(client.head().status(), 101);
    client
}

#[test]
fn sigterm_ends_requests_then_tunnels_then_the_process() {
    let (upstream, go) = patient();
    let mut gateway = GatewayProcess::start(&Config::to(&upstream).limits("drain = \"2s\""));
    let dial = gateway.dial();
    let mut tunnel = tunnel(&gateway);
    let mut idle = dial.h1();
    go.send(()).unwrap();
    assert_eq!(idle.get("/").status(), 200);
    let mut busy = dial.h1();
    busy.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
    let mut h2 = dial.h2();
    let (answer, _stream) = h2.begin(h2::get("/"), true);
    h2.run(async {
        while upstream.heads().len() < 4 {
            tokio::task::yield_now().await;
        }
    });

    gateway.signal(Signal::TERM);
    gateway.event("draining");
    idle.is_closed();
    eventually("the listeners are closed", || {
        TcpStream::connect(dial.addr).is_err()
    });
    go.send(()).unwrap();
    go.send(()).unwrap();
    let last = busy.answer();
    assert_eq!((last.status(), last.body.as_slice()), (200, &b"ok"[..]));
    busy.is_closed();
    let answer = h2.run(async { h2::gather(answer.await.unwrap()).await.unwrap() });
    assert_eq!(answer.body, b"ok");
    h2.until_closed();
    assert_eq!(
        tunnel.wire.frame().unwrap().close(),
        (1001, "going away".to_owned())
    );
    tunnel.send(Frame::client_close(1001, "").bytes());
    tunnel.is_closed();
    assert_eq!(gateway.ended().code(), Some(0));
    gateway.event("stopped");
    let lines = gateway.accesses();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains(" tunnel ") && line.contains(" end=drain ")),
        "{lines:#?}"
    );
}

#[test]
fn a_gateway_that_nobody_uses_ends_at_once() {
    let upstream = Upstream::ok();
    for signal in [Signal::TERM, Signal::INT] {
        let mut gateway = GatewayProcess::start(&Config::to(&upstream).limits("drain = \"1h\""));
        let mut client = gateway.dial().h1();
        assert_eq!(client.get("/").status(), 200);
        gateway.signal(signal);
        client.is_closed();
        drop(client);
        assert_eq!(gateway.ended().code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let (upstream, _go) = patient();
    let mut gateway = GatewayProcess::start(&Config::to(&upstream).limits("drain = \"1h\""));
    let _tunnel = tunnel(&gateway);
    gateway.signal(Signal::TERM);
    gateway.event("draining");
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.ended().code(), Some(1));
    assert!(
        gateway
            .accesses()
            .iter()
            .any(|line| line.contains(" end=drain ")),
        "{:?}",
        gateway.accesses()
    );
}

#[test]
fn signals_that_mean_something_to_other_servers_are_ignored_with_a_warning() {
    let (upstream, _go) = patient();
    let mut gateway = GatewayProcess::start(&Config::to(&upstream).limits("drain = \"1h\""));
    let mut tunnel = tunnel(&gateway);
    for (signal, name) in [(Signal::USR1, "SIGUSR1"), (Signal::QUIT, "SIGQUIT")] {
        gateway.signal(signal);
        gateway.event(&format!("{name} is ignored"));
    }
    tunnel.send(Frame::client_close(1000, "").bytes());
    assert_eq!(tunnel.wire.frame().unwrap().close().0, 1000);
    // Nor do they count as the second signal of a drain.
    let _other = self::tunnel(&gateway);
    gateway.signal(Signal::TERM);
    gateway.event("draining");
    let so_far = gateway.events().len();
    for (signal, name) in [
        (Signal::QUIT, "SIGQUIT is ignored"),
        (Signal::HUP, "SIGHUP is ignored: this process is draining"),
        (Signal::USR2, "SIGUSR2 is ignored: this process is draining"),
    ] {
        gateway.signal(signal);
        eventually(name, || {
            let events = gateway.events();
            let mut later = events.iter().skip(so_far);
            later.any(|line| line.contains(name))
        });
    }
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.ended().code(), Some(1));
}

#[test]
fn a_client_that_connected_before_the_signal_is_served() {
    let upstream = Upstream::ok();
    // Time enough for all of them to be asked one after the other.
    let limits = "header_timeout = \"2m\"\ndrain = \"2m\"";
    let mut gateway = GatewayProcess::start(&Config::to(&upstream).limits(limits));
    let dial = gateway.dial();
    let mut shaken = dial.h1();
    // While the process is stopped, the kernel queues connections in front of the signal.
    gateway.signal(Signal::STOP);
    let queued: Vec<_> = (0..500).map(|_| dial.tcp()).collect();
    gateway.signal(Signal::TERM);
    gateway.signal(Signal::CONT);
    gateway.event("draining");
    let answer = shaken.get("/");
    assert_eq!(
        (answer.status(), answer.head.get("connection")),
        (200, Some("close"))
    );
    for tcp in queued {
        let tls = dial.tls_over(tcp, dial.config(&["http/1.1"])).unwrap();
        assert_eq!(Client::new(tls).get("/").status(), 200);
    }
    drop(shaken);
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn http2_that_begins_during_a_drain_ends_with_its_first_request() {
    let upstream = Upstream::ok();
    let limits = "header_timeout = \"2m\"\ndrain = \"2m\"";
    let mut gateway = GatewayProcess::start(&Config::to(&upstream).limits(limits));
    let dial = gateway.dial();
    // One connection speaks HTTP/2 before the signal, but has had no request yet.
    let (mut shaken, tcp) = (dial.h2(), dial.tcp());
    gateway.signal(Signal::TERM);
    gateway.event("draining");
    assert_eq!(shaken.get("/").status, 200);
    shaken.until_closed();
    let mut late = h2::Client::open_over(tcp, &dial, 1 << 20);
    assert_eq!(late.get("/").status, 200);
    late.until_closed();
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn a_second_gateway_on_the_same_port_is_an_error() {
    let upstream = Upstream::ok();
    let first = GatewayProcess::start(&Config::to(&upstream));
    let address = first.dial().addr;
    for listen in [
        address.to_string(),
        format!("0.0.0.0:{}", address.port()),
        format!("[::]:{}", address.port()),
    ] {
        let config = Config::to(&upstream).listen(&format!("https = [\"{listen}\"]"));
        let mut second = GatewayProcess::spawn(&config);
        assert_eq!(second.ended().code(), Some(1));
        let said = second.event("cannot listen on");
        assert!(
            said.contains(&listen) && said.contains("another process has the port"),
            "{said}"
        );
    }
    assert_eq!(first.dial().h1().get("/").status(), 200);
}

#[test]
fn a_port_that_something_else_has_is_an_error() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream).listen(&format!("https = [\"{}\"]", upstream.addr));
    let mut gateway = GatewayProcess::spawn(&config);
    assert_eq!(gateway.ended().code(), Some(1));
    gateway.event(&format!("cannot listen on {}", upstream.addr));
}

#[test]
fn an_address_of_another_machine_is_an_error() {
    let upstream = Upstream::ok();
    let mut gateway =
        GatewayProcess::spawn(&Config::to(&upstream).listen("https = [\"192.0.2.1:8443\"]"));
    assert_eq!(gateway.ended().code(), Some(1));
    let said = gateway.event("cannot listen on 192.0.2.1:8443");
    assert!(said.contains("no interface"), "{said}");
}
