//! What requests are written as.

use http::Uri;
use http::header::{HeaderMap, HeaderValue};

use super::*;

fn head(method: &Method, target: &str, fields: &[(&'static str, &[u8])]) -> String {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    let mut out = Vec::new();
    let target = target.parse::<Uri>().unwrap();
    write_head(&mut out, method, &target, &headers, |_| {});
    out.escape_ascii().to_string()
}

#[test]
fn a_head_is_written_in_origin_form() {
    for (target, written) in [
        ("/", "/"),
        ("/a%20b?c=d&e", "/a%20b?c=d&e"),
        ("http://a.test/b", "/b"),
        ("http://a.test", "/"),
        ("http://a.test?b=c", "/?b=c"),
        ("*", "*"),
    ] {
        let line = format!(r"OPTIONS {written} HTTP/1.1\r\n\r\n");
        assert_eq!(head(&Method::OPTIONS, target, &[]), line, "{target}");
    }
    assert_eq!(
        head(&Method::CONNECT, "a.test:1", &[]),
        r"CONNECT a.test:1 HTTP/1.1\r\n\r\n"
    );
}

#[test]
fn fields_are_written_as_bytes_in_their_order() {
    let fields: &[(&str, &[u8])] = &[("host", b"a.test"), ("x-b", b"\xff\t c"), ("x-d", b"")];
    assert_eq!(
        head(&Method::GET, "/", fields),
        r"GET / HTTP/1.1\r\nhost: a.test\r\nx-b: \xff\t c\r\nx-d: \r\n\r\n"
    );
}

/// A body of these pieces.
fn written(
    mut encoder: BodyEncoder,
    pieces: &[&[u8]],
    trailers: Option<&HeaderMap>,
) -> Result<Vec<u8>, LengthMismatch> {
    let mut out = Vec::new();
    for piece in pieces {
        encoder.begin(piece.len(), &mut out)?;
        out.extend_from_slice(piece);
        out.extend_from_slice(encoder.end(piece.len()));
    }
    encoder.finish(trailers, &mut out)?;
    Ok(out)
}

#[test]
fn a_body_in_chunks_is_read_as_what_was_written() {
    let mut trailers = HeaderMap::new();
    trailers.append("x-sum", HeaderValue::from_static("1"));
    trailers.append("x-sum", HeaderValue::from_static("2"));
    for size in [
        1,
        9,
        10,
        15,
        16,
        17,
        255,
        256,
        4095,
        4096,
        65_535,
        65_536,
        1 << 20,
    ] {
        let data = vec![b'x'; size];
        let body = written(BodyEncoder::chunked(), &[&data, b"", b"y"], Some(&trailers)).unwrap();
        assert!(body.starts_with(format!("{size:x}\r\nx").as_bytes()));
        assert!(body.ends_with(b"x\r\n1\r\ny\r\n0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n"));
        let mut buf = BytesMut::from(body.as_slice());
        let mut decoder = BodyDecoder::new(BodyLength::Chunked);
        let mut read = 0;
        while let Decoded::Data(piece) = decoder.decode(&mut buf).unwrap() {
            read += piece.len();
        }
        assert_eq!((read, buf.len(), decoder.is_done()), (size + 1, 0, true));
    }
    let empty = written(BodyEncoder::chunked(), &[], None).unwrap();
    assert_eq!(empty, b"0\r\n\r\n");
}

#[test]
fn a_body_is_exactly_as_long_as_declared() {
    let exact = |length, pieces: &[&[u8]]| written(BodyEncoder::exact(length), pieces, None);
    assert_eq!(exact(0, &[]).unwrap(), b"");
    assert_eq!(exact(4, &[b"ab", b"", b"cd"]).unwrap(), b"abcd");
    assert_eq!(exact(5, &[b"ab", b"cd"]), Err(LengthMismatch::TooShort));
    assert_eq!(exact(3, &[b"ab", b"cd"]), Err(LengthMismatch::TooLong));
    assert_eq!(exact(0, &[b"a"]), Err(LengthMismatch::TooLong));
    let trailers = HeaderMap::new();
    let body = written(BodyEncoder::exact(1), &[b"a"], Some(&trailers));
    assert_eq!(body.unwrap(), b"a");
}
