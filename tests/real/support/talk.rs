//! A client that talks to Janus: over a WebSocket on either HTTP, or by requests. It says what a
//! test gives it, byte for byte.

use std::io::{self, Read, Write};

use bytes::Bytes;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request};
use serde_json::{Value, json};

use super::wire::h1::Client;
use super::wire::message::Wire;
use super::wire::websocket::{CLOSE, Frame, PING, TEXT, handshake};
use super::wire::{Dial, h2 as http2};

/// How messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// On a WebSocket over HTTP/1.1.
    Http1,
    /// On a WebSocket over HTTP/2.
    Http2,
    /// Each in a POST, with events by long polls.
    Rest,
}

/// Which API it speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Api {
    /// That for clients.
    Janus,
    /// That for administrators.
    Admin,
}

impl Api {
    fn path(self, way: Way) -> &'static str {
        match (self, way) {
            (Self::Janus, Way::Rest) => "/janus",
            (Self::Janus, _) => "/janus-ws",
            (Self::Admin, Way::Rest) => "/admin",
            (Self::Admin, _) => "/admin-ws",
        }
    }

    fn subprotocol(self) -> &'static str {
        match self {
            Self::Janus => "janus-protocol",
            Self::Admin => "janus-admin-protocol",
        }
    }
}

/// The client.
pub(crate) struct Talk {
    line: Line,
    /// Of the last session that it has created.
    session: Option<u64>,
    count: usize,
    /// What has come and was not asked for.
    waiting: Vec<Value>,
    /// Everything that has come, as it was written.
    pub(crate) seen: String,
}

enum Line {
    Frames(Wire<Box<dyn Stream>>),
    Requests {
        dial: Box<Dial>,
        client: Client,
        path: String,
        query: String,
    },
}

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

impl Talk {
    /// Opens it where a role has its routes, with a token or without.
    #[track_caller]
    pub(crate) fn open(dial: &Dial, way: Way, api: Api, role: &str, token: &str) -> Self {
        let query = match token {
            "" => String::new(),
            token => format!("?token={token}"),
        };
        let path = format!("/{role}{}", api.path(way));
        let line = match way {
            Way::Http1 => Line::Frames(on_http1(dial, &format!("{path}{query}"), api)),
            Way::Http2 => Line::Frames(on_http2(dial, &format!("{path}{query}"), api)),
            Way::Rest => Line::Requests {
                dial: Box::new(dial.clone()),
                client: dial.h1(),
                path,
                query,
            },
        };
        Self {
            line,
            session: None,
            count: 0,
            waiting: Vec::new(),
            seen: String::new(),
        }
    }

    /// Sends a message as it is written.
    #[track_caller]
    pub(crate) fn say(&mut self, message: impl AsRef<[u8]>) {
        match &mut self.line {
            Line::Frames(wire) => wire
                .send(Frame::from_client(TEXT, message).bytes())
                .unwrap(),
            Line::Requests {
                client,
                path,
                query,
                ..
            } => {
                let answer = client.post(&format!("{path}{query}"), message.as_ref());
                assert_eq!(answer.status(), 200, "{}", answer.text());
                self.has_come(&answer.body);
            }
        }
    }

    /// Sends frames. WebSockets only.
    pub(crate) fn say_frames(&mut self, frames: &[Frame]) {
        let Line::Frames(wire) = &mut self.line else {
            panic!("requests have no frames");
        };
        let bytes = frames.iter().flat_map(Frame::bytes).collect::<Vec<_>>();
        wire.send(bytes).unwrap();
    }

    fn has_come(&mut self, text: &[u8]) {
        let text = String::from_utf8(text.to_vec()).unwrap();
        self.seen.push_str(&text);
        self.seen.push('\n');
        match serde_json::from_str(&text).unwrap() {
            Value::Array(events) => self.waiting.extend(events),
            one => self.waiting.push(one),
        }
    }

    /// Waits for more; the code and reason if the WebSocket is closed instead.
    fn wait(&mut self) -> Result<(), (u16, String)> {
        match &mut self.line {
            Line::Frames(wire) => {
                let frame = wire.frame().unwrap();
                match frame.opcode {
                    TEXT => self.has_come(&frame.payload),
                    PING => {
                        let pong = Frame::from_client(10, &frame.payload);
                        wire.send(pong.bytes()).unwrap();
                    }
                    CLOSE => return Err(frame.close()),
                    _ => {}
                }
            }
            Line::Requests {
                dial, path, query, ..
            } => {
                let session = self.session.expect("a session to wait for events of");
                let more = if query.is_empty() { "?" } else { "&" };
                let target = format!("{path}/{session}{query}{more}maxev=10");
                let answer = dial.h1().get(&target);
                assert_eq!(answer.status(), 200, "{}", answer.text());
                self.has_come(&answer.body);
            }
        }
        Ok(())
    }

