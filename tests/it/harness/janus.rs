//! A server that answers on WebSockets and over HTTP as Janus 1.1.2 does, and a client of it. What
//! Janus answers is in the field notes; nothing here judges anything.

mod rest;

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::message::Wire;
use super::websocket::{CLOSE, Frame, PING, TEXT, handshake};
use super::{Client, TestGateway, Upstream};

/// The server.
pub(crate) struct Janus {
    pub(crate) upstream: Upstream,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    received: Mutex<Vec<String>>,
    sessions: Mutex<HashSet<i64>>,
    last_id: AtomicI64,
    /// `api_secret`.
    secret: Mutex<Option<&'static str>>,
    answers_polls: AtomicBool,
}

impl Janus {
    pub(crate) fn new() -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let upstream = Upstream::raw(move |conn| {
            let Some(request) = conn.request()? else {
                return Ok(());
            };
            let Some(key) = request.head.get("sec-websocket-key") else {
                return rest::serve(&shared, request, conn);
            };
            let key = http::HeaderValue::from_str(key).unwrap();
            let accept = ianitor::proxy::websocket::accept(&key);
            conn.send(format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
                 Sec-WebSocket-Protocol: janus-protocol\r\n\r\n"
            ))?;
            while let Some(text) = message(&mut conn.wire)? {
                for answer in shared.answers(&text) {
                    conn.send(Frame::from_server(TEXT, answer.to_string()).bytes())?;
                }
            }
            Ok(())
        });
        Self { upstream, state }
    }

    pub(crate) fn url(&self) -> String {
        self.upstream.url()
    }

    /// From now on messages need this `apisecret`.
    pub(crate) fn set_secret(&self, secret: &'static str) {
        *self.state.secret.lock().unwrap() = Some(secret);
    }

    /// Answers the long polls with `rid=waits`.
    pub(crate) fn answer_polls(&self) {
        self.state.answers_polls.store(true, Ordering::SeqCst);
    }

    /// The messages that have come, as they were written.
    pub(crate) fn received(&self) -> Vec<String> {
        self.state.received.lock().unwrap().clone()
    }

    /// The same since the last call.
    pub(crate) fn take_received(&self) -> Vec<Value> {
        let texts = std::mem::take(&mut *self.state.received.lock().unwrap());
        texts
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }
}

/// The next text message of a client; `None` after its close frame.
fn message(wire: &mut Wire<std::net::TcpStream>) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    loop {
        let frame = wire.frame()?;
        match frame.opcode {
            CLOSE => return Ok(None),
            0 | TEXT => text.extend(frame.payload),
            _ => continue,
        }
        if frame.is_last {
            return Ok(Some(String::from_utf8(text).unwrap()));
        }
    }
}

impl State {
    fn answers(&self, text: &str) -> Vec<Value> {
        let message = serde_json::from_str(text).unwrap();
        self.answers_to(text.to_owned(), &message)
    }

    fn answers_polls(&self) -> bool {
        self.answers_polls.load(Ordering::SeqCst)
    }

    fn has(&self, session: i64) -> bool {
        self.sessions.lock().unwrap().contains(&session)
    }

    fn answers_to(&self, text: String, message: &Value) -> Vec<Value> {
        self.received.lock().unwrap().push(text);
        let (verb, transaction) = (message["janus"].as_str().unwrap(), &message["transaction"]);
        let session = message["session_id"].as_i64();
        let wanted = *self.secret.lock().unwrap();
        if wanted.is_some_and(|secret| message["apisecret"] != secret) && verb != "info" {
            return vec![json!({"janus": "error", "transaction": transaction,
                "error": {"code": 403,
                    "reason": "Unauthorized request (wrong or missing secret/token)"}})];
        }
        let mut sessions = self.sessions.lock().unwrap();
        if let Some(session) = session.filter(|session| !sessions.contains(session)) {
            return vec![json!({"janus": "error", "session_id": session,
                "transaction": transaction,
                "error": {"code": 458, "reason": format!("No such session {session}")}})];
        }
        let id = || self.last_id.fetch_add(1, Ordering::SeqCst) + 1001;
        let success =
            json!({"janus": "success", "session_id": session, "transaction": transaction});
        let created = |id: i64| {
            let mut answer = success.clone();
            answer["data"] = json!({ "id": id });
            vec![answer]
        };
        match verb.to_ascii_lowercase().as_str() {
            "create" => {
                let id = id();
                sessions.insert(id);
                created(id)
            }
            "attach" => created(id()),
            "destroy" => {
                sessions.remove(&session.unwrap());
                vec![success]
            }
            "claim" | "detach" | "hangup" => vec![success],
            "info" => vec![info(transaction)],
            "ping" => vec![json!({"janus": "pong", "transaction": transaction})],
            "message" => {
                let ack =
                    json!({"janus": "ack", "session_id": session, "transaction": transaction});
                let event = json!({"janus": "event", "session_id": session,
                    "transaction": transaction, "sender": message["handle_id"],
                    "plugindata": {"plugin": "janus.plugin.videoroom",
                        "data": {"videoroom": "event", "asked": message["body"]}}});
                vec![ack, event]
            }
            _ => vec![json!({"janus": "ack", "session_id": session, "transaction": transaction})],
        }
    }
}

