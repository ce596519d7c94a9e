mod pace;
mod tokens;

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::oneshot;

use super::*;
use crate::addr::ClientAddr;
use crate::limits::Rate;
use crate::registry::Registry;
use crate::signalling::document::{SyntaxError, Value};
use crate::signalling::owners::{self, Owner, Owners};
use crate::signalling::{Backend, MessageToken, Protocol, RejectedToken, RenewalFault};
use crate::telemetry::access::AccessSink;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::request_id::RequestIds;
use crate::tick::TICK;
use crate::tunnel::messages::{Reader, Writer};
use crate::tunnel::{Grant, TokenVerifier, TunnelKey, Verification};

/// Refuses documents with the member `no`, which counts unless they have `ended`, closes at one
/// with `end`, and marks the others.
#[derive(Debug)]
struct Marker;

impl Inspector for Marker {
    fn inspect<'m>(
        &mut self,
        direction: Direction,
        document: Value<'m>,
        context: &crate::signalling::Context<'_>,
    ) -> Verdict<'m> {
        let has = |name| document.object().is_some_and(|it| it.get(name).is_some());
        match direction {
            Direction::ToClient => Verdict::Forward(document.raw().into()),
            Direction::ToServer if has("end") => Verdict::Close("the end"),
            Direction::ToServer if has("no") => Verdict::Answer {
                text: "\"no\"".to_owned(),
                reason: Box::from("no"),
                is_counted: !has("ended"),
            },
            Direction::ToServer => match context.token {
                MessageToken::Rejected(token) => Verdict::Answer {
                    text: format!("\"{}\"", token.detail),
                    reason: token.detail.clone(),
                    is_counted: true,
                },
                MessageToken::Accepted => Verdict::Forward(format!("*{}", document.raw()).into()),
                MessageToken::Absent => Verdict::Forward(format!("+{}", document.raw()).into()),
            },
        }
    }

    fn recheck(&mut self, _: &crate::signalling::Context<'_>) -> Result<(), &'static str> {
        Err("a room was taken away")
    }

    fn unreadable(&self, _: SyntaxError, _: &crate::signalling::Context<'_>) -> Verdict<'static> {
        Verdict::Answer {
            text: "\"unreadable\"".to_owned(),
            reason: Box::from("unreadable"),
            is_counted: true,
        }
    }
}

/// Decides about tokens by their signatures: `good`, `bad`, or `slow`, which a test settles.
#[derive(Debug, Default)]
struct Verifier {
    pending: RefCell<Vec<oneshot::Sender<TokenResult>>>,
}

impl TokenVerifier for Verifier {
    fn present(self: Rc<Self>, _: &Rc<TunnelControl>, token: &str) -> Verification {
        let Some((_, name @ ("good" | "bad"))) = token.rsplit_once('.') else {
            let (settle, settled) = oneshot::channel();
            self.pending.borrow_mut().push(settle);
            return Verification::Waits(Box::pin(async { settled.await.unwrap() }));
        };
        Verification::Settled(if name == "good" {
            Ok(())
        } else {
            Err(rejected(name))
        })
    }
}

fn rejected(detail: &str) -> RejectedToken {
    RejectedToken {
        fault: RenewalFault::NotAccepted,
        detail: detail.into(),
    }
}

/// One end of a WebSocket as a client or a server has it.
struct Peer {
    socket: DuplexStream,
    reader: Reader,
    writer: Writer,
}

impl Peer {
    fn new(role: Role, socket: DuplexStream) -> Self {
        let other = match role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        Self {
            socket,
            reader: Reader::new(other, 1 << 20),
            writer: Writer(role),
        }
    }

    async fn send(&mut self, text: &str) {
        let mut out = Vec::new();
        self.writer.text(text, &mut out);
        self.socket.write_all(&out).await.unwrap();
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let (mut out, reason) = (Vec::new(), reason.into());
        self.writer.close(Some(&Closed { code, reason }), &mut out);
        self.socket.write_all(&out).await.unwrap();
    }

    /// The next event, or `end` without one.
    async fn next(&mut self) -> String {
        loop {
            let mut byte = [0];
            if self.socket.read(&mut byte).await.unwrap_or(0) == 0 {
                return "end".to_owned();
            }
            match self.reader.next(&mut &mut byte[..]).unwrap() {
                None => {}
                Some(Event::Text(text)) => return text.into_owned(),
                Some(Event::Ping(payload)) => {
                    return format!("ping {}", String::from_utf8_lossy(&payload));
                }
                Some(Event::Pong) => return "pong".to_owned(),
                Some(Event::Close(None)) => return "close".to_owned(),
                Some(Event::Close(Some(closed))) => {
                    return format!("close {} {}", closed.code, closed.reason);
                }
            }
        }
    }
}

struct Setup {
    client: Peer,
    server: Peer,
    control: Rc<TunnelControl>,
    verifier: Rc<Verifier>,
    ticks: Rc<Ticks>,
    task: tokio::task::JoinHandle<()>,
}

fn grant() -> Grant {
    let owners = Owners::new(owners::Limits::default());
    Grant {
        permit: None,
        backend: Some(Arc::new(Backend::new(Protocol::Janus, owners))),
    }
}

/// A tunnel whose sockets hold this many bytes.
fn setup(room: usize) -> Setup {
    setup_at(room, None)
}

/// The same for a client that may send at this rate.
#[expect(clippy::disallowed_methods, reason = "a test has no list of tasks")]
fn setup_at(room: usize, message_rate: Option<Rate>) -> Setup {
    let (client, client_end) = duplex(room);
    let (server, server_end) = duplex(room);
    let ticks = Ticks::new();
    let address = ClientAddr::new("192.0.2.1".parse().unwrap());
    let sink = AccessSink::new(None, WorkerMetrics::new());
    let exchange = Exchange::begin(RequestIds::new().next(), address, &sink, || {
        panic!("there will be no line")
    });
    let key = TunnelKey::Passthrough {
        sni: "example.com".parse().unwrap(),
        to: "http://127.0.0.1:1".parse().unwrap(),
    };
    let control = TunnelControl::new(key, address, grant());
    let registered = Registry::new().enter(Rc::clone(&control));
    let refusals = Rate::new(3, Duration::from_secs(3600));
    let verifier = Rc::new(Verifier::default());
    let judge = Judge::new(
        (Marker, ()),
        Rc::<Verifier>::clone(&verifier),
        Owner::of_connection(1),
        1000,
        (refusals, message_rate),
    );
    let tunnel = Understood::new(
        (client_end, Bytes::new()),
        (server_end, Bytes::new()),
        Box::new(judge),
        registered,
        exchange,
        Rc::clone(&ticks),
        (),
    );
    Setup {
        client: Peer::new(Role::Client, client),
        server: Peer::new(Role::Server, server),
        control,
        verifier,
        ticks,
        task: tokio::task::spawn_local(tunnel),
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

#[test]
fn messages_are_judged_one_by_one_and_in_order() {
    run(async {
        let mut on = setup(1 << 16);
        on.client.send(r#"{"a":1}{"no":1} {"b":2}"#).await;
        on.client.send("{\"a\":1").await;
        on.client.send("[3]").await;
        assert_eq!(on.server.next().await, r#"+{"a":1}"#);
        assert_eq!(on.server.next().await, r#"+{"b":2}"#);
        assert_eq!(on.server.next().await, "+[3]");
        assert_eq!(on.client.next().await, "\"no\"");
        assert_eq!(on.client.next().await, "\"unreadable\"");
        on.server.send(r#"{"no":"but the server may"}"#).await;
        on.server.send("whatever it says").await;
        assert_eq!(on.client.next().await, r#"{"no":"but the server may"}"#);
        assert_eq!(on.client.next().await, "whatever it says");
    });
}

#[test]
fn closes_are_carried_over_both_ways() {
    run(async {
        let mut on = setup(1 << 16);
        on.client.close(4001, "bye").await;
        assert_eq!(on.server.next().await, "close 4001 bye");
        on.server.close(4002, "and you").await;
        assert_eq!(on.client.next().await, "close 4002 and you");
        assert_eq!(
            (on.client.next().await, on.server.next().await),
            ("end".into(), "end".into())
        );
        on.task.await.unwrap();

        let mut on = setup(1 << 16);
        on.server.close(1001, "restart").await;
        assert_eq!(on.client.next().await, "close 1001 restart");
        on.client.close(1001, "").await;
        assert_eq!(on.server.next().await, "close 1001 ");
        on.task.await.unwrap();
    });
}

#[test]
fn what_cannot_be_read_closes_both_sides() {
    run(async {
        let mut on = setup(1 << 16);
        on.client
            .socket
            .write_all(&[0x82, 0x81, 0, 0, 0, 0, b'x'])
            .await
            .unwrap();
        let closed = on.client.next().await;
        assert_eq!(closed, "close 1003 only text messages are accepted");
        assert!(on.server.next().await.starts_with("close 1001 "));

        let mut on = setup(1 << 16);
        on.client.send(&"x".repeat(1001)).await;
        assert_eq!(
            on.client.next().await,
            "close 1009 the message is too large"
        );

        let mut on = setup(1 << 16);
        on.server
            .socket
            .write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x'])
            .await
            .unwrap();
        assert_eq!(on.server.next().await, "close 1002 protocol error");
        assert!(on.client.next().await.starts_with("close 1014 "));
    });
}

#[test]
fn a_client_that_goes_on_to_send_what_cannot_be_read_sees_why_it_is_closed() {
    run(async {
        let mut on = setup(1 << 16);
        on.client.send(&"x".repeat(1001)).await;
        on.client.socket.write_all(&[0; 1 << 18]).await.unwrap();
        assert_eq!(
            on.client.next().await,
            "close 1009 the message is too large"
        );
        assert_eq!(on.client.next().await, "end");
    });
}

#[test]
fn a_server_may_say_more_than_a_client() {
    run(async {
        let mut on = setup(1 << 16);
        let long = format!("\"{}\"", "x".repeat(5000));
        on.server.send(&long).await;
        assert_eq!(on.client.next().await, long);
        on.client.send(&long).await;
        assert!(on.client.next().await.starts_with("close 1009 "));
    });
}

#[test]
fn the_gateway_and_the_inspector_close_with_1008() {
    run(async {
        let mut on = setup(1 << 16);
        on.control.close(CloseReason::by_policy("token expired"));
        assert_eq!(on.client.next().await, "close 1008 token expired");
        assert_eq!(on.server.next().await, "close 1008 token expired");

        let mut on = setup(1 << 16);
        on.client.send(r#"{"end":1}{"after":1}"#).await;
        assert_eq!(on.client.next().await, "close 1008 the end");
        assert_eq!(on.server.next().await, "close 1008 the end");

        let mut on = setup(1 << 16);
        on.control.replace(grant());
        assert_eq!(on.client.next().await, "close 1008 a room was taken away");

        let mut on = setup(1 << 16);
        for message in [r#"{"no":1,"ended":1}"#, r#"{"no":1}"#] {
            for _ in 0..4 {
                on.client.send(message).await;
            }
        }
        for _ in 0..8 {
            assert_eq!(on.client.next().await, "\"no\"");
        }
        assert_eq!(
            on.client.next().await,
            "close 1008 too many messages were refused"
        );
    });
}

#[test]
fn pings_are_answered_on_both_sides_and_sent_to_both() {
    run(async {
        let mut on = setup(1 << 16);
        let mut ping = Vec::new();
        on.client.writer.ping(&mut ping);
        on.client.socket.write_all(&ping).await.unwrap();
        assert_eq!(on.client.next().await, "pong");
        on.server
            .socket
            .write_all(&[0x89, 2, b'h', b'i'])
            .await
            .unwrap();
        assert_eq!(on.server.next().await, "pong");
        let beat = |times: u32| {
            let ticks = Rc::clone(&on.ticks);
            async move {
                for _ in 0..times * (HEARTBEAT.as_millis() / TICK.as_millis() + 1) as u32 {
                    ticks.advance();
                    tokio::task::yield_now().await;
                }
            }
        };
        beat(2).await;
        assert_eq!(on.client.next().await, "ping ");
        assert_eq!(on.server.next().await, "ping ");
        // The client answers, the server does not.
        let mut pong = Vec::new();
        on.client.writer.pong(b"", &mut pong);
        on.client.socket.write_all(&pong).await.unwrap();
        beat(1).await;
        assert_eq!(on.client.next().await, "close 1001 no answer to a ping");
    });
}

#[test]
fn a_side_that_does_not_read_stops_the_other_and_nothing_grows() {
    run(async {
        let mut on = setup(256);
        let message = format!("\"{}\"", "x".repeat(500));
        let mut sent = 0;
        // The client reads nothing: the server cannot send for ever.
        loop {
            let stalled = async {
                for _ in 0..1000 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                biased;
                () = on.server.send(&message) => {}
                () = stalled => break,
            }
            sent += 1;
            assert!(sent < 50);
        }
        assert!(sent >= 1);
    });
}

#[test]
fn an_end_without_a_close_frame_ends_the_other_side_after_what_it_was_sent() {
    run(async {
        let mut on = setup(1 << 16);
        on.client.send("1").await;
        on.client.socket.shutdown().await.unwrap();
        assert_eq!(on.server.next().await, "+1");
        assert_eq!(on.server.next().await, "end");
        on.server.send("\"still there\"").await;
        assert_eq!(on.client.next().await, "\"still there\"");
        on.server.socket.shutdown().await.unwrap();
        assert_eq!(on.client.next().await, "end");
        on.task.await.unwrap();
    });
}

#[test]
fn a_client_whose_server_ends_without_a_close_frame_gets_one() {
    run(async {
        let mut on = setup(1 << 16);
        on.server.send("\"last\"").await;
        on.server.socket.shutdown().await.unwrap();
        assert_eq!(on.client.next().await, "\"last\"");
        let closed = "close 1001 the server has ended the connection";
        assert_eq!(on.client.next().await, closed);
        assert_eq!(on.client.next().await, "end");
        on.client.close(1001, "").await;
        on.task.await.unwrap();
    });
}
