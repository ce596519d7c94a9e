//! The system clock is set while the gateway runs: for a minute, what is valid by the reading
//! before stays valid. That the minute ends is a test of `src/clock/step.rs`. Waits do not change.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::process::GatewayProcess;
use crate::harness::token::{HMAC, now, token};
use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Client, Config, Upstream};

/// The system clock as the gateway reads it, which a library shifts by the seconds in a file.
struct Clock {
    library: PathBuf,
    ahead: PathBuf,
}

impl Clock {
    fn new(folder: &Path) -> Self {
        let library = folder.join("clock.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/clock.c");
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O1", "-o"]);
        command.arg(&library).args([source, "-ldl"]);
        assert!(command.status().unwrap().success());
        let ahead = folder.join("ahead");
        let clock = Self { library, ahead };
        clock.set(0);
        clock
    }

    fn set(&self, ahead: i64) {
        let new = self.ahead.with_extension("new");
        std::fs::write(&new, ahead.to_string()).unwrap();
        std::fs::rename(new, &self.ahead).unwrap();
    }

    fn start(&self, config: &Config) -> GatewayProcess {
        let (library, ahead) = (self.library.to_str().unwrap(), self.ahead.to_str().unwrap());
        GatewayProcess::start_with(&[("LD_PRELOAD", library), ("CLOCK_AHEAD", ahead)], config)
    }
}

fn ask(client: &mut Client, token: &str) -> u16 {
    client.get(&format!("/x?token={token}")).status()
}

#[test]
fn a_clock_that_jumps_by_an_hour_ends_no_token_that_was_valid_before() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::new(folder.path());
    let (upstream, sockets) = (Upstream::ok(), echo());
    let config = Config::new()
        .upstream("app", &upstream.url())
        .upstream("sockets", &sockets.url())
        .route_with("/", "app", "policy = \"staff\"")
        .route_with("/ws", "sockets", "policy = \"staff\"")
        .table(HMAC)
        .table("[policies.staff]\nissuers = [\"staff\"]");
    let gateway = clock.start(&config);
    let half_an_hour = token(json!({ "exp": now() + 1800, "nbf": now() - 10 }));
    let mut tunnel = gateway.dial().h1();
    tunnel.send(handshake(&format!("/ws?token={half_an_hour}"), ""));
    assert_eq!(tunnel.head().status(), 101);
    assert_eq!(ask(&mut gateway.dial().h1(), &half_an_hour), 200);

    clock.set(3600);
    gateway.event("the clock was set");
    assert_eq!(ask(&mut gateway.dial().h1(), &half_an_hour), 200);
    is_alive(&mut tunnel);
    // What was not valid before either is not valid now.
    let past = token(json!({ "exp": now() - 60 }));
    assert_eq!(ask(&mut gateway.dial().h1(), &past), 401);

    clock.set(-3600);
    assert_eq!(ask(&mut gateway.dial().h1(), &half_an_hour), 200);
    clock.set(0);
    assert_eq!(ask(&mut gateway.dial().h1(), &half_an_hour), 200);
    is_alive(&mut tunnel);
}

#[test]
fn a_drain_takes_its_time_whatever_the_clock_says() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::new(folder.path());
    let sockets = echo();
    let drained = |drain: &str| {
        let config = Config::to(&sockets).limits(&format!("drain = \"{drain}\""));
        let gateway = clock.start(&config);
        let mut tunnel = gateway.dial().h1();
        tunnel.send(handshake("/", ""));
        assert_eq!(tunnel.head().status(), 101);
        gateway.signal(Signal::TERM);
        gateway.event("draining");
        (gateway, tunnel)
    };

    // Closes are spread over the drain: of twenty hours, so that none is due during the test.
    let (mut gateway, mut tunnel) = drained("20h");
    for ahead in [24 * 3600, -24 * 3600, 0] {
        clock.set(ahead);
        for _ in 0..15 {
            std::thread::sleep(Duration::from_millis(100));
            is_alive(&mut tunnel);
        }
    }
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().code().is_some());

    let (mut gateway, tunnel) = drained("2s");
    clock.set(-3600);
    assert_eq!(gateway.ended().code(), Some(0));
    drop(tunnel);
}
