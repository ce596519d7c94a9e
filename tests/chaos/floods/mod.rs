//! Clients that only want to do harm, many at a time, and beside them two that behave: one keeps
//! its connection, the other opens a new one for each request. The first must be served within a
//! second, 99 times of 100; of the others half, and nearly all at some time.

mod h2;
mod sockets;
mod well_behaved;

use std::io::{self, Read as _, Write as _};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::gateway::Gateway;
use super::report::Report;
use super::support::wire::load::StopOnDrop;
use super::support::wire::tls::TlsStream;
use super::support::wire::upstream::Conn;
use super::support::wire::websocket::{Frame, TEXT, handshake, switching};
use super::support::wire::{Client, Dial, Upstream};
use super::support::{Folder, free_ports};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use well_behaved::WellBehaved;

/// How long a well-behaved client may wait, 99 times of 100.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the gateway may have in memory, in MiB.
const MEMORY: f64 = 512.0;

/// How long a flood goes on.
const LONG: Duration = Duration::from_secs(3);

/// A flood by name. It returns what it has come to.
type Flood = (&'static str, fn(&Dial) -> String);

const FLOODS: [Flood; 10] = [
    ("nothing", |_| {
        thread::sleep(LONG);
        String::new()
    }),
    ("18,000 silent connections", sockets::silent),
    ("5,000 half handshakes", sockets::half),
    ("rapid reset", h2::rapid_reset),
    ("CONTINUATION", h2::continuation),
    ("HPACK bombs", h2::hpack_bombs),
    ("SETTINGS and PING", h2::settings_and_pings),
    ("100,000 tiny frames", tiny_frames),
    ("slow POST, 2,000 clients", |dial| {
        slow(dial, &["-B", "-x", "24"])
    }),
    ("slow read, 2,000 clients", |dial| {
        slow(dial, &["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32"])
    }),
];

/// Runs the floods one after the other.
pub(crate) fn run(report: &mut Report) {
    let upstream = Upstream::raw(serve);
    let text = format!(
        "[listen]\nhttps = [\"127.0.0.1:{{HTTPS}}\"]\nstatus = \"127.0.0.1:{{STATUS}}\"\n\
         workers = 2\n[tls]\nself_signed = [\"localhost\"]\n\
         [upstreams.app]\nservers = [\"{}\"]\n\
         [[routes]]\npath = \"/\"\nupstream = \"app\"\npolicy = \"open\"\n",
        upstream.url()
    );
    let mut gateway = Gateway::start(Folder::new("floods"), free_ports(), &text);
    let mut roots = RootCertStore::empty();
    let ca = gateway.folder.join("certs/ca.pem");
    roots
        .add(CertificateDer::from_pem_file(ca).unwrap())
        .unwrap();
    let dial = Dial::new(([127, 0, 0, 1], gateway.https).into(), roots);
    report.head(&[
        "flood",
        "99 % of kept",
        "99 % of new",
        "rejected",
        "memory",
        "came to",
    ]);
    for (name, flood) in FLOODS {
        println!("    {name}");
        one(report, &gateway, &dial, (name, flood));
    }
    gateway.stop();
}

/// Echoes the frames of tunnels; `/large` is more than any buffer.
fn serve(conn: &mut Conn) -> io::Result<()> {
    while let Some(request) = conn.request()? {
        if request.head.get("upgrade").is_some() {
            conn.send(switching(""))?;
            loop {
                let frame = conn.wire.frame()?;
                let echo = Frame {
                    mask: None,
                    ..frame
                };
                conn.send(echo.bytes())?;
            }
        }
        let body = "x".repeat(if request.head.target() == "/large" {
            1 << 20
        } else {
            2
        });
        let length = body.len();
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
        ))?;
    }
    Ok(())
}

fn one(report: &mut Report, gateway: &Gateway, dial: &Dial, (name, flood): Flood) {
    let clients = WellBehaved::start(dial);
    let (is_over, most) = (AtomicBool::new(false), AtomicUsize::new(0));
    let came_to = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                most.fetch_max(gateway.usage().memory, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(200));
            }
        });
        let _stop = StopOnDrop(&is_over);
        flood(dial)
    });
    let seen = clients.stop();
    let mib = most.into_inner() as f64 / 1024.0;
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let of_new = format!("{} of {}", seen.rejected, seen.new.count + seen.rejected);
    let (kept, new) = (ms(seen.kept.p99), ms(seen.new.p99));
    report.cells(&[
        &name,
        &kept,
        &new,
        &of_new,
        &format!("{mib:.0} MiB"),
        &came_to,
    ]);
    let kept_is_served = seen.kept.count > 0 && seen.kept.p99 < PATIENCE;
    report.check(
        kept_is_served,
        format!("{name}: a kept connection: {}", seen.kept),
    );
    // Where a flood is one of connections, a new one may have to wait in the queue of the kernel,
    // and comes again if that is full.
    let new_is_served = seen.new.count > 0 && seen.new.p50 < PATIENCE;
    report.check(
        new_is_served,
        format!("{name}: new connections: {}", seen.new),
    );
    report.check(seen.broken == 0, format!("{name}: a kept connection broke"));
    let most_rejected = (seen.new.count + seen.rejected) / 20;
    report.check(
        seen.rejected <= most_rejected,
        format!("{name}: rejected: {of_new}"),
    );
    report.check(mib < MEMORY, format!("{name}: {mib:.0} MiB"));
}

/// 100,000 messages of one byte, which all come back.
fn tiny_frames(dial: &Dial) -> String {
    const FRAMES: usize = 100_000;
    let mut client: Client<TlsStream> = dial.h1();
    client.send(handshake("/ws", ""));
    assert_eq!(client.head().status(), 101);
    let mut writer = client.wire.stream.clone();
    let thousand = Frame::from_client(TEXT, "x").bytes().repeat(1000);
    let writing =
        thread::spawn(move || (0..FRAMES / 1000).try_for_each(|_| writer.write_all(&thousand)));
    // A frame from the server has three bytes here.
    let (mut back, mut buffer) = (0, vec![0; 64 << 10]);
    while back < 3 * FRAMES {
        match client.wire.stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => back += read,
        }
    }
    let is_sent = writing.join().unwrap().is_ok();
    format!("sent: {is_sent}, {} came back", back / 3)
}

/// Slow clients as slowhttptest has them.
fn slow(dial: &Dial, words: &[&str]) -> String {
    let port = dial.addr.port();
    let mut command = Command::new("slowhttptest");
    command.args([
        "-c", "2000", "-r", "2000", "-i", "1", "-l", "6", "-p", "3", "-k", "1",
    ]);
    command
        .args(words)
        .args(["-u", &format!("https://localhost:{port}/large")]);
    let output = command.output().expect("slowhttptest is a package");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text
        .lines()
        .rev()
        .find(|line| line.contains("Exit status:"));
    said.map_or(format!("{}", output.status), |line| {
        // It writes in colours, terminal or not.
        let coloured = line.split_once("\u{1b}[1;36m").map(|(_, said)| said);
        coloured.unwrap_or(line).trim().to_owned()
    })
}

/// Runs something on several connections at once, for as long as a flood goes on; the sum of what
/// they have come to.
fn on_several(count: usize, run: impl Fn(&AtomicBool) -> usize + Send + Sync + 'static) -> usize {
    let (is_over, run) = (Arc::new(AtomicBool::new(false)), Arc::new(run));
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let (is_over, run) = (Arc::clone(&is_over), Arc::clone(&run));
            thread::spawn(move || run(&is_over))
        })
        .collect();
    thread::sleep(LONG);
    is_over.store(true, Ordering::Relaxed);
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum()
}
