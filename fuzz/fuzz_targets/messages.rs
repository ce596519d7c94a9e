//! What a side of a WebSocket sends is read in the same way however its bytes arrive, and what is
//! written for it can be read.
#![no_main]

use ianitor::tunnel::messages::{Event, FrameError, Reader, Role, Writer};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 12;

fuzz_target!(|input: (bool, u8, Vec<u8>)| {
    let (is_client, step, bytes) = input;
    let role = if is_client {
        Role::Client
    } else {
        Role::Server
    };
    let whole = read(role, &bytes, bytes.len().max(1));
    assert_eq!(read(role, &bytes, usize::from(step).max(1)), whole);
    let (events, _) = whole;
    let mut out = Vec::new();
    let writer = Writer(role);
    for (kind, payload) in &events {
        match (*kind, std::str::from_utf8(payload)) {
            ("text", Ok(text)) => writer.text(text, &mut out),
            ("ping", _) => writer.pong(payload, &mut out),
            _ => {}
        }
    }
    let is_data = |(kind, _): &&(&str, _)| matches!(*kind, "text" | "ping");
    let (again, error) = read(role, &out, out.len().max(1));
    assert_eq!(error, None);
    assert_eq!(again.len(), events.iter().filter(is_data).count());
});

type Read = (Vec<(&'static str, Vec<u8>)>, Option<FrameError>);

fn read(role: Role, bytes: &[u8], step: usize) -> Read {
    let mut reader = Reader::new(role, LIMIT);
    let (mut events, mut bytes) = (Vec::new(), bytes.to_vec());
    for piece in bytes.chunks_mut(step) {
        let mut input = piece;
        loop {
            match reader.next(&mut input) {
                Ok(Some(event)) => events.push(shown(event)),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fn shown(event: Event<'_>) -> (&'static str, Vec<u8>) {
    match event {
        Event::Text(text) => ("text", text.as_bytes().to_vec()),
        Event::Ping(payload) => ("ping", payload.to_vec()),
        Event::Pong => ("pong", Vec::new()),
        Event::Close(closed) => ("close", format!("{closed:?}").into_bytes()),
    }
}
