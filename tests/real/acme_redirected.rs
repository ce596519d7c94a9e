//! A balancer in front of port 80 that sends everything to https, the CA too.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::support::pebble::{Options, Pebble};
use crate::support::site::{Site, hosts};
use crate::support::wire::message::Wire;
use crate::support::{Folder, free_ports, until};

/// Sends every request to the same host at another port; says where it listens and how many it has
/// sent there.
fn redirecting(to: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, sent) = (
        listener.local_addr().unwrap().port(),
        Arc::new(AtomicUsize::new(0)),
    );
    let count = Arc::clone(&sent);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut wire = Wire::new(stream.unwrap());
            let Ok(Some(head)) = wire.head() else {
                continue;
            };
            let host = head.get("host").unwrap().split(':').next().unwrap();
            let location = format!("https://{host}:{to}{}", head.target());
            count.fetch_add(1, Ordering::SeqCst);
            // A CA that is ended with its test does not read it.
            let _ = wire.send(format!(
                "HTTP/1.1 301 Moved Permanently\r\nLocation: {location}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            ));
        }
    });
    (port, sent)
}

#[test]
fn the_first_certificate_comes_though_port_80_redirects_to_https() {
    let folder = Folder::new("acme-redirected");
    let site = Site::new(&folder);
    let (port, sent) = redirecting(site.https);
    let [nowhere] = free_ports();
    let pebble = Pebble::start(&folder, Options::at([port, nowhere]));
    let root = pebble.root(&folder);
    let challenges = "placeholder = false\nchallenges = [\"http-01\"]";
    let gateway = site.start(
        &folder,
        &pebble.directory(),
        &hosts(&["a.test", "b.test"]),
        challenges,
    );
    site.comes(&gateway, &root, "a.test");
    site.comes(&gateway, &root, "b.test");
    assert!(sent.load(Ordering::SeqCst) >= 2);
    assert!(
        gateway.lines("\"ERROR\"").is_empty(),
        "{:?}",
        gateway.lines("\"ERROR\"")
    );
    gateway.counts(
        "ianitor_tls_handshakes_total",
        &[("outcome", "validation")],
        sent.load(Ordering::SeqCst) as u64,
    );
    until("it is ready", || gateway.asks("/readyz").0 == 200);
}
