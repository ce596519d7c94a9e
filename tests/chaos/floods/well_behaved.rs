//! Two clients that behave, and what they see.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::super::latency::{Latency, Summary};
use super::super::support::wire::{Client, Dial};

/// The clients, while they run.
#[derive(Debug)]
pub(super) struct WellBehaved {
    shared: Arc<Shared>,
    threads: [JoinHandle<()>; 2],
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    kept: Latency,
    new: Latency,
    broken: AtomicUsize,
    rejected: AtomicUsize,
}

/// What they have seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Requests on the kept connection.
    pub(super) kept: Summary,
    /// Requests with a connection of their own, its handshake included.
    pub(super) new: Summary,
    /// How often the kept connection broke.
    pub(super) broken: usize,
    /// New connections that were not served.
    pub(super) rejected: usize,
}

impl WellBehaved {
    pub(super) fn start(dial: &Dial) -> Self {
        let shared = Arc::<Shared>::default();
        let kept = {
            let (shared, dial) = (Arc::clone(&shared), dial.clone());
            thread::spawn(move || keep(&shared, &dial))
        };
        let new = {
            let (shared, dial) = (Arc::clone(&shared), dial.clone());
            thread::spawn(move || come_anew(&shared, &dial))
        };
        Self {
            shared,
            threads: [kept, new],
        }
    }

    pub(super) fn stop(self) -> Seen {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        Seen {
            kept: self.shared.kept.take(),
            new: self.shared.new.take(),
            broken: self.shared.broken.load(Ordering::Relaxed),
            rejected: self.shared.rejected.load(Ordering::Relaxed),
        }
    }
}

fn keep(shared: &Shared, dial: &Dial) {
    let mut client = dial.h1();
    while !shared.is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        match ask(&mut client) {
            Ok(()) => shared.kept.add(begun.elapsed()),
            Err(_) => {
                shared.broken.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn come_anew(shared: &Shared, dial: &Dial) {
    let config = dial.config(&["http/1.1"]);
    while !shared.is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let opened = dial.tls_over(dial.tcp(), Arc::clone(&config));
        match opened.and_then(|stream| ask(&mut Client::new(stream))) {
            Ok(()) => shared.new.add(begun.elapsed()),
            Err(_) => _ = shared.rejected.fetch_add(1, Ordering::Relaxed),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn ask(client: &mut Client) -> io::Result<()> {
    client
        .wire
        .send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    match client.try_answer()?.status() {
        200 => Ok(()),
        other => Err(io::Error::other(format!("status {other}"))),
    }
}
