//! What `ianitor doctor --live` asks.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use ianitor::doctor::Report;
use ianitor::doctor::files::Files;
use ianitor::doctor::finding::Fix;
use ianitor::doctor::place::Place;

use crate::cli::check::live;
use crate::cli::output::{CliError, complain, runtime, show};

/// A server of this machine that takes longer is not asked any further.
const PATIENCE: Duration = Duration::from_secs(3);
/// The answer of Janus with its version.
const LARGEST: u64 = 1 << 20;

/// Asks, adds what is found to the report, and returns the number of other problems.
pub(super) fn ask(
    report: &mut Report,
    files: &dyn Files,
    is_json: bool,
) -> Result<usize, CliError> {
    versions(report, files);
    turn_servers(report);
    let mut problems = 0;
    let runtime = runtime()?;
    for gateway in &report.machine.gateways {
        if let Ok(config) = &gateway.config {
            // JSON alone goes to standard output.
            let note: fn(&str) = if is_json { complain } else { show };
            problems += runtime.block_on(live::ask_all(config, note));
        }
    }
    runtime.shutdown_background();
    Ok(problems)
}

/// Janus says its version to everybody.
fn versions(report: &mut Report, files: &dyn Files) {
    let mut version = None;
    for janus in &report.machine.janus {
        version = version.or_else(|| janus_version(janus.rest_port()?));
    }
    if let Some(version) = version {
        report.know_version(files, "janus", version);
    }
}

fn janus_version(port: u16) -> Option<String> {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let request = "GET /janus/info HTTP/1.0\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer);
    let (_, body) = text.split_once("\r\n\r\n")?;
    let info: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(info["version_string"].as_str()?.to_owned())
}

/// Janus does not start without the address of its TURN server.
fn turn_servers(report: &mut Report) {
    let mut lost: Vec<(Place, String)> = Vec::new();
    for janus in &report.machine.janus {
        let Some(core) = janus.core() else { continue };
        for name in ["turn_server", "stun_server"] {
            if let Some(member) = core.find(&["nat", name])
                && let Some(host) = member.node.text()
                && !host.starts_with('[')
                && (host, 0).to_socket_addrs().is_err()
            {
                lost.push((member.place.clone(), host.to_owned()));
            }
        }
    }
    for (place, host) in lost {
        let why = format!("{host} has no address, and Janus does not start without it");
        let fix = Fix::Run(format!("getent ahosts {host}   # correct the name"));
        report
            .findings
            .add("janus-turn-unresolved", &place, why, fix);
    }
}
