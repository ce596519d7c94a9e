//! A PROXY header is read to its last byte and no further, however it is split into packets.
#![no_main]

#[path = "../slow.rs"]
mod slow;

use ianitor::serve::proxy_protocol::{Header, read};
use libfuzzer_sys::fuzz_target;
use slow::{Slow, now};

/// The longest header of version 1, and of version 2.
const LONGEST: [usize; 2] = [107, 16 + 65_535];

fuzz_target!(|data: &[u8]| {
    let outcome = |at_once: usize| {
        let mut stream = Slow::new(data, at_once);
        let header = now(read(&mut stream)).map_err(|error| error.kind());
        (header, stream.rest().len())
    };
    let (header, rest) = outcome(usize::MAX);
    let read = data.len() - rest;
    match &header {
        Ok(Header::None) => assert!(data.is_empty()),
        Ok(Header::Client(_) | Header::OfBalancer) => {
            let header = &data[..read];
            match header.starts_with(b"PROXY ") {
                true => assert!(header.ends_with(b"\r\n") && read <= LONGEST[0]),
                false => assert!(header.starts_with(b"\r\n\r\n\0\r\nQUIT\n") && read <= LONGEST[1]),
            }
            // What follows does not matter.
            let mut alone = Slow::new(header, usize::MAX);
            assert!(now(ianitor::serve::proxy_protocol::read(&mut alone)).is_ok());
        }
        Err(_) => {}
    }
    for at_once in [1, 2, 13] {
        assert_eq!(outcome(at_once), (header.clone(), rest));
    }
});
