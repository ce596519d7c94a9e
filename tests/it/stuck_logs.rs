//! Logs that cannot be written hold up no request: lines are lost instead.

use std::net::{TcpListener, TcpStream};
use std::process::Command;

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, Upstream, eventually};

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

/// A gateway whose events go elsewhere, many for each request, serves at an address that it cannot
/// say.
#[track_caller]
fn serves_with_events(to: &str) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let upstream = Upstream::ok();
    let config = Config::to(&upstream).listen(&format!("https = [\"{address}\"]"));
    let script = format!("{to} && RUST_LOG=trace exec \"$0\" \"$@\" 2>&3");
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_ianitor");
    command.args(["-c", &script]).arg(program);
    let gateway = GatewayProcess::spawn_by(command, &config);
    // It listens before it has its certificate.
    let ca = gateway.config_path().with_file_name("certs/ca.pem");
    eventually("it has a certificate", || ca.exists());
    eventually("it listens", || TcpStream::connect(address).is_ok());
    let mut client = gateway.dial_at(address).h1();
    for request in 0..REQUESTS {
        assert_eq!(client.get("/").status(), 200, "request {request}");
    }
}

#[test]
fn events_on_a_full_disk_hold_up_no_request() {
    serves_with_events("exec 3>/dev/full");
}

#[test]
fn events_that_are_not_read_hold_up_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    serves_with_events(&format!(
        "mkfifo {pipe} && exec 3<>{pipe}",
        pipe = pipe.display()
    ));
}