/// What Janus says about itself, in short.
fn info(transaction: &Value) -> Value {
    json!({"janus": "server_info", "transaction": transaction, "name": "Janus WebRTC Server",
        "version": 1102, "local-ip": "192.0.2.77", "session-timeout": 60})
}

/// A client with an open WebSocket.
pub(crate) struct Caller {
    pub(crate) client: Client,
}

impl Caller {
    /// Opens one over HTTP/1.1, with more header lines, each ended.
    #[track_caller]
    pub(crate) fn open(gateway: &TestGateway, target: &str, more: &str) -> Self {
        Self::open_on(gateway.client(), target, more)
    }

    /// The same on a connection.
    #[track_caller]
    pub(crate) fn open_on(mut client: Client, target: &str, more: &str) -> Self {
        let more = format!("Sec-WebSocket-Protocol: janus-protocol\r\n{more}");
        client.send(handshake(target, &more));
        let head = client.head();
        assert_eq!(head.status(), 101, "{head}");
        Self { client }
    }

    /// Sends one text message.
    pub(crate) fn send(&mut self, text: &str) {
        self.client.send(Frame::from_client(TEXT, text).bytes());
    }

    /// The next frame that is no ping.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> Frame {
        loop {
            let frame = self.client.wire.frame().unwrap();
            if frame.opcode != PING {
                return frame;
            }
        }
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        let frame = self.frame();
        assert_eq!((frame.opcode, frame.is_last), (TEXT, true), "{frame:?}");
        serde_json::from_slice(&frame.payload).unwrap()
    }

    /// Sends a message and returns the next one.
    #[track_caller]
    pub(crate) fn ask(&mut self, message: &Value) -> Value {
        self.send(&message.to_string());
        self.next()
    }

    /// The code and reason of the close frame that comes next.
    #[track_caller]
    pub(crate) fn close(&mut self) -> (u16, String) {
        self.frame().close()
    }

    /// Creates a session.
    #[track_caller]
    pub(crate) fn create(&mut self) -> i64 {
        let answer = self.ask(&json!({"janus": "create", "transaction": "c"}));
        assert_eq!(answer["transaction"], "c", "{answer}");
        answer["data"]["id"].as_i64().unwrap()
    }

    /// Attaches a handle to a plugin.
    #[track_caller]
    pub(crate) fn attach(&mut self, session: i64, plugin: &str) -> i64 {
        let answer = self.ask(&json!({"janus": "attach", "transaction": "a",
            "session_id": session, "plugin": format!("janus.plugin.{plugin}")}));
        assert_eq!(answer["transaction"], "a", "{answer}");
        answer["data"]["id"].as_i64().unwrap()
    }

    /// Sends a request to a plugin, and returns the next message.
    #[track_caller]
    pub(crate) fn request(&mut self, (session, handle): (i64, i64), body: &Value) -> Value {
        self.ask(
            &json!({"janus": "message", "transaction": "m", "session_id": session,
            "handle_id": handle, "body": body}),
        )
    }

    /// Whether a message is answered by Janus.
    #[track_caller]
    pub(crate) fn is_alive(&mut self) {
        let answer = self.ask(&json!({"janus": "ping", "transaction": "alive"}));
        assert_eq!(answer, json!({"janus": "pong", "transaction": "alive"}));
    }
}

/// The code of an error.
#[track_caller]
pub(crate) fn code(answer: &Value) -> i64 {
    assert_eq!(answer["janus"], "error", "{answer}");
    answer["error"]["code"].as_i64().unwrap()
}
