//! Clients that are far away, on a connection that loses packets, through a reload and an upgrade.
//!
//! Kernels without `netem` can neither delay nor drop, so the way between clients and gateway is
//! here: each piece of bytes comes 50 ms later in either direction, and of one in fifty, and of all
//! behind it, TCP has to send it again first, after its shortest timeout.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::client::Door;
use super::gateway::Gateway;
use super::ledger::Ledger;
use super::load::{Load, Size, World, chance};
use super::report::Report;
use super::setup::Setup;
use super::support::{Folder, free_ports};
use super::threads::Threads;

const DELAY: Duration = Duration::from_millis(50);
const LOSS: f64 = 0.02;
/// The shortest time after which Linux sends a packet again.
const SENT_AGAIN: Duration = Duration::from_millis(200);
const SIZE: Size = Size {
    h1: 30,
    h2: 6,
    few: 2,
    polls: 30,
    raw: 200,
    streams: 40,
    understood: 200,
    lifetime: None,
    real_janus: 0,
    pause: Duration::from_millis(100),
};
const STEP: Duration = Duration::from_secs(2);

/// The case.
pub(crate) fn run(report: &mut Report) {
    let threads = Threads::start();
    let ledger = Arc::<Ledger>::default();
    let setup = Setup::new(&threads, &ledger);
    let mut gateway = Gateway::start(Folder::new("link"), free_ports(), &setup.text(0));
    let way = threads.servers.block_on(start(gateway.https));
    let door = Door::new(way, &gateway.folder.join("certs/ca.pem"));
    let world = World::new(&door, &ledger, SIZE.pause);
    let load = Load::start(&threads, &world, SIZE);
    for (number, command) in ["reload", "upgrade", "reload", "upgrade"]
        .iter()
        .enumerate()
    {
        thread::sleep(STEP);
        gateway.write(&setup.text(u32::try_from(number).unwrap() + 1));
        gateway.must(report, command, true);
    }
    thread::sleep(STEP);
    load.stop(&threads);
    gateway.stop();
    report.row("reloads, upgrades", "2, 2");
    ledger.judge(report);
    world.sockets.judge(report);
    report.row("answers that come at once", ledger.prompt.take());
}

/// Where clients connect instead.
async fn start(gateway: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, gateway)).await else {
                    return;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::join!(carry(from_client, to_server), carry(from_server, to_client));
            });
        }
    });
    port
}

/// One direction. Its end comes as late as all else.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let read = async move {
        loop {
            let mut piece = vec![0; 1400];
            let length = from.read(&mut piece).await.unwrap_or(0);
            piece.truncate(length);
            let lost = chance() < LOSS;
            let due = Instant::now() + DELAY + if lost { SENT_AGAIN } else { Duration::ZERO };
            if sender.send((due, piece)).is_err() || length == 0 {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            let is_end = piece.is_empty();
            if is_end || to.write_all(&piece).await.is_err() {
                break;
            }
        }
        // The other side may be gone already.
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
