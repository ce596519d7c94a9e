//! HTTP/2 frames by hand, for requests that no library would send (RFC 9113, RFC 7541).

use std::io::{self, Read, Write};

use super::Dial;
use super::tls::TlsStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// A connection on which one request is made.
#[derive(Debug)]
pub(crate) struct RawH2 {
    stream: TlsStream,
}

/// How the request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Status(u16),
    /// The stream was reset, or the whole connection given up.
    Reset,
}

impl Outcome {
    /// Whether nothing but a refusal was said.
    pub(crate) fn is_refusal(self) -> bool {
        matches!(self, Self::Reset | Self::Status(400..=499 | 501))
    }
}

impl RawH2 {
    pub(crate) fn open(dial: &Dial) -> Self {
        let mut stream = dial.tls(&["h2"]).unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .unwrap();
        let mut raw = Self { stream };
        raw.frame(SETTINGS, 0, 0, &[]);
        raw
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        // The gateway may already have given the connection up.
        let _ = self.stream.write_all(&frame);
    }

    /// Sends a request on the first stream and waits for its outcome.
    pub(crate) fn ask(&mut self, fields: &[(&str, &str)], body: Option<&[u8]>) -> Outcome {
        self.begin(fields, body);
        self.outcome().unwrap_or(Outcome::Reset)
    }

    /// Sends a request on the first stream.
    pub(crate) fn begin(&mut self, fields: &[(&str, &str)], body: Option<&[u8]>) {
        let mut block = Vec::new();
        for (name, value) in fields {
            // Literal without indexing, new name, no Huffman.
            block.push(0);
            push_string(&mut block, name);
            push_string(&mut block, value);
        }
        let end = if body.is_none() { END_STREAM } else { 0 };
        self.frame(HEADERS, END_HEADERS | end, 1, &block);
        if let Some(body) = body {
            self.frame(DATA, END_STREAM, 1, body);
        }
    }

    /// Waits for a frame of this kind, and answers settings and pings before it.
    #[track_caller]
    fn await_frame(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let (got, flags, payload) = self.next_frame().unwrap();
            match got {
                got if got == kind => return payload,
                SETTINGS | PING if flags & ACK == 0 => self.frame(
                    got,
                    ACK,
                    0,
                    match got {
                        PING => &payload,
                        _ => &[],
                    },
                ),
                _ => {}
            }
        }
    }

    /// Waits for GOAWAY: the last stream that the gateway answers.
    #[track_caller]
    pub(crate) fn go_away(&mut self) -> u32 {
        let payload = self.await_frame(GOAWAY);
        u32::from_be_bytes(payload[..4].try_into().unwrap())
    }

    /// Waits for the head of an answer: its status.
    #[track_caller]
    pub(crate) fn status(&mut self) -> u16 {
        status(&self.await_frame(HEADERS))
    }

    /// The kind, the flags and the payload of the next frame.
    fn next_frame(&mut self) -> io::Result<(u8, u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok((head[3], head[4], payload))
    }

    fn outcome(&mut self) -> io::Result<Outcome> {
        loop {
            let (kind, flags, payload) = self.next_frame()?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]),
                HEADERS => return Ok(Outcome::Status(status(&payload))),
                RST_STREAM | GOAWAY => return Ok(Outcome::Reset),
                _ => {}
            }
        }
    }
}

fn push_string(block: &mut Vec<u8>, text: &str) {
    match text.len() {
        short @ ..127 => block.push(u8::try_from(short).unwrap()),
        long => {
            assert!(long < 127 + 128, "a longer length is not encoded here");
            block.extend_from_slice(&[127, u8::try_from(long - 127).unwrap()]);
        }
    }
    block.extend_from_slice(text.as_bytes());
}

/// `:status`, which comes first: from the static table, or as a literal of three digits.
fn status(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    // The peer may begin with a new size of its table.
    let block = if block[0] & 0xe0 == 0x20 {
        &block[1..]
    } else {
        block
    };
    match block[0] {
        indexed @ 0x88..=0x8e => INDEXED[usize::from(indexed - 0x88)],
        0x08 | 0x48 => digits(&block[1..]),
        other => panic!("no :status in front: {other:#x}"),
    }
}

fn digits(string: &[u8]) -> u16 {
    let (is_huffman, len) = (string[0] & 0x80 != 0, usize::from(string[0] & 0x7f));
    let bytes = &string[1..=len];
    if !is_huffman {
        return std::str::from_utf8(bytes).unwrap().parse().unwrap();
    }
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
        .collect();
    let (mut at, mut status) = (0, 0);
    let number = |bits: &[u8]| {
        bits.iter()
            .fold(0_u16, |number, bit| number << 1 | u16::from(*bit))
    };
    for _ in 0..3 {
        // 0, 1 and 2 have codes of five bits; 3 to 9 have six, beginning at 0x19.
        let five = number(&bits[at..at + 5]);
        let digit = if five < 3 {
            five
        } else {
            number(&bits[at..at + 6]) - 0x19 + 3
        };
        at += if five < 3 { 5 } else { 6 };
        status = status * 10 + digit;
    }
    status
}
