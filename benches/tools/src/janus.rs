//! As much of Janus as a benchmark needs: sessions and handles by number, and an answer to
//! all else.
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The size of an event on a WebSocket, and of an ack over HTTP, as that of the other answers.
const EVENT: usize = 200;
const ACK: usize = 100;
const PLUGIN: &str = "janus.plugin.videoroom";
const TRANSACTION: &str = "a1b2c3d4e5f6";

static NEXT: AtomicU64 = AtomicU64::new(1 << 50);

#[derive(Clone, Copy, PartialEq)]
pub enum Over {
    WebSocket,
    Http,
}

/// The value of a member, without its quotes. The first of that name counts.
pub fn member<'m>(text: &'m [u8], name: &str) -> Option<&'m [u8]> {
    let at = text
        .windows(name.len() + 3)
        .position(|w| w[0] == b'"' && w[1..].starts_with(name.as_bytes()) && w.ends_with(b"\":"))?;
    let value = &text[at + name.len() + 3..];
    let quoted = value.strip_prefix(b"\"");
    let value = quoted.unwrap_or(value);
    let end = |c: &u8| if quoted.is_some() { *c == b'"' } else { matches!(c, b',' | b'}') };
    Some(&value[..value.iter().position(end)?])
}

/// Fills up what is between two parts with one letter.
pub fn padded(mut head: Vec<u8>, tail: &str, size: usize) -> Vec<u8> {
    while head.len() + tail.len() < size {
        head.push(b'x');
    }
    head.extend_from_slice(tail.as_bytes());
    head
}

fn event(session: &[u8], handle: &[u8], transaction: &[u8]) -> Vec<u8> {
    let (s, h) = (String::from_utf8_lossy(session), String::from_utf8_lossy(handle));
    let t = String::from_utf8_lossy(transaction);
    let mut head = format!(r#"{{"janus":"event","session_id":{s},"sender":{h},"#);
    head += &format!(r#""transaction":"{t}","plugindata":{{"plugin":"{PLUGIN}","#);
    head += r#""data":{"videoroom":"event","pad":""#;
    padded(head.into_bytes(), "\"}}}", EVENT)
}

/// What Janus says to a message.
pub fn answer(message: &[u8], over: Over) -> Vec<u8> {
    let verb = member(message, "janus").unwrap_or_default();
    let transaction = member(message, "transaction").unwrap_or_default();
    let session = member(message, "session_id").unwrap_or(b"0");
    if verb == b"message" && over == Over::WebSocket {
        return event(session, member(message, "handle_id").unwrap_or(b"0"), transaction);
    }
    let mut out = Vec::with_capacity(EVENT);
    let is_made = matches!(verb, b"create" | b"attach");
    out.extend_from_slice(br#"{"janus":""#);
    out.extend_from_slice(if is_made { b"success" } else { b"ack" });
    out.extend_from_slice(br#"","transaction":""#);
    out.extend_from_slice(transaction);
    if is_made {
        let _ = write!(out, r#"","data":{{"id":{}}}}}"#, NEXT.fetch_add(1, Relaxed));
        return out;
    }
    out.extend_from_slice(br#"","pad":""#);
    padded(out, "\"}", ACK)
}

pub fn create() -> String {
    format!(r#"{{"janus":"create","transaction":"{TRANSACTION}"}}"#)
}

/// With the session in the message, or in the path.
pub fn attach(session: Option<u64>) -> String {
    let session = session.map(|id| format!(r#""session_id":{id},"#)).unwrap_or_default();
    format!(r#"{{"janus":"attach",{session}"transaction":"{TRANSACTION}","plugin":"{PLUGIN}"}}"#)
}

/// What `create` or `attach` made.
pub fn made(answer: &[u8]) -> io::Result<u64> {
    let id = member(answer, "id").and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
    id.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, String::from_utf8_lossy(answer).into_owned())
    })
}

/// A message of this size, with session and handle in it or in the path.
pub fn message(ids: Option<(u64, u64)>, size: usize) -> Vec<u8> {
    let ids = ids.map(|(s, h)| format!(r#""session_id":{s},"handle_id":{h},"#)).unwrap_or_default();
    let mut head = format!(r#"{{"janus":"message",{ids}"transaction":"{TRANSACTION}","body":{{"#);
    head += r#""request":"configure","audio":true,"video":true,"bitrate":512000,"display":""#;
    padded(head.into_bytes(), "\"}}", size)
}

/// The event that answers such a message.
pub fn expected(session: u64, handle: u64) -> Vec<u8> {
    event(session.to_string().as_bytes(), handle.to_string().as_bytes(), TRANSACTION.as_bytes())
}
