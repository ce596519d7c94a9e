//! Clients that send more messages over a WebSocket than they may are slowed down, not closed.

use serde_json::json;

use crate::harness::janus::{Caller, Janus};
use crate::harness::{Config, TestGateway, eventually};

fn config(janus: &Janus, limits: &str) -> Config {
    Config::new()
        .listen("https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\nworkers = 2")
        .limits(limits)
        .table(&format!(
            "[upstreams.app]\nservers = [\"{}\"]\nprotocol = \"janus\"",
            janus.url()
        ))
        .table(
            "[policies.callers]\nallow = [\"127.0.0.0/8\"]\n\
             rules = [{ effect = \"allow\", verb = [\"ping\"] }]",
        )
        .route_with("/", "app", "policy = \"callers\"")
}

fn ping(number: usize) -> String {
    format!("{{\"janus\":\"ping\",\"transaction\":\"{number}\"}}")
}

/// Sends pings, and reads the answers to as many of them as are answered.
fn burst(caller: &mut Caller, sent: usize, answered: usize) {
    for number in 0..sent {
        caller.send(&ping(number));
    }
    for number in 0..answered {
        let answer = caller.next();
        assert_eq!(answer["transaction"], number.to_string(), "{answer}");
    }
}

#[test]
fn a_client_that_floods_waits_and_no_other_does() {
    let janus = Janus::new();
    let limits = "messages_per_tunnel = \"1/h burst 4\"\nexempt = []";
    let mut gateway = TestGateway::start(&config(&janus, limits));
    let mut flooder = Caller::open(&gateway, "/ws", "");
    burst(&mut flooder, 10, 4);
    let mut other = Caller::open(&gateway, "/ws", "");
    burst(&mut other, 4, 4);
    assert_eq!(janus.received().len(), 8);
    eventually("it is counted once", || {
        let (_, metrics) = gateway.status("/metrics");
        metrics.contains("ianitor_tunnels_slowed_total{upstream=\"app\"} 1\n")
    });
    // New WebSockets have the rate of the configuration in force.
    gateway.reload(&config(
        &janus,
        "messages_per_tunnel = \"1000/s burst 2\"\nexempt = []",
    ));
    let mut slow = Caller::open(&gateway, "/ws", "");
    burst(&mut slow, 20, 20);
    assert_eq!(janus.received().len(), 28);
    // A client that has to wait can still be told that its route is gone.
    gateway.reload(&config(&janus, limits).route_with("/ws", "app", "policy = \"callers\""));
    assert_eq!(flooder.close(), (1008, "route removed".to_owned()));
    assert_eq!(janus.received().len(), 28);
}

#[test]
fn a_client_that_is_exempt_has_no_limit_of_messages() {
    let janus = Janus::new();
    let limits = "messages_per_tunnel = \"1/h burst 4\"";
    let gateway = TestGateway::start(&config(&janus, limits));
    let mut caller = Caller::open(&gateway, "/ws", "");
    burst(&mut caller, 50, 50);
    assert_eq!(
        caller.ask(&json!({"janus": "ping", "transaction": "t"}))["janus"],
        "pong"
    );
}
