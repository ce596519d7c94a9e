//! What heads say about the length of the body, and what each is read as.

use super::*;

#[test]
fn a_length_is_one_number() {
    const NUMBER: &str = "! a Content-Length is not a number";
    const DIFFERENT: &str = "! two different Content-Length";
    let length = |value: &str| with(&format!("Content-Length: {value}\r\n"));
    let lengths = |one: &str, other: &str| {
        with(&format!(
            "Content-Length: {one}\r\nContent-Length: {other}\r\n"
        ))
    };
    check(&[
        get(length("2"), "200 [content-length=2] ok kept"),
        get(length("002"), "200 [content-length=002] ok kept"),
        get(length("0"), "200 [content-length=0]  kept + 2 more"),
        get(length("1"), "200 [content-length=1] o kept + 1 more"),
        get(
            length("3"),
            "200 [content-length=3] ok! the connection was closed before the end of the body",
        ),
        get(
            length("18446744073709551613"),
            "200 [content-length=18446744073709551613] ok! the connection was closed before the \
             end of the body",
        ),
        get(length("2, 2"), "200 [content-length=2, 2] ok kept"),
        get(
            lengths("2", "2"),
            "200 [content-length=2, content-length=2] ok kept",
        ),
        get(
            lengths("2", "02"),
            "200 [content-length=2, content-length=02] ok kept",
        ),
        get(length("18446744073709551614"), NUMBER),
        get(length("18446744073709551616"), NUMBER),
        get(length("99999999999999999999999"), NUMBER),
        get(length("+2"), NUMBER),
        get(length("-2"), NUMBER),
        get(length("0x2"), NUMBER),
        get(length("2.0"), NUMBER),
        get(length("2 2"), NUMBER),
        get(length(""), NUMBER),
        get(length("2,"), NUMBER),
        get(length(",2"), NUMBER),
        get(length("2;2"), NUMBER),
        get(length("2, 3"), DIFFERENT),
        get(lengths("2", "3"), DIFFERENT),
        get(lengths("2", "x"), NUMBER),
        get(lengths("x", "2"), NUMBER),
    ]);
}

#[test]
fn the_only_coding_is_one_chunked() {
    const OTHER: &str = "! a Transfer-Encoding other than chunked";
    let coded = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n2\r\nok\r\n0\r\n\r\n");
    let old = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n\
               2\r\nok\r\n0\r\n\r\n";
    check(&[
        get(
            coded("Transfer-Encoding: chunked\r\n"),
            "200 [transfer-encoding=chunked] ok kept",
        ),
        get(
            coded("Transfer-Encoding:  CHUNKED \r\n"),
            "200 [transfer-encoding=CHUNKED] ok kept",
        ),
        get(
            coded("Content-Length: 50\r\nTransfer-Encoding: chunked\r\n"),
            "200 [content-length=50, transfer-encoding=chunked] ok closed",
        ),
        get(
            coded("Transfer-Encoding: chunked\r\nContent-Length: x\r\n"),
            "200 [transfer-encoding=chunked, content-length=x] ok closed",
        ),
        get(coded("Transfer-Encoding: gzip, chunked\r\n"), OTHER),
        get(coded("Transfer-Encoding: chunked, gzip\r\n"), OTHER),
        get(
            coded("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
            OTHER,
        ),
        get(
            coded("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"),
            OTHER,
        ),
        get(coded("Transfer-Encoding: chunked, chunked\r\n"), OTHER),
        get(
            coded("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            OTHER,
        ),
        get(
            coded("Transfer-Encoding: identity\r\nContent-Length: 2\r\n"),
            OTHER,
        ),
        get(coded("Transfer-Encoding: xchunked\r\n"), OTHER),
        get(coded("Transfer-Encoding: chunked;q=1\r\n"), OTHER),
        get(coded("Transfer-Encoding: \"chunked\"\r\n"), OTHER),
        get(coded("Transfer-Encoding: ,chunked\r\n"), OTHER),
        get(
            coded("Transfer-Encoding: chunked\x0b\r\n"),
            "! a header field's value has a control character",
        ),
        get(coded("Transfer-Encoding:\r\n"), OTHER),
        get(old, "! a Transfer-Encoding in HTTP/1.0"),
    ]);
}

#[test]
fn some_answers_have_no_body_whatever_they_declare() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(&[
        answer_to(Method::HEAD, head, "200 [content-length=2]  kept"),
        answer_to(
            Method::HEAD,
            format!("{head}ok"),
            "200 [content-length=2]  kept + 2 more",
        ),
        answer_to(
            Method::HEAD,
            chunked,
            "200 [transfer-encoding=chunked]  kept",
        ),
        answer_to(Method::HEAD, "HTTP/1.1 200 OK\r\n\r\n", "200 []  kept"),
        answer_to(Method::CONNECT, head, "200 [content-length=2]  closed"),
        answer_to(
            Method::CONNECT,
            format!("{}no", head.replace("200 OK", "403 Forbidden")),
            "403 [content-length=2] no kept",
        ),
        get(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            "304 [content-length=9]  kept",
        ),
        get(
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "204 [content-length=0]  kept",
        ),
        get(
            "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
            "204 [content-length=2]  closed + 2 more",
        ),
        get(
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
            "204 [transfer-encoding=chunked]  closed",
        ),
        get(
            "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
            "205 [content-length=0]  kept",
        ),
        get(
            "HTTP/1.1 200 OK\r\n\r\nto the end",
            "200 [] to the end closed",
        ),
        get("HTTP/1.1 200 OK\r\n\r\n", "200 []  closed"),
    ]);
}
