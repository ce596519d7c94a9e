//! As much of Kurento as a benchmark needs: a session and objects with ids that follow from it, and
//! an answer to all else.
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::janus::{member, padded};

/// The size of the answer to `invoke`, as that of the request.
const ANSWER: usize = 300;
const MANAGER: &str = "manager_ServerManager";

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The id of a request as it is written.
fn raw_id(request: &[u8]) -> &[u8] {
    let Some(at) = request.windows(5).position(|w| w == b"\"id\":") else { return b"null" };
    let value = &request[at + 5..];
    match value.strip_prefix(b"\"") {
        Some(text) => {
            let end = text.iter().position(|c| *c == b'"').unwrap_or_default();
            &value[..end + 2]
        }
        None => &value[..value.iter().position(|c| matches!(c, b',' | b'}')).unwrap_or_default()],
    }
}

fn said(id: &str, session: &str, value: &str) -> String {
    let value = if value.is_empty() { String::new() } else { format!(r#","value":"{value}""#) };
    format!(r#"{{"id":{id},"jsonrpc":"2.0","result":{{"sessionId":"{session}"{value}}}}}"#)
}

fn invoked(id: &str, session: &str) -> Vec<u8> {
    let head = format!(
        r#"{{"id":{id},"jsonrpc":"2.0","result":{{"sessionId":"{session}","value":""#
    );
    padded(head.into_bytes(), "\"}}", ANSWER)
}

/// What Kurento says to a request.
pub fn answer(request: &[u8]) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let id = text(raw_id(request));
    let session = match member(request, "sessionId") {
        Some(session) => text(session),
        None => format!("{:08x}-0000-4000-8000-000000000000", NEXT.fetch_add(1, Relaxed)),
    };
    match member(request, "method").unwrap_or_default() {
        b"ping" => format!(r#"{{"id":{id},"jsonrpc":"2.0","result":{{"value":"pong"}}}}"#),
        b"create" => {
            let kind = text(member(request, "type").unwrap_or_default());
            let own = format!("{session}_kurento.{kind}");
            match member(request, "mediaPipeline") {
                Some(pipeline) => said(&id, &session, &format!("{}/{own}", text(pipeline))),
                None => said(&id, &session, &own),
            }
        }
        b"describe" => said(&id, &session, ""),
        _ => return invoked(&id, &session),
    }
    .into_bytes()
}

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#)
}

/// The ids of a session and of its pipeline.
pub struct Made {
    session: String,
    pipeline: String,
}

/// The first request: a pipeline, and with it a session.
pub fn create() -> String {
    request("create", r#""type":"MediaPipeline""#)
}

/// What it made.
pub fn made(answer: &[u8]) -> io::Result<Made> {
    let text = |name| member(answer, name).map(|id| String::from_utf8_lossy(id).into_owned());
    let wrong = || {
        io::Error::new(io::ErrorKind::InvalidData, String::from_utf8_lossy(answer).into_owned())
    };
    let session = text("sessionId").ok_or_else(wrong)?;
    Ok(Made { session, pipeline: text("value").ok_or_else(wrong)? })
}

impl Made {
    /// A request of this size about an endpoint of the pipeline, and its answer.
    pub fn invoke(&self, size: usize) -> (Vec<u8>, Vec<u8>) {
        let Made { session, pipeline } = self;
        let mut head = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"invoke","params":{{"sessionId":"{session}","#
        );
        head += &format!(r#""object":"{pipeline}/{session}_kurento.WebRtcEndpoint","#);
        head += r#""operation":"addIceCandidate","operationParams":{"candidate":{"candidate":""#;
        (padded(head.into_bytes(), "\"}}}}", size), invoked("1", session))
    }

    /// What kurento-client begins with, and the answers.
    pub fn first(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let Made { session, pipeline } = self;
        let session_id = format!(r#""sessionId":"{session}""#);
        let describe = format!(r#""object":"{MANAGER}",{session_id}"#);
        let create = format!(r#""type":"MediaPipeline",{session_id}"#);
        let pong = r#"{"id":1,"jsonrpc":"2.0","result":{"value":"pong"}}"#.to_owned();
        let pairs = [
            (request("ping", r#""interval":60000"#), pong),
            (request("describe", &describe), said("1", session, "")),
            (request("create", &create), said("1", session, pipeline)),
        ];
        pairs.map(|(sent, answer)| (sent.into_bytes(), answer.into_bytes())).into()
    }
}
