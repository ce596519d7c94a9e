//! Which events are logged, and that a reload changes it.

use rustix::process::Signal;

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, Upstream, eventually};

/// Reloads, and waits until that is logged for the `nth` time.
fn reload(gateway: &GatewayProcess, config: &Config, nth: usize) {
    gateway.hang_up(&config.text());
    eventually("reloaded", || {
        let events = gateway.events();
        events
            .iter()
            .filter(|line| line.contains(" reloaded "))
            .count()
            == nth
    });
}

#[test]
fn a_reload_changes_the_level_and_debug_is_about_the_gateway_alone() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream);
    let mut gateway = GatewayProcess::start(&config);
    let ask = || assert_eq!(gateway.dial().h2().get("/a//b").status, 400);
    ask();
    reload(&gateway, &config.clone().log("level = \"debug\""), 1);
    ask();
    gateway.event("DEBUG request refused");
    reload(&gateway, &config.clone().log("level = \"info\""), 2);
    ask();
    gateway.signal(Signal::TERM);
    gateway.ended();
    gateway.event("stopped");
    let events = gateway.events();
    let is_debug = |line: &&String| line.contains(" DEBUG ");
    let of_requests = |line: &&String| line.contains("request refused");
    assert_eq!(events.iter().filter(of_requests).count(), 1, "{events:#?}");
    // At debug level, HTTP/2 would log each frame.
    let frames = events
        .iter()
        .filter(is_debug)
        .filter(|line| line.contains("frame"));
    assert_eq!(frames.count(), 0, "{events:#?}");
}

#[test]
fn the_environment_goes_before_the_level_and_a_reload_says_so() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream);
    let gateway = GatewayProcess::start_with_rust_log("ianitor=debug", &config);
    assert_eq!(gateway.dial().h1().get("/a//b").status(), 400);
    gateway.event("DEBUG request refused");
    reload(&gateway, &config.clone().log("level = \"error\""), 1);
    gateway.event("log.level: the environment's RUST_LOG decides");

    let gateway = GatewayProcess::start_with_rust_log("ianitor=noise", &config);
    gateway.event("RUST_LOG is not valid");
}
