//! Bodies in chunks that servers send, and what each is read as.

use super::*;
use crate::proxy::h1::limits::{MAX_EXTENSIONS, MAX_TRAILERS};

const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// An answer with this body, and what is read of it.
fn chunked(body: impl AsRef<[u8]>, read: &str) -> Row {
    let sent = [HEAD.as_bytes(), body.as_ref()].concat();
    get(sent, &format!("200 [transfer-encoding=chunked] {read}"))
}

#[test]
fn chunks_are_as_long_as_they_say() {
    const SIZE: &str = "! a chunk size is not hexadecimal";
    const LARGE: &str = "! a chunk size is too large";
    const LINE: &str = "! the line of a chunk size does not end with CR LF";
    const CHUNK: &str = "! a chunk does not end where its size says";
    const CUT: &str = "! the connection was closed before the end of the body";
    check(&[
        chunked("0\r\n\r\n", " kept"),
        chunked("2\r\nok\r\n0\r\n\r\n", "ok kept"),
        chunked("1\r\no\r\n1\r\nk\r\n0\r\n\r\n", "ok kept"),
        chunked(
            "A\r\n0123456789\r\na\r\nabcdefghij\r\n000\r\n\r\n",
            "0123456789abcdefghij kept",
        ),
        chunked("0000000000000002\r\nok\r\n0\r\n\r\n", "ok kept"),
        chunked("00000000000000002\r\nok\r\n0\r\n\r\n", LARGE),
        chunked("ffffffffffffffff\r\nok", &format!("ok{CUT}")),
        chunked("10000000000000000\r\nok", LARGE),
        chunked(
            "2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
            "ok kept + 17 more",
        ),
        chunked("2 \t\r\nok\r\n0 \r\n\r\n", "ok kept"),
        chunked("+2\r\nok\r\n0\r\n\r\n", SIZE),
        chunked("-2\r\nok\r\n0\r\n\r\n", SIZE),
        chunked("0x2\r\nok\r\n0\r\n\r\n", SIZE),
        chunked(" 2\r\nok\r\n0\r\n\r\n", SIZE),
        chunked("2 2\r\nok\r\n0\r\n\r\n", SIZE),
        chunked("2\0\r\nok\r\n0\r\n\r\n", SIZE),
        chunked("g\r\n", SIZE),
        chunked("\r\n0\r\n\r\n", SIZE),
        chunked("\n0\r\n\r\n", SIZE),
        chunked(";\r\n0\r\n\r\n", SIZE),
        chunked("2\nok\r\n0\r\n\r\n", SIZE),
        chunked("2\r\rok\r\n0\r\n\r\n", LINE),
        chunked("2\r\nokk\r\n0\r\n\r\n", &format!("ok{CHUNK}")),
        chunked("2\r\nok\n0\r\n\r\n", &format!("ok{CHUNK}")),
        chunked("2\r\nok\r\r0\r\n\r\n", &format!("ok{CHUNK}")),
        chunked("2\r\nok0\r\n\r\n", &format!("ok{CHUNK}")),
        chunked("3\r\nok\r\n0\r\n\r\n", &format!(r"ok\r{CHUNK}")),
        chunked("2\r\nok\r\n", &format!("ok{CUT}")),
        chunked("2\r\nok", &format!("ok{CUT}")),
        chunked("2\r\no", &format!("o{CUT}")),
        chunked("2\r\nok\r\n0\r\n", &format!("ok{CUT}")),
        chunked("2\r\nok\r\n0\r\n\r", &format!("ok{CUT}")),
        chunked("2", CUT),
        chunked("", CUT),
    ]);
}

#[test]
fn extensions_are_skipped_up_to_a_limit() {
    const LINE: &str = "! the line of a chunk size does not end with CR LF";
    const MANY: &str = "! the chunk extensions are larger than 16 KiB";
    let long = |count: usize| format!("2;{}\r\nok\r\n0\r\n\r\n", "x".repeat(count));
    let many = "1;abcdefg\r\nx\r\n".repeat(MAX_EXTENSIONS / 7 + 1);
    check(&[
        chunked("2;a=b\r\nok\r\n0;c\r\n\r\n", "ok kept"),
        chunked("2 ; a=\"b;c\"\r\nok\r\n0\r\n\r\n", "ok kept"),
        chunked("2;a\nb\r\nok\r\n0\r\n\r\n", LINE),
        chunked("2;a\rb\r\nok\r\n0\r\n\r\n", LINE),
        chunked(long(MAX_EXTENSIONS - 1), "ok kept"),
        chunked(long(MAX_EXTENSIONS), MANY),
        chunked(format!("2{}\r\nok", " ".repeat(MAX_EXTENSIONS)), MANY),
        chunked(many, &format!("{}{MANY}", "x".repeat(MAX_EXTENSIONS / 7))),
    ]);
}

#[test]
fn trailers_are_fields_up_to_a_limit() {
    const WRONG: &str = "! the trailers are not valid header fields";
    const LARGE: &str = "! the trailers are larger than 16 KiB";
    let end = |lines: &str| format!("2\r\nok\r\n0\r\n{lines}\r\n");
    let long = |size: usize| {
        end(&format!(
            "a: {}\r\n",
            "b".repeat(size - "a: \r\n\r\n".len())
        ))
    };
    let longest = MAX_TRAILERS - 1;
    let value = "b".repeat(longest - "a: \r\n\r\n".len());
    check(&[
        chunked(end("A: b\r\n"), "ok [a=b] kept"),
        chunked(end("a: b\r\nA:c\r\nd:\r\n"), "ok [a=b, a=c, d=] kept"),
        chunked(end("a: b\r\n") + "more", "ok [a=b] kept + 4 more"),
        chunked(end("a : b\r\n"), &format!("ok{WRONG}")),
        chunked(end("a: b\r\n c\r\n"), &format!("ok{WRONG}")),
        chunked(end(" a: b\r\n"), &format!("ok{WRONG}")),
        chunked(end("a\r\n"), &format!("ok{WRONG}")),
        chunked(end(": b\r\n"), &format!("ok{WRONG}")),
        chunked(end("a: b\0\r\n"), &format!("ok{WRONG}")),
        chunked(end("a: b\nc: d\r\n"), &format!("ok{WRONG}")),
        chunked(end("a: b\rc: d\r\n"), &format!("ok{WRONG}")),
        chunked("2\r\nok\r\n0\r\n\n", &format!("ok{WRONG}")),
        chunked(
            "2\r\nok\r\n0\r\n\rx",
            "ok! the line of a chunk size does not end with CR LF",
        ),
        chunked(end("HTTP/1.1 200 OK\r\n"), &format!("ok{WRONG}")),
        chunked(
            "2\r\nok\r\n0\r\na: b\r\n",
            "ok! the connection was closed before the end of the body",
        ),
        chunked(long(longest), &format!("ok [a={value}] kept")),
        chunked(long(longest + 1), &format!("ok{LARGE}")),
        chunked(
            end(&"a: b\r\n".repeat(MAX_FIELDS + 1)),
            "ok! more than 256 trailers",
        ),
    ]);
}
