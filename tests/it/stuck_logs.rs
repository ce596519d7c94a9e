//! Logs that cannot be written hold up no request: lines are lost instead.

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, Upstream};

/// More lines than a pipe and the queue before it hold.
const REQUESTS: usize = 2_000;

#[track_caller]
fn serves(gateway: &GatewayProcess) {
    let mut client = gateway.dial().h1();
    for request in 0..REQUESTS {
        assert_eq!(client.get("/").status(), 200, "request {request}");
    }
}

#[test]
fn access_lines_on_a_full_disk_hold_up_no_request() {
    let upstream = Upstream::ok();
    let gateway = GatewayProcess::start_by("exec \"$0\" \"$@\" >/dev/full", &Config::to(&upstream));
    serves(&gateway);
}

#[test]
fn access_lines_that_are_not_read_hold_up_no_request() {
    let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
    let pipe = folder.path().join("pipe");
    // The descriptor 3 keeps the pipe open for reading, and nothing reads it.
    let script = format!(
        "mkfifo {pipe} && exec 3<>{pipe} && exec \"$0\" \"$@\" >{pipe}",
        pipe = pipe.display()
    );
    let gateway = GatewayProcess::start_by(&script, &Config::to(&upstream));
    serves(&gateway);
}
