//! Clients cannot fill the log with warnings.

use rustix::process::Signal;

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, Upstream};
use crate::shape::sources;

/// The lines with a text, and how many occurrences they stand for.
fn counted(events: &[String], text: &str) -> (usize, u64) {
    let lines = events.iter().filter(|line| line.contains(text));
    let times = lines.map(|line| match line.split_once(" times=") {
        Some((_, rest)) => rest.split(' ').next().unwrap().parse().unwrap(),
        None => 1,
    });
    times.fold((0, 0), |(lines, sum), times: u64| (lines + 1, sum + times))
}

#[test]
fn warnings_that_traffic_causes_are_logged_at_once_and_then_summed() {
    let broken = Upstream::raw(|conn| conn.request().map(drop));
    let config = Config::to(&broken)
        .upstream("dead", "http://127.0.0.1:1")
        .route("/dead", "dead")
        .table("[[passthrough]]\nsni = \"turn.localhost\"\nto = \"127.0.0.1:1\"");
    let mut gateway = GatewayProcess::start(&config);
    let dial = gateway.dial();
    let warnings = [
        ("upstream=\"dead\"", 60),
        ("upstream=\"app\"", 30),
        ("TLS not passed through", 20),
        ("a name that no certificate has", 20),
    ];
    for (path, times) in [("/dead", 60), ("/", 30)] {
        for _ in 0..times {
            assert_eq!(dial.h1().get(path).status(), 502);
        }
    }
    for name in ["turn.localhost", "other.localhost"] {
        for _ in 0..20 {
            assert!(gateway.dial().name(name).tls(&["http/1.1"]).is_err());
        }
    }
    for (text, _) in warnings {
        let first = gateway.event(text);
        assert!(!first.contains("times="), "{first}");
    }
    gateway.signal(Signal::TERM);
    gateway.ended();
    gateway.event("stopped");
    for (text, times) in warnings {
        let events = gateway.events();
        let (lines, sum) = counted(&events, text);
        assert_eq!(sum, times, "{text}: {events:#?}");
        assert!(lines < 10, "{text}: {events:#?}");
    }
}

/// What is caused by a configuration or by the machine, not by clients, although it stands where
/// clients are served.
const NOT_BY_CLIENTS: [&str; 10] = [
    "the inherited socket accepts no IPv4",
    // At most once in some seconds.
    "a worker has stalled",
    "a worker that had stalled",
    "a worker is overloaded",
    "a worker had panicked",
    "a worker could not start",
    "a worker could not stop accepting",
    "a worker could not open its listeners",
    "this machine has no IPv6",
    "connections that were queued on a closing listener",
];

#[test]
fn no_event_has_a_field_that_every_line_has() {
    for (path, text) in sources("src") {
        for (at, _) in text.match_indices("tracing::") {
            let call = text[at..].split(");").next().unwrap();
            let is_event = call
                .split_once("!(")
                .is_some_and(|(name, _)| name.len() < 16);
            for field in ["time = ", "level = ", "kind = "] {
                let has =
                    call.contains(&format!("({field}")) || call.contains(&format!(" {field}"));
                assert!(!(is_event && has), "{}: {call}", path.display());
            }
        }
    }
}

#[test]
fn every_warning_where_clients_are_served_is_summed() {
    const SERVED_BY: [&str; 12] = [
        "src/auth",
        "src/control/server",
        "src/files",
        "src/listen",
        "src/proxy",
        "src/resolve",
        "src/serve",
        "src/slot",
        "src/status",
        "src/tunnel",
        "src/turn",
        "src/worker",
    ];
    let (mut found, mut alone) = (0, Vec::new());
    for (path, text) in sources("src") {
        let path = path.display().to_string();
        if !SERVED_BY.iter().any(|served| path.starts_with(served)) {
            continue;
        }
        for level in ["tracing::warn!(", "tracing::error!("] {
            for (at, _) in text.match_indices(level) {
                let call = text[at..].split(");").next().unwrap();
                found += 1;
                if !call.contains("times,") && !NOT_BY_CLIENTS.iter().any(|by| call.contains(by)) {
                    alone.push(format!("{path}: {call}"));
                }
            }
        }
    }
    assert!(found > 10, "the sources are not read: {found}");
    assert!(
        alone.is_empty(),
        "use telemetry::summed:\n{}",
        alone.join("\n")
    );
}
