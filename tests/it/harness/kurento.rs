//! A server that answers on WebSockets as Kurento 7.3 does, and a client of it. What Kurento
//! answers is in the field notes; nothing here judges anything.

mod media;

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::message::Wire;
use super::staff;
use super::websocket::{BINARY, CLOSE, Frame, PING, TEXT, handshake};
use super::{Client, Conn, TestGateway, Upstream};
use media::Media;

/// The largest message in bytes.
const MESSAGE_SIZE: usize = 32_000_000;

/// The object that every Kurento has.
pub(crate) const MANAGER: &str = "manager_ServerManager";

/// The last id of a request.
static LAST_ID: AtomicU64 = AtomicU64::new(100);

/// The server.
pub(crate) struct Kms {
    pub(crate) upstream: Upstream,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    received: Mutex<Vec<String>>,
    media: Mutex<Media>,
    /// The open connections by their numbers.
    connections: Mutex<HashMap<usize, Arc<Mutex<TcpStream>>>>,
    accepted: Mutex<usize>,
}

impl Kms {
    pub(crate) fn new() -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let upstream = Upstream::raw(move |conn| serve(&shared, conn));
        Self { upstream, state }
    }

    pub(crate) fn url(&self) -> String {
        self.upstream.url()
    }

    /// The messages that have come, as they were written.
    pub(crate) fn received(&self) -> Vec<String> {
        self.state.received.lock().unwrap().clone()
    }

    /// The methods of the messages that have come since the last call.
    pub(crate) fn take_methods(&self) -> Vec<String> {
        let texts = std::mem::take(&mut *self.state.received.lock().unwrap());
        let method = |text: &String| {
            let request: Value = serde_json::from_str(text).unwrap();
            request["method"].as_str().unwrap().to_owned()
        };
        texts.iter().map(method).collect()
    }

    /// Whether there is such an object.
    pub(crate) fn has_object(&self, object: &str) -> bool {
        self.state.media.lock().unwrap().has_object(object)
    }

    /// An object reports an event to the sessions that have subscribed to it.
    pub(crate) fn emit(&self, object: &str, kind: &str) {
        for connection in self.state.media.lock().unwrap().subscribers(object, kind) {
            let data = json!({"source": object, "tags": [], "timestampMillis": "1441277150433",
                "type": kind});
            let event = json!({"jsonrpc": "2.0", "method": "onEvent",
                "params": {"value": {"data": data, "object": object, "type": kind}}});
            let _ = self.state.say(connection, &event.to_string());
        }
    }

    /// Answers the next `describe` with this result, as it is written, and white space around it.
    pub(crate) fn describe_as(&self, result: &str) {
        self.state.media.lock().unwrap().described = Some(result.to_owned());
    }

    /// Sends a text on every connection.
    pub(crate) fn say(&self, text: &str) {
        self.to_all(&Frame::from_server(TEXT, text).bytes());
    }

    /// Closes every connection with a close frame, and does not wait for the answer.
    pub(crate) fn close(&self, code: u16, reason: &str) {
        self.to_all(&Frame::server_close(code, reason).bytes());
        self.end();
    }

    /// Ends every connection without a close frame, as on SIGTERM.
    pub(crate) fn end(&self) {
        for connection in self.state.connections.lock().unwrap().values() {
            let _ = connection.lock().unwrap().shutdown(Shutdown::Both);
        }
    }

    fn to_all(&self, bytes: &[u8]) {
        for connection in self.state.connections.lock().unwrap().values() {
            let _ = connection.lock().unwrap().write_all(bytes);
        }
    }
}

/// Serves a connection.
fn serve(state: &State, conn: &mut Conn) -> io::Result<()> {
    let Some(head) = conn.head()? else {
        return Ok(());
    };
    let Some(key) = head.get("sec-websocket-key") else {
        return conn.send("HTTP/1.1 426 Upgrade Required\r\n\r\n");
    };
    let accept = ianitor::proxy::websocket::accept(&http::HeaderValue::from_str(key).unwrap());
    conn.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nServer: WebSocket++/0.8.2\r\n\r\n"
    ))?;
    if head.target().split('?').next() != Some("/kurento") {
        return conn.send(Frame::server_close(1002, "Invalid path").bytes());
    }
    let number = state.enter(conn.wire.stream.try_clone()?);
    let result = state.converse(number, &mut conn.wire);
    state.connections.lock().unwrap().remove(&number);
    // Shared with the copy.
    let _ = conn.wire.stream.shutdown(Shutdown::Both);
    result
}

impl State {
    fn enter(&self, stream: TcpStream) -> usize {
        let mut accepted = self.accepted.lock().unwrap();
        *accepted += 1;
        let stream = Arc::new(Mutex::new(stream));
        self.connections.lock().unwrap().insert(*accepted, stream);
        *accepted
    }

