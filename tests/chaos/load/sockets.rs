//! WebSockets: each stays open for as long as the load lasts, and each message has its answer.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::super::client::frames::{Frame, Frames};
use super::super::client::{PATIENCE, h1, h2};
use super::super::latency::Latency;
use super::super::report::Report;
use super::{Size, World, chance};

/// How many clients connect at a time in the beginning.
const AT_A_TIME: usize = 64;
/// WebSockets on one connection of HTTP/2.
const STREAMS: usize = 10;

/// What has become of WebSockets.
#[derive(Debug, Default)]
pub(crate) struct SocketCounts {
    opened: AtomicUsize,
    open: AtomicUsize,
    sent: AtomicUsize,
    answered: AtomicUsize,
    /// Those that were open and ended, and need not have.
    closed: AtomicUsize,
    /// Those of the real Janus that ended while it was down.
    with_server: AtomicUsize,
    /// Those that ended and need not have, by what was seen.
    lost: Mutex<BTreeMap<String, usize>>,
    latency: Latency,
}

/// What is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Echo,
    /// The same on a stream of HTTP/2.
    EchoOverH2,
    Janus,
    RealJanus,
}

pub(super) fn start(world: &Arc<World>, size: Size) -> Vec<JoinHandle<()>> {
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    let of = |count, peer| std::iter::repeat_n(peer, count);
    let peers = of(size.raw, Peer::Echo)
        .chain(of(size.streams, Peer::EchoOverH2))
        .chain(of(size.understood, Peer::Janus))
        .chain(of(size.real_janus, Peer::RealJanus));
    let mut shared = Arc::new(h2::Client::new(&world.door, 0));
    peers
        .enumerate()
        .map(|(number, peer)| {
            if number % STREAMS == 0 {
                shared = Arc::new(h2::Client::new(&world.door, number));
            }
            let plan = Plan {
                number,
                peer,
                shared: Arc::clone(&shared),
                lifetime: size.lifetime,
            };
            tokio::spawn(keep(Arc::clone(world), Arc::clone(&turns), plan))
        })
        .collect()
}

/// What a client with a WebSocket does.
#[derive(Debug)]
struct Plan {
    number: usize,
    peer: Peer,
    /// The connection of those on streams.
    shared: Arc<h2::Client>,
    lifetime: Option<Duration>,
}

/// Opens a WebSocket and talks; and opens another when its time is over, or when its server has
/// been down.
async fn keep(world: Arc<World>, turns: Arc<Semaphore>, plan: Plan) {
    let peer = plan.peer;
    while !world.is_stopped() {
        let begun = Instant::now();
        let counts = &world.sockets;
        let opened = {
            let _turn = turns.acquire().await;
            open(&world, &plan).await
        };
        let result = match opened {
            Ok(mut socket) => {
                counts.opened.fetch_add(1, Ordering::Relaxed);
                counts.open.fetch_add(1, Ordering::Relaxed);
                let result = socket.talk(plan.lifetime).await;
                counts.open.fetch_sub(1, Ordering::Relaxed);
                let is_closed = result.is_err() && peer != Peer::RealJanus;
                counts.closed.fetch_add(is_closed.into(), Ordering::Relaxed);
                result
            }
            Err(error) => Err(io::Error::other(format!("it did not open: {error}"))),
        };
        let Err(error) = result else { continue };
        if peer == Peer::RealJanus && world.outage.includes(begun) {
            counts.with_server.fetch_add(1, Ordering::Relaxed);
        } else {
            counts.lose(format!("{peer:?}: {error}"));
        }
        world.rest(10).await;
    }
}

/// An open WebSocket of a client.
struct Socket<'a> {
    world: &'a World,
    frames: Frames,
    peer: Peer,
    sent: u64,
    /// Session and handle at a Janus.
    ids: Value,
}

async fn open<'a>(world: &'a World, plan: &Plan) -> io::Result<Socket<'a>> {
    let peer = plan.peer;
    let frames = match peer {
        Peer::EchoOverH2 => {
            let opened = tokio::time::timeout(PATIENCE, plan.shared.websocket("/echo"));
            let stream = opened.await.map_err(|_| late())?;
            Frames::client(stream.map_err(io::Error::other)?, BytesMut::new())
        }
        _ => switch(world, plan).await?,
    };
    let mut socket = Socket {
        world,
        frames,
        peer,
        sent: 0,
        ids: json!({}),
    };
    match peer {
        Peer::Echo | Peer::EchoOverH2 => {}
        Peer::Janus => socket.attach().await?,
        // Keep-alives are of sessions alone.
        Peer::RealJanus => socket.make_session().await?,
    }
    Ok(socket)
}

fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// The handshake over HTTP/1.1.
async fn switch(world: &World, plan: &Plan) -> io::Result<Frames> {
    let (path, protocol) = match plan.peer {
        Peer::Echo | Peer::EchoOverH2 => ("/echo", ""),
        Peer::Janus => ("/ws", "Sec-WebSocket-Protocol: janus-protocol\r\n"),
        Peer::RealJanus => ("/real-ws", "Sec-WebSocket-Protocol: janus-protocol\r\n"),
    };
    let mut stream = world.door.h1(plan.number).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut buffer = BytesMut::new();
    let head = h1::read_head(&mut stream, &mut buffer);
    let head = tokio::time::timeout(PATIENCE, head)
        .await
        .map_err(|_| late())??;
    let status = head.map_or(0, |head| head.status);
    if status != 101 {
        return Err(io::Error::other(format!("status {status}")));
    }
    Ok(Frames::client(stream, buffer))
}

