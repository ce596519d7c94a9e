//! Sockets that the gateway is started with (`LISTEN_FDS`), as systemd does.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::Signal;

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, Upstream};

/// A gateway with these descriptors.
fn with(descriptors: Vec<(OwnedFd, &str)>, config: &Config) -> GatewayProcess {
    let count = descriptors.len().to_string();
    let names: Vec<&str> = descriptors.iter().map(|(_, name)| *name).collect();
    let names = names.join(":");
    let mappings = (3..).zip(descriptors);
    let mappings = mappings.map(|(child_fd, (parent_fd, _))| FdMapping {
        parent_fd,
        child_fd,
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command
        .env("LISTEN_FDS", count)
        .env("LISTEN_FDNAMES", names)
        .env_remove("LISTEN_PID");
    command.fd_mappings(mappings.collect()).unwrap();
    GatewayProcess::spawn_by(command, config)
}

fn socket() -> (TcpListener, String) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

#[test]
fn a_socket_is_used_for_the_address_that_it_listens_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let control = UnixListener::bind(&path).unwrap();
    let ((https, address), (status, status_address)) = (socket(), socket());
    let listen = format!(
        "https = [\"{address}\"]\nstatus = \"{status_address}\"\ncontrol = {path:?}\nworkers = 2"
    );
    let upstream = Upstream::ok();
    let config = Config::to(&upstream).listen(&listen);
    // Connected before there is a gateway.
    let early = std::net::TcpStream::connect(&address).unwrap();
    let given = vec![
        (OwnedFd::from(status), "ianitor.socket"),
        (OwnedFd::from(control), "ianitor.socket"),
        (OwnedFd::from(https), "ianitor.socket"),
    ];
    let mut gateway = with(given, &config);
    let dial = gateway.dial();
    assert_eq!(dial.addr.to_string(), address);
    let tls = dial.tls_over(early, dial.config(&["http/1.1"])).unwrap();
    let mut early = crate::harness::Client::new(tls);
    assert_eq!(early.get("/").status(), 200);
    // One worker accepts, and the others get their part.
    let open: Vec<_> = (0..40).map(|_| dial.h1()).collect();
    assert!(
        gateway
            .metrics()
            .contains("ianitor_connections_handed_over_total")
    );
    drop((open, early));
    gateway.upgrade();
    assert_eq!(dial.h1().get("/").status(), 200);
    assert_eq!(gateway.ended().code(), Some(0));
    // What systemd has made stays.
    assert!(path.exists());
}

#[test]
fn what_is_no_listening_socket_of_the_configuration_is_refused_by_its_name() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream);
    let file = || OwnedFd::from(File::open("/dev/null").unwrap());
    let connected = {
        let (socket, address) = socket();
        let stream = std::net::TcpStream::connect(address).unwrap();
        drop(socket);
        OwnedFd::from(stream)
    };
    let udp = OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
    let (foreign, address) = socket();
    for (descriptor, said) in [
        (
            file(),
            "descriptor 3 (web), which is \"/dev/null\"".to_owned(),
        ),
        (
            connected,
            "descriptor 3 (web), which is another socket".to_owned(),
        ),
        (
            udp,
            "descriptor 3 (web), which is another socket".to_owned(),
        ),
        (
            foreign.into(),
            format!("descriptor 3 (web), which listens on {address}"),
        ),
    ] {
        let mut gateway = with(vec![(descriptor, "web")], &config);
        assert_eq!(gateway.ended().code(), Some(78));
        gateway.event(&said);
    }
}

#[test]
fn closed_and_too_many_descriptors_are_refused() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream);
    for (count, said) in [
        ("1", "descriptor 3, which is closed"),
        (
            "100000",
            "LISTEN_FDS is \"100000\", and not a number up to 4096",
        ),
        (
            "many",
            "LISTEN_FDS is \"many\", and not a number up to 4096",
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
        command.env("LISTEN_FDS", count).env_remove("LISTEN_PID");
        let mut gateway = GatewayProcess::spawn_by(command, &config);
        assert_eq!(gateway.ended().code(), Some(78), "{count}");
        gateway.event(said);
    }
    for first in ["18446744073709551615", "2147483647", "-5", "three", ""] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
        command
            .envs([("LISTEN_FDS", "2"), ("LISTEN_FDS_FIRST_FD", first)])
            .env_remove("LISTEN_PID");
        let mut gateway = GatewayProcess::spawn_by(command, &config);
        assert_eq!(gateway.ended().code(), Some(78), "{first}");
        gateway.event(&format!("LISTEN_FDS_FIRST_FD is {first:?}, and not"));
    }
    // What is for another process is left alone.
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let mut gateway = GatewayProcess::spawn_by(command, &config);
    gateway.listening(1);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn systemd_can_start_it_by_a_socket() {
    let upstream = Upstream::ok();
    let (socket, address) = socket();
    drop(socket);
    let config = Config::to(&upstream).listen(&format!("https = [\"{address}\"]\nworkers = 2"));
    let mut command = Command::new("systemd-socket-activate");
    command
        .args(["--listen", &address, "--fdname", "https"])
        .arg(env!("CARGO_BIN_EXE_ianitor"));
    let gateway = GatewayProcess::spawn_by(command, &config);
    gateway.event("Listening on");
    let early = std::net::TcpStream::connect(&address).unwrap();
    let dial = gateway.dial();
    let tls = dial.tls_over(early, dial.config(&["http/1.1"])).unwrap();
    assert_eq!(crate::harness::Client::new(tls).get("/").status(), 200);
    gateway.upgrade();
    assert_eq!(dial.h1().get("/").status(), 200);
}
