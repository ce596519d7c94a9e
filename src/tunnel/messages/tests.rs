use super::*;

const LIMIT: usize = 1000;

/// A frame with any first byte, as `sender` sends it.
fn frame(sender: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let masked = sender == Role::Client;
    let bit = if masked { MASKED } else { 0 };
    out.push(first);
    match payload.len() {
        short @ 0..=125 => out.push(bit | short as u8),
        middle => {
            out.push(bit | 126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
    }
    let mask = [7, 0x80, 1, 0xff];
    if masked {
        out.extend_from_slice(&mask);
    }
    let masked_byte = |(n, byte): (usize, &u8)| if masked { byte ^ mask[n % 4] } else { *byte };
    out.extend(payload.iter().enumerate().map(masked_byte));
    out
}

fn shown(event: Event<'_>) -> String {
    match event {
        Event::Text(text) => format!("text {text}"),
        Event::Ping(payload) => format!("ping {}", String::from_utf8_lossy(&payload)),
        Event::Pong => "pong".to_owned(),
        Event::Close(None) => "close".to_owned(),
        Event::Close(Some(Closed { code, reason })) => format!("close {code} {reason}"),
    }
}

/// All events, with the input in pieces of this size.
fn read(sender: Role, bytes: &[u8], step: usize) -> Result<Vec<String>, FrameError> {
    let mut reader = Reader::new(sender, LIMIT);
    let mut events = Vec::new();
    let mut bytes = bytes.to_vec();
    for piece in bytes.chunks_mut(step) {
        let mut input = piece;
        while let Some(event) = reader.next(&mut input)? {
            events.push(shown(event));
        }
        assert!(input.is_empty());
    }
    Ok(events)
}

/// The events, or the error, which must be the same however the input arrives.
fn read_in_all_ways(sender: Role, bytes: &[u8]) -> Result<Vec<String>, FrameError> {
    let whole = read(sender, bytes, bytes.len().max(1));
    for step in [1, 2, 3, 5, 8, 13, 100, 127] {
        assert_eq!(read(sender, bytes, step), whole, "step {step}");
    }
    whole
}

#[test]
fn messages_and_controls_are_found_however_the_bytes_arrive() {
    for sender in [Role::Client, Role::Server] {
        let long = "ä".repeat(400);
        let stream = [
            frame(sender, 0x81, b"whole"),
            frame(sender, 0x81, b""),
            frame(sender, 0x01, b"in "),
            frame(sender, 0x89, b"between"),
            frame(sender, 0x00, b"three "),
            frame(sender, 0x00, b""),
            frame(sender, 0x8a, b"unasked"),
            frame(sender, 0x80, b"pieces"),
            frame(sender, 0x81, long.as_bytes()),
            frame(sender, 0x88, b"\x03\xe8bye"),
        ]
        .concat();
        let long = format!("text {long}");
        let events = [
            "text whole",
            "text ",
            "ping between",
            "pong",
            "text in three pieces",
            &long,
            "close 1000 bye",
        ];
        assert_eq!(read_in_all_ways(sender, &stream).unwrap(), events);
    }
}

#[test]
fn a_character_may_be_cut_by_a_fragment() {
    let stream = [
        frame(Role::Client, 0x01, b"\xc3"),
        frame(Role::Client, 0x80, b"\xa4"),
    ]
    .concat();
    assert_eq!(read_in_all_ways(Role::Client, &stream).unwrap(), ["text ä"]);
}

#[test]
fn what_rfc_6455_does_not_allow_is_an_error() {
    use FrameError::{Binary, NotUtf8, Protocol, TooLarge};
    let client = |first, payload: &[u8]| frame(Role::Client, first, payload);
    let begun = client(0x01, b"begun");
    let long = vec![b'a'; LIMIT + 1];
    let long_control = vec![b'a'; 126];
    let cases: &[(&str, Vec<u8>, FrameError)] = &[
        ("RSV1", client(0xc1, b"x"), Protocol),
        ("RSV3", client(0x91, b"x"), Protocol),
        ("opcode 3", client(0x83, b"x"), Protocol),
        ("opcode 11", client(0x8b, b"x"), Protocol),
        ("no mask", frame(Role::Server, 0x81, b"x"), Protocol),
        ("a ping in pieces", client(0x09, b"x"), Protocol),
        ("a long ping", client(0x89, &long_control), Protocol),
        ("nothing to continue", client(0x80, b"x"), Protocol),
        (
            "a second start",
            [begun.clone(), client(0x81, b"x")].concat(),
            Protocol,
        ),
        ("binary", client(0x82, b"x"), Binary),
        (
            "binary in a text",
            [begun.clone(), client(0x82, b"x")].concat(),
            Protocol,
        ),
        ("UTF-8", client(0x81, b"\xff"), NotUtf8),
        ("a surrogate", client(0x81, b"\xed\xa0\x80"), NotUtf8),
        (
            "UTF-8 over pieces",
            [begun.clone(), client(0x80, b"\xc3")].concat(),
            NotUtf8,
        ),
        ("one byte of a code", client(0x88, b"\x03"), Protocol),
        ("the code 1005", client(0x88, b"\x03\xed"), Protocol),
        ("the code 2000", client(0x88, b"\x07\xd0"), Protocol),
        (
            "a reason in Latin-1",
            client(0x88, b"\x03\xe8\xe4"),
            NotUtf8,
        ),
        ("too large", client(0x81, &long), TooLarge),
        (
            "too large in pieces",
            [begun, client(0x80, &long[..LIMIT - 4])].concat(),
            TooLarge,
        ),
        (
            "126 for a short one",
            vec![0x81, 0xfe, 0, 5, 0, 0, 0, 0, 1, 1, 1, 1, 1],
            Protocol,
        ),
        (
            "127 for a middle one",
            vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
            Protocol,
        ),
        (
            "2^63",
            vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Protocol,
        ),
        (
            "2^62",
            vec![0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            TooLarge,
        ),
    ];
    for (what, bytes, error) in cases {
        assert_eq!(read_in_all_ways(Role::Client, bytes), Err(*error), "{what}");
    }
    let masked = frame(Role::Client, 0x81, b"x");
    assert_eq!(
        read_in_all_ways(Role::Server, &masked),
        Err(Protocol),
        "a masked server"
    );
}

#[test]
fn an_announced_length_reserves_no_memory() {
    let mut reader = Reader::new(Role::Server, usize::MAX >> 1);
    let mut head = [0x81, 127, 0, 0, 0x10, 0, 0, 0, 0, 0, b'a'];
    assert_eq!(reader.next(&mut &mut head[..]), Ok(None));
    assert!(reader.message.capacity() < 1000);
}

#[test]
fn what_is_written_can_be_read() {
    for role in [Role::Client, Role::Server] {
        let (writer, mut out) = (Writer(role), Vec::new());
        for length in [0, 125, 126, LIMIT] {
            writer.text(&"x".repeat(length), &mut out);
        }
        writer.ping(&mut out);
        writer.pong(b"payload", &mut out);
        let reason = "ä".repeat(100).into();
        writer.close(Some(&Closed { code: 1008, reason }), &mut out);
        let events = read_in_all_ways(role, &out).unwrap();
        assert_eq!(events.len(), 7);
        assert_eq!(events[1], format!("text {}", "x".repeat(125)));
        assert_eq!(events[4..6], ["ping ", "pong"]);
        assert_eq!(events[6], format!("close 1008 {}", "ä".repeat(61)));
    }
}
