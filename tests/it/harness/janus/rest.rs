//! The same over HTTP: Janus' transport, with its leniency.

use std::io;
use std::iter::Peekable;

use serde_json::{Value, json};

use super::State;
use crate::harness::upstream::Request;
use crate::harness::{Conn, eventually};

/// Its base path, and that of its admin API.
const BASES: [&str; 2] = ["/janus", "/admin"];

/// In the query of a long poll that waits.
const WAITS: &str = "rid=waits";

/// Answers the requests of a connection.
pub(super) fn serve(state: &State, first: Request, conn: &mut Conn) -> io::Result<()> {
    let mut request = first;
    loop {
        if request.head.target().contains(WAITS) {
            eventually("polls are answered", || state.answers_polls());
        }
        conn.send(answer(state, &request))?;
        match conn.request()? {
            Some(next) => request = next,
            None => return Ok(()),
        }
    }
}

fn answer(state: &State, request: &Request) -> String {
    let target = request.head.target();
    let path = target.split('?').next().unwrap();
    let Some(rest) = BASES.iter().find_map(|base| Some(path.split_once(base)?.1)) else {
        return status("404 Not Found", "");
    };
    let mut segments = rest.split('/').skip(1).peekable();
    if segments.peek() == Some(&"info") {
        return ok(&super::info(&json!("random")).to_string());
    }
    let (session, handle) = (id(&mut segments), id(&mut segments));
    if request.head.first.starts_with("OPTIONS") {
        return status("200 OK", "Access-Control-Allow-Methods: GET, POST\r\n");
    }
    if request.head.first.starts_with("GET") {
        let is_known = session.is_some_and(|session| state.has(session));
        return match (is_known, handle) {
            (true, None) => ok(r#"{"janus":"keepalive"}"#),
            (true, Some(_)) => status("302 Found", "Location: /janus/elsewhere\r\n"),
            (false, _) => status("404 Not Found", ""),
        };
    }
    let Ok(mut message) = serde_json::from_slice::<Value>(&request.body) else {
        return ok(r#"{"janus":"error","error":{"code":454,"reason":"JSON error"}}"#);
    };
    for (name, in_path) in [("session_id", session), ("handle_id", handle)] {
        match (message[name].as_i64(), in_path) {
            (Some(written), Some(in_path)) if written != in_path => {
                return ok(r#"{"janus":"error","error":{"code":457,"reason":"Conflicting"}}"#);
            }
            (None, Some(in_path)) => message[name] = in_path.into(),
            _ => {}
        }
    }
    // Events go to long polls.
    let text = String::from_utf8(request.body.clone()).unwrap();
    ok(&state.answers_to(text, &message).remove(0).to_string())
}

/// An id as `strtoull` reads it.
fn id<'s>(segments: &mut Peekable<impl Iterator<Item = &'s str>>) -> Option<i64> {
    let segment = segments.next()?;
    let digits: String = segment.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// What the core answers comes in chunks.
fn ok(text: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nAccess-Control-Allow-Origin: *\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n",
        text.len()
    )
}

fn status(status: &str, lines: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\n{lines}\r\n"
    )
}
