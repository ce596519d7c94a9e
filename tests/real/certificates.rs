//! Certificates that are replaced under a running gateway, as certbot and operators do it.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::openssl::{Ca, Pair, shown_serial};
use crate::support::wire::Upstream;
use crate::support::wire::h1::Client;
use crate::support::wire::upstream::Conn;
use crate::support::wire::websocket::{Frame, TEXT, handshake, switching};
use crate::support::{Folder, Gateway, free_ports, until};

/// A gateway with the files `live.pem` and `live.key`, and a WebSocket that is open through it.
struct World {
    /// Closed first, or the gateway would wait for it.
    socket: Client,
    gateway: Gateway,
    folder: Folder,
    ca: Ca,
    live: Pair,
    _upstream: Upstream,
}

impl World {
    fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        let ca = Ca::new(&folder, "test-ca");
        let live = ca.issue(&folder, "live", "localhost", 60);
        let upstream = Upstream::raw(echo);
        let [https] = free_ports();
        let tls = format!(
            "certificates = [{{ cert = \"{}\", key = \"{}\" }}]",
            live.cert.display(),
            live.key.display()
        );
        let tables = format!(
            "[upstreams.app]\nservers = [\"{}\"]\n[[routes]]\npath = \"/\"\nupstream = \"app\"\n\
             policy = \"open\"\n",
            upstream.url()
        );
        let gateway = Gateway::start_on(&folder, https, "", &tls, &tables);
        let mut socket = gateway.dial_trusting(&ca.cert).h1();
        socket.send(handshake("/ws", ""));
        assert_eq!(socket.head().status(), 101);
        Self {
            folder,
            ca,
            live,
            gateway,
            socket,
            _upstream: upstream,
        }
    }

    /// Another certificate, in files of its own.
    fn renewed(&self, file: &str, days: u32) -> Pair {
        self.ca.issue(&self.folder, file, "localhost", days)
    }

    #[track_caller]
    fn shows(&self, serial: &str) {
        until("the certificate is shown", || {
            shown_serial(self.gateway.https, "localhost").as_deref() == Some(serial)
        });
    }

    #[track_caller]
    fn the_socket_is_open(&mut self) {
        self.socket
            .send(Frame::from_client(TEXT, "still there?").bytes());
        assert_eq!(
            self.socket.wire.frame().unwrap(),
            Frame::from_server(TEXT, "still there?")
        );
    }

    /// How many attempts to take certificates up have had this result.
    fn reloads(&self, result: &str) -> u64 {
        self.gateway
            .metrics()
            .sum("ianitor_reloads_total", &[("result", result)])
    }
}

fn echo(conn: &mut Conn) -> std::io::Result<()> {
    conn.head()?;
    conn.send(switching(""))?;
    loop {
        let frame = conn.wire.frame()?;
        conn.send(Frame::from_server(frame.opcode, frame.payload).bytes())?;
    }
}

/// In the place of a file, at once.
fn rename(from: &PathBuf, to: &PathBuf) {
    fs::rename(from, to).unwrap();
}

/// Into the file that is there.
fn overwrite(from: &PathBuf, to: &PathBuf) {
    fs::write(to, fs::read(from).unwrap()).unwrap();
}

#[test]
fn replaced_certificates_are_taken_up_and_nobody_notices() {
    let mut world = World::start("replaced-certificates");
    let first = world.live.serial();
    world.shows(&first);
    for (name, replace) in [
        ("renamed", rename as fn(&PathBuf, &PathBuf)),
        ("overwritten", overwrite),
    ] {
        let new = world.renewed(name, 60);
        let serial = new.serial();
        assert_ne!(serial, world.live.serial());
        replace(&new.key, &world.live.key);
        replace(&new.cert, &world.live.cert);
        world.shows(&serial);
        world.the_socket_is_open();
        assert_eq!(
            world
                .gateway
                .dial_trusting(&world.ca.cert)
                .h2()
                .get("/.ianitor/none")
                .status,
            404,
            "{name}"
        );
    }
    // Of a pair, one file may have been seen without the other: then that look has failed, and the
    // next has not.
    world
        .gateway
        .counts("ianitor_last_reload_successful", &[], 1);
    assert!(world.reloads("ok") >= 2);
    assert!(!world.gateway.lines("loaded from disk").is_empty());
}

#[test]
fn broken_certificates_are_not_taken_up() {
    let mut world = World::start("broken-certificates");
    let serial = world.live.serial();
    let (cert, key) = (world.live.cert.clone(), world.live.key.clone());
    let (good_cert, other) = (fs::read(&cert).unwrap(), world.renewed("other", 60));
    let half = good_cert[..good_cert.len() / 2].to_vec();
    let mut seen = 0;
    for (broken, file, says) in [
        (half, &cert, "is damaged"),
        (fs::read(&other.cert).unwrap(), &key, "is not the key"),
        (Vec::new(), &cert, ""),
    ] {
        let failed = world.reloads("failed");
        fs::write(&cert, &broken).unwrap();
        until("it has been looked at", || world.reloads("failed") > failed);
        let lines = || world.gateway.lines("cannot be used; what was read of");
        // The line is written by a thread of its own, a moment after the reload.
        let known = seen;
        until("a line says so", || lines().len() > known);
        let lines = lines();
        seen = lines.len();
        let line = lines.last().unwrap();
        assert!(
            line.contains(&*file.to_string_lossy())
                && line.contains(says)
                && line.contains("ERROR"),
            "{line}"
        );
        world
            .gateway
            .counts("ianitor_last_reload_successful", &[], 0);
        world.shows(&serial);
        world.the_socket_is_open();
    }
    fs::write(&cert, &good_cert).unwrap();
    world
        .gateway
        .counts("ianitor_last_reload_successful", &[], 1);
    world.shows(&serial);
}

#[test]
fn a_certificate_that_ends_soon_is_warned_about() {
    let world = World::start("ending-certificate");
    assert!(world.gateway.lines("renew it").is_empty());
    let new = world.renewed("ending", 5);
    rename(&new.key, &world.live.key);
    rename(&new.cert, &world.live.cert);
    until("there is a warning", || {
        !world.gateway.lines("renew it").is_empty()
    });
    let line = world.gateway.lines("renew it").remove(0);
    assert!(
        line.contains("WARN") && line.contains(&*world.live.cert.to_string_lossy()),
        "{line}"
    );
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    // The warning comes before the certificate is in use.
    until("the metric says when it ends", || {
        let name = [("name", "localhost")];
        let ends = world
            .gateway
            .metrics()
            .sum("ianitor_certificate_expiry_timestamp_seconds", &name);
        ends > now && ends < now + 6 * 86_400
    });
}