impl Socket<'_> {
    async fn make_session(&mut self) -> io::Result<()> {
        let made = self.ask(json!({"janus": "create"})).await?;
        self.ids["session_id"] = made["data"]["id"].clone();
        Ok(())
    }

    /// A session, and a handle of it.
    async fn attach(&mut self) -> io::Result<()> {
        self.make_session().await?;
        let plugin = "janus.plugin.videoroom";
        let made = self
            .ask(json!({"janus": "attach", "plugin": plugin}))
            .await?;
        self.ids["handle_id"] = made["data"]["id"].clone();
        Ok(())
    }

    /// Sends messages and waits for their answers, until the load stops.
    async fn talk(&mut self, lifetime: Option<Duration>) -> io::Result<()> {
        let opened = Instant::now();
        let lifetime = lifetime.map(|longest| longest.mul_f64(chance()));
        loop {
            self.pause().await?;
            let is_over = lifetime.is_some_and(|lifetime| opened.elapsed() > lifetime);
            if is_over || self.world.is_stopped() {
                return self.close().await;
            }
            let sent = Instant::now();
            let message = match self.peer {
                Peer::Echo | Peer::EchoOverH2 => json!({"echo": "this"}),
                Peer::Janus => json!({"janus": "message", "body": {"request": "configure"}}),
                Peer::RealJanus => json!({"janus": "keepalive"}),
            };
            self.ask(message).await?;
            self.world.sockets.latency.add(sent.elapsed());
        }
    }

    /// What answers a message: it has the same transaction.
    async fn ask(&mut self, mut message: Value) -> io::Result<Value> {
        self.sent += 1;
        let transaction = Value::from(format!("{}", self.sent));
        message["transaction"] = transaction.clone();
        for (name, value) in self.ids.as_object().into_iter().flatten() {
            message[name] = value.clone();
        }
        let counts = &self.world.sockets;
        counts.sent.fetch_add(1, Ordering::Relaxed);
        self.frames
            .send_text(message.to_string().as_bytes())
            .await?;
        let answer = async {
            loop {
                let text = self.text().await?;
                let answer: Value = serde_json::from_slice(&text).unwrap_or_default();
                if answer["transaction"] == transaction {
                    return io::Result::Ok(answer);
                }
            }
        };
        let late = |_| io::Error::other("a message was not answered");
        let answer = tokio::time::timeout(PATIENCE, answer)
            .await
            .map_err(late)??;
        if answer["janus"] == "error" {
            return Err(io::Error::other(format!("refused: {answer}")));
        }
        counts.answered.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    /// Listens while there is nothing to say.
    async fn pause(&mut self) -> io::Result<()> {
        let world = self.world;
        let rest = world.rest(40);
        tokio::pin!(rest);
        loop {
            tokio::select! {
                () = &mut rest => return Ok(()),
                frame = self.frames.next() => {
                    self.handle(frame?).await?;
                }
            }
            if world.is_stopped() {
                return Ok(());
            }
        }
    }

    async fn text(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let frame = self.frames.next().await?;
            if let Some(text) = self.handle(frame).await? {
                return Ok(text);
            }
        }
    }

    /// The text of a frame, if it is one.
    async fn handle(&mut self, frame: Frame) -> io::Result<Option<Vec<u8>>> {
        match frame {
            Frame::Text(text) => return Ok(Some(text)),
            Frame::Ping(payload) => self.frames.send_pong(&payload).await?,
            Frame::Pong => {}
            Frame::Close(code, reason) => {
                return Err(io::Error::other(format!("closed with {code} {reason:?}")));
            }
        }
        Ok(None)
    }

    /// Closes it as a browser does, and waits for the other side.
    async fn close(&mut self) -> io::Result<()> {
        self.frames.send_close(1000).await?;
        let closed = async {
            loop {
                if let Frame::Close(..) = self.frames.next().await? {
                    return io::Result::Ok(());
                }
            }
        };
        let late = |_| io::Error::other("its close was not answered");
        tokio::time::timeout(Duration::from_secs(20), closed)
            .await
            .map_err(late)?
    }
}

impl SocketCounts {
    /// How many are open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many were open and have ended that need not have.
    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }

    /// The same with those that could not be opened.
    pub(crate) fn lost(&self) -> usize {
        self.lost.lock().unwrap().values().sum()
    }

    /// One has ended; a reason that is new is shown at once.
    fn lose(&self, reason: String) {
        let mut lost = self.lost.lock().unwrap();
        if !lost.contains_key(&reason) {
            println!("    a WebSocket is lost, {reason}");
        }
        *lost.entry(reason).or_default() += 1;
    }

    /// Writes down what has become of them.
    pub(crate) fn judge(&self, report: &mut Report) {
        let get = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let (sent, answered) = (get(&self.sent), get(&self.answered));
        let with_server = get(&self.with_server);
        report.row(
            "WebSockets",
            format!(
                "{} opened, {with_server} ended with their server, {} lost",
                get(&self.opened),
                self.lost()
            ),
        );
        report.row(
            "their messages",
            format!("{sent} sent, {answered} answered"),
        );
        report.row("their answers", self.latency.take());
        for (reason, count) in self.lost.lock().unwrap().iter() {
            report.fail(format!("{count} × WebSocket lost, {reason}"));
        }
        // One message at a time on each: those that ended with their server took one with them.
        report.check(
            sent - answered <= with_server + self.lost(),
            format!("{} messages have no answer", sent - answered),
        );
    }
}
