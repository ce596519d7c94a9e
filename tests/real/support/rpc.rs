//! A client that sends Kurento what a test gives it, byte for byte.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::wire::Dial;
use super::wire::h1::Client;
use super::wire::tls::TlsStream;
use super::wire::websocket::{CLOSE, Frame, PING, TEXT, handshake};

/// No two requests have the same id: Kurento would answer the second from its cache, if both are in
/// one session.
static LAST_ID: AtomicU64 = AtomicU64::new(1_000);

/// The client, on a WebSocket over HTTP/1.1.
pub(crate) struct Rpc<S = TlsStream> {
    client: Client<S>,
    /// The session of the last answer that named one.
    pub(crate) session: Value,
    /// Events, and answers that nothing waited for.
    pub(crate) unasked: Vec<Value>,
}

impl Rpc {
    /// Opens it at a path of a gateway, with a token.
    #[track_caller]
    pub(crate) fn open(dial: &Dial, path: &str, token: &str) -> Self {
        Self::over(dial.h1(), &format!("{path}?access_token={token}"))
    }
}

impl<S: Read + Write> Rpc<S> {
    /// Opens it on a connection.
    #[track_caller]
    pub(crate) fn over(mut client: Client<S>, target: &str) -> Self {
        client.send(handshake(target, ""));
        assert_eq!(client.head().status(), 101, "{target}");
        Self {
            client,
            session: Value::Null,
            unasked: Vec::new(),
        }
    }

    /// Sends a message as it is written.
    pub(crate) fn say(&mut self, message: &str) {
        self.say_frame(&Frame::from_client(TEXT, message));
    }

    /// Sends a frame.
    pub(crate) fn say_frame(&mut self, frame: &Frame) {
        self.say_bytes(&frame.bytes());
    }

    /// Sends frames, or a part of one, as they are on the wire.
    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) {
        self.client.send(bytes);
    }

    /// The next frame.
    pub(crate) fn frame(&mut self) -> Frame {
        self.client.wire.frame().unwrap()
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        self.client.wire.rest().unwrap()
    }

    /// The next event of this type, without what is around it.
    #[track_caller]
    pub(crate) fn next_event(&mut self, kind: &str) -> Value {
        let is_it = |message: &Value| message["params"]["value"]["type"] == kind;
        loop {
            if let Some(at) = self.unasked.iter().position(is_it) {
                return self.unasked.remove(at)["params"]["value"].take();
            }
            let message = self.next().unwrap();
            self.unasked.push(message);
        }
    }

    /// The next message; the code and reason if the WebSocket is closed instead.
    pub(crate) fn next(&mut self) -> Result<Value, (u16, String)> {
        loop {
            let frame = self.frame();
            match frame.opcode {
                TEXT => return Ok(serde_json::from_slice(&frame.payload).unwrap()),
                PING => self.say_frame(&Frame::from_client(10, &frame.payload)),
                CLOSE => return Err(frame.close()),
                _ => {}
            }
        }
    }

    /// The answer with this id.
    #[track_caller]
    pub(crate) fn answer(&mut self, id: &Value) -> Value {
        loop {
            let message = self.next().unwrap();
            if message["id"] == *id && message["method"].is_null() {
                if let Some(session) = message["result"].get("sessionId") {
                    self.session = session.clone();
                }
                return message;
            }
            self.unasked.push(message);
        }
    }

    /// Sends a request and waits for its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = json!(LAST_ID.fetch_add(1, Ordering::Relaxed) + 1);
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.say(&request.to_string());
        self.answer(&id)
    }

    /// The same for one that goes well, and its value.
    #[track_caller]
    pub(crate) fn gets(&mut self, method: &str, params: &Value) -> Value {
        let mut answer = self.ask(method, params);
        assert!(answer["error"].is_null(), "{method} {params}: {answer}");
        answer["result"]["value"].take()
    }

    /// The same for one that goes wrong, and its code.
    #[track_caller]
    pub(crate) fn fails(&mut self, method: &str, params: &Value) -> i64 {
        let answer = self.ask(method, params);
        let code = answer["error"]["code"].as_i64();
        code.unwrap_or_else(|| panic!("{method} {params}: {answer}"))
    }

    /// Creates an object of this type, with parameters of its constructor: its id.
    #[track_caller]
    pub(crate) fn create(&mut self, kind: &str, constructor: &Value) -> String {
        let params = json!({"type": kind, "constructorParams": constructor, "properties": {}});
        let id = self.gets("create", &params);
        id.as_str().unwrap().to_owned()
    }

    /// Whether it is answered still.
    #[track_caller]
    pub(crate) fn is_alive(&mut self) {
        let pong = self.gets("ping", &json!({"interval": 240_000}));
        assert_eq!(pong, "pong");
    }
}