    /// Answers messages until one side ends.
    fn converse(&self, number: usize, wire: &mut Wire<TcpStream>) -> io::Result<()> {
        let mut message = Vec::new();
        loop {
            let frame = wire.frame()?;
            match frame.opcode {
                CLOSE => {
                    return self.send(number, &Frame::from_server(CLOSE, frame.payload));
                }
                PING => {
                    self.send(number, &Frame::from_server(10, frame.payload))?;
                    continue;
                }
                0 | TEXT | BINARY => message.extend(frame.payload),
                _ => continue,
            }
            if message.len() > MESSAGE_SIZE {
                return self.send(number, &Frame::server_close(1009, "Message too big"));
            }
            if frame.is_last {
                let message = std::mem::take(&mut message);
                let Some(answer) = self.answer(number, &message) else {
                    // Without a close frame.
                    return Ok(());
                };
                self.say(number, &answer)?;
            }
        }
    }

    /// `None` for what makes it drop the connection.
    fn answer(&self, number: usize, message: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(message).into_owned();
        self.received.lock().unwrap().push(text.clone());
        let request: Value = serde_json::from_str(&text).ok()?;
        self.media.lock().unwrap().answer(number, &request)
    }

    fn say(&self, number: usize, text: &str) -> io::Result<()> {
        self.send(number, &Frame::from_server(TEXT, text))
    }

    fn send(&self, number: usize, frame: &Frame) -> io::Result<()> {
        let connection = self.connections.lock().unwrap().get(&number).cloned();
        let connection = connection.ok_or(io::ErrorKind::NotConnected)?;
        connection.lock().unwrap().write_all(&frame.bytes())
    }
}

/// A client with an open WebSocket.
pub(crate) struct App {
    pub(crate) client: Client,
}

impl App {
    /// Opens one with a token of this subject.
    #[track_caller]
    pub(crate) fn of(gateway: &TestGateway, subject: &str) -> Self {
        let token = staff::token(subject, 600);
        Self::open_on(
            gateway.client(),
            &format!("Authorization: Bearer {token}\r\n"),
        )
    }

    /// Opens one on a connection, with more header lines, each ended.
    #[track_caller]
    pub(crate) fn open_on(mut client: Client, more: &str) -> Self {
        client.send(handshake("/kurento", more));
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

    /// The text of the next message.
    #[track_caller]
    pub(crate) fn text(&mut self) -> String {
        let frame = self.frame();
        assert_eq!((frame.opcode, frame.is_last), (TEXT, true), "{frame:?}");
        String::from_utf8(frame.payload).unwrap()
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// The code and reason of the close frame that comes next.
    #[track_caller]
    pub(crate) fn close(&mut self) -> (u16, String) {
        self.frame().close()
    }

    /// Sends a request, and returns its answer, which comes next.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        // Kurento has answers in store for the ids of a session, on whatever connection.
        let id = LAST_ID.fetch_add(1, Ordering::SeqCst);
        self.send(&request(&json!(id), method, params).to_string());
        let answer = self.next();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// The value that a request returns.
    #[track_caller]
    pub(crate) fn value(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.ask(method, params);
        assert!(answer["result"].is_object(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// The code of the error that a request gets.
    #[track_caller]
    pub(crate) fn code(&mut self, method: &str, params: &Value) -> i64 {
        code(&self.ask(method, params))
    }

    /// Creates a pipeline: its id, and that of the session.
    #[track_caller]
    pub(crate) fn pipeline(&mut self) -> (String, String) {
        let answer = self.ask("create", &json!({"type": "MediaPipeline"}));
        let result = &answer["result"];
        let text = |name: &str| result[name].as_str().unwrap().to_owned();
        (text("value"), text("sessionId"))
    }

    /// Creates an endpoint in a pipeline.
    #[track_caller]
    pub(crate) fn endpoint(&mut self, pipeline: &str) -> String {
        let params = json!({"type": "WebRtcEndpoint",
            "constructorParams": {"mediaPipeline": pipeline}});
        self.value("create", &params).as_str().unwrap().to_owned()
    }

    /// Whether a message is answered by Kurento.
    #[track_caller]
    pub(crate) fn is_alive(&mut self) {
        assert_eq!(self.value("ping", &json!({})), "pong");
    }
}

/// A request.
pub(crate) fn request(id: &Value, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// The code of an error.
#[track_caller]
pub(crate) fn code(answer: &Value) -> i64 {
    assert!(answer["error"].is_object(), "{answer}");
    answer["error"]["code"].as_i64().unwrap()
}
