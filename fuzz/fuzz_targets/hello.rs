//! What a client begins with is recognized however it is split into packets, and a server name has
//! one spelling.
#![no_main]

#[path = "../slow.rs"]
mod slow;

use ianitor::host::HostName;
use ianitor::serve::hello::{FirstBytes, Hello};
use libfuzzer_sys::fuzz_target;
use slow::{Slow, now};

/// No ClientHello is larger.
const LARGEST: usize = 16 * 1024;

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Hello(Option<HostName>, bool),
    PlainHttp,
    ProxyHeader,
    None,
    Error,
}

fuzz_target!(|data: &[u8]| {
    // As it is, and as the body of a record with a handshake message.
    check(data);
    if let Ok(length) = u16::try_from(data.len() + 4) {
        let [high, low] = length.to_be_bytes();
        let message = [1, 0, (data.len() >> 8) as u8, data.len() as u8];
        check(&[&[0x16, 3, 1, high, low], &message[..], data].concat());
    }
});

fn check(data: &[u8]) {
    let at_once = see(data, usize::MAX);
    match &at_once {
        Seen::PlainHttp => assert!(data[0].is_ascii_uppercase()),
        Seen::ProxyHeader => {
            assert!(data.starts_with(b"PROXY ") || data.starts_with(b"\r\n\r\n\0"))
        }
        Seen::Hello(..) => assert_eq!(data[0], 0x16),
        Seen::None | Seen::Error => {}
    }
    // A header or a method that comes in parts looks like the beginning of something else.
    if data.first() == Some(&0x16) {
        for packet in [13, 100] {
            match (see(data, packet), &at_once) {
                // The TLS library judges what it has: the end of the data may come before an error.
                (seen, Seen::Error | Seen::None) => {
                    assert!(matches!(seen, Seen::Error | Seen::None | Seen::Hello(..)));
                }
                (seen, at_once) => assert_eq!(seen, *at_once),
            }
        }
    }
}

fn see(data: &[u8], packet: usize) -> Seen {
    let mut stream = Slow::new(data, packet);
    match now(Hello::read(&mut stream)) {
        Ok(FirstBytes::Hello(hello)) => {
            assert_eq!([&hello.bytes, stream.rest()].concat(), data);
            assert!(hello.bytes.len() <= 2 * LARGEST);
            let sni = hello.sni();
            if let Some(name) = &sni {
                assert_eq!(name.to_string().parse().as_ref(), Ok(name));
            }
            Seen::Hello(sni, hello.offers(b"h2"))
        }
        Ok(FirstBytes::PlainHttp) => Seen::PlainHttp,
        Ok(FirstBytes::ProxyHeader) => Seen::ProxyHeader,
        Ok(FirstBytes::None) => Seen::None,
        Err(_) => Seen::Error,
    }
}