    /// The next message that this is true for.
    #[track_caller]
    pub(crate) fn next(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(at) = self.waiting.iter().position(&is_it) {
                return self.waiting.remove(at);
            }
            if let Err(closed) = self.wait() {
                panic!("closed with {closed:?}; before it came {}", self.seen);
            }
        }
    }

    /// The next message that is no event.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Value {
        self.next(|message| {
            let kind = message["janus"].as_str().unwrap();
            matches!(kind, "success" | "error" | "ack" | "pong" | "server_info")
        })
    }

    /// Sends a message and waits for the answer with its transaction.
    #[track_caller]
    pub(crate) fn ask(&mut self, mut message: Value) -> Value {
        self.count += 1;
        let transaction = Value::from(format!("t{}", self.count));
        message["transaction"] = transaction.clone();
        self.say(message.to_string());
        let answer = self.answer();
        assert_eq!(answer["transaction"], transaction, "{answer}");
        answer
    }

    /// The data of the next event of a plugin.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Value {
        self.next(|message| message["janus"] == "event")["plugindata"]["data"].take()
    }

    /// A new session.
    #[track_caller]
    pub(crate) fn create(&mut self) -> u64 {
        let answer = self.ask(json!({"janus": "create"}));
        self.session = answer["data"]["id"].as_u64();
        self.session.unwrap_or_else(|| panic!("{answer}"))
    }

    /// A new handle of a plugin in the last session.
    #[track_caller]
    pub(crate) fn attach(&mut self, plugin: &str) -> u64 {
        let plugin = format!("janus.plugin.{plugin}");
        let session = self.session;
        let answer = self.ask(json!({"janus": "attach", "session_id": session, "plugin": plugin}));
        let handle = answer["data"]["id"].as_u64();
        handle.unwrap_or_else(|| panic!("{answer}"))
    }

    /// What Janus answers to a request for the plugin of a handle.
    #[track_caller]
    pub(crate) fn request(&mut self, handle: u64, body: Value) -> Value {
        let session = self.session;
        self.ask(
            json!({"janus": "message", "session_id": session, "handle_id": handle,
            "body": body}),
        )
    }

    /// The same for a request that takes the plugin a moment, and what the plugin says.
    #[track_caller]
    pub(crate) fn async_request(&mut self, handle: u64, body: Value) -> Value {
        let answer = self.request(handle, body);
        assert_eq!(answer["janus"], "ack", "{answer}");
        self.event()
    }

    /// Waits until the WebSocket is closed: its code and reason.
    #[track_caller]
    pub(crate) fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(closed) = self.wait() {
                return closed;
            }
        }
    }
}

fn on_http1(dial: &Dial, target: &str, api: Api) -> Wire<Box<dyn Stream>> {
    let mut client = dial.h1();
    let subprotocol = format!("Sec-WebSocket-Protocol: {}\r\n", api.subprotocol());
    client.send(handshake(target, &subprotocol));
    assert_eq!(client.head().status(), 101, "{target}");
    Wire {
        stream: Box::new(client.wire.stream),
        buffer: client.wire.buffer,
    }
}

fn on_http2(dial: &Dial, target: &str, api: Api) -> Wire<Box<dyn Stream>> {
    let mut client = dial.h2();
    assert!(client.takes_extended_connect());
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("https://localhost{target}"))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", api.subprotocol())
        .extension(Protocol::from_static("websocket"))
        .body(())
        .unwrap();
    let (response, sender) = client.begin(request, false);
    let response = client.run(response).unwrap();
    assert_eq!(response.status(), 200, "{target}");
    Wire::new(Box::new(Http2Stream {
        client,
        sender,
        receiver: response.into_body(),
        rest: Bytes::new(),
    }))
}

/// A stream of HTTP/2 as a socket.
struct Http2Stream {
    client: http2::Client,
    sender: SendStream<Bytes>,
    receiver: RecvStream,
    rest: Bytes,
}

impl Read for Http2Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            let data = self.client.run(self.receiver.data());
            let Some(data) = data.transpose().map_err(io::Error::other)? else {
                return Ok(0);
            };
            let window = self.receiver.flow_control();
            window
                .release_capacity(data.len())
                .map_err(io::Error::other)?;
            self.rest = data;
        }
        let length = into.len().min(self.rest.len());
        into[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}

impl Write for Http2Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let data = Bytes::copy_from_slice(bytes);
        self.sender
            .send_data(data, false)
            .map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
