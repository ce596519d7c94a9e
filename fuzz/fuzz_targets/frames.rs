//! The follower of WebSocket frames knows where it stands, whatever pieces the stream comes in.
//!
//! Input: how many pieces, how long each is in turn, then the stream.
#![no_main]

use ianitor::tunnel::frames::{Follower, client_close, server_close};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&pieces, rest)) = data.split_first() else {
        return;
    };
    let (lengths, stream) = rest.split_at(usize::from(pieces % 16).min(rest.len()));

    let mut follower = Follower::new();
    let mut lengths = lengths.iter().cycle();
    let mut at = 0;
    while at < stream.len() {
        // At least one byte now and then, or this would never end; an empty piece is a piece too.
        follower.follow(&[]);
        let length = lengths
            .next()
            .map_or(1, |length| usize::from(*length))
            .max(1);
        let end = stream.len().min(at + length);
        follower.follow(&stream[at..end]);
        at = end;

        let so_far = Standing::after(&stream[..at]);
        assert_eq!(
            Standing::of(&follower),
            so_far,
            "in pieces, {at} bytes into the stream"
        );
        let mut whole = Follower::new();
        whole.follow(&stream[..at]);
        assert_eq!(
            Standing::of(&whole),
            so_far,
            "at once, {at} bytes into the stream"
        );
    }

    // Between two frames there is room for a close frame; what follows is read as before.
    if follower.is_between_frames() {
        for close in [
            server_close(1001, "going away"),
            client_close(1001, "going away"),
        ] {
            let mut follower = follower.clone();
            follower.follow(&close);
            assert!(follower.is_between_frames() && follower.has_seen_close());
        }
    }
    let reason = String::from_utf8_lossy(stream);
    for (frame, masked) in [
        (server_close(1000, &reason), false),
        (client_close(1000, &reason), true),
    ] {
        check_close(&frame, masked);
    }
});

/// A control frame that fits, whose reason is text (RFC 6455, sections 5.5 and 5.5.1).
fn check_close(frame: &[u8], masked: bool) {
    assert_eq!(
        Standing::after(frame),
        Standing {
            between_frames: true,
            close_seen: true
        }
    );
    assert_eq!(frame[1] & 0x80 != 0, masked);
    assert!(frame[1] & 0x7f <= 125);
    let body = &frame[if masked { 6 } else { 2 }..];
    assert_eq!(body.len(), usize::from(frame[1] & 0x7f));
    assert!(std::str::from_utf8(&body[2..]).is_ok());
}

#[derive(Debug, PartialEq, Eq)]
struct Standing {
    between_frames: bool,
    close_seen: bool,
}

impl Standing {
    fn of(follower: &Follower) -> Self {
        Self {
            between_frames: follower.is_between_frames(),
            close_seen: follower.has_seen_close(),
        }
    }

    /// The same by reading whole frames from the beginning, as RFC 6455, section 5.2 draws them.
    fn after(stream: &[u8]) -> Self {
        let mut rest = stream;
        let mut close_seen = false;
        while let Some(first) = rest.first() {
            close_seen |= first % 16 == 8;
            match frame_length(rest).and_then(|length| usize::try_from(length).ok()) {
                Some(length) if length <= rest.len() => rest = &rest[length..],
                _ => {
                    return Self {
                        between_frames: false,
                        close_seen,
                    };
                }
            }
        }
        Self {
            between_frames: true,
            close_seen,
        }
    }
}

/// How long the frame is that begins here, if enough of its head is there.
fn frame_length(bytes: &[u8]) -> Option<u128> {
    let second = *bytes.get(1)?;
    let mask = if second >= 128 { 4 } else { 0 };
    let (head, payload) = match second % 128 {
        126 => (
            4,
            u128::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => (
            10,
            u128::from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        ),
        short => (2, u128::from(short)),
    };
    Some(head + mask + payload)
}
