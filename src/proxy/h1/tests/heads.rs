//! Heads that servers send, and what each is read as.

use super::*;

#[test]
fn a_status_line_is_that_of_http_1_and_needs_no_reason() {
    const LINE: &str = "! the status line is not HTTP";
    const VERSION: &str = "! the answer does not begin with HTTP/1.0 or HTTP/1.1";
    check(&[
        get("HTTP/1.1 204 No Content\r\n\r\n", "204 []  kept"),
        get("HTTP/1.1 204 \r\n\r\n", "204 () []  kept"),
        get("HTTP/1.1 204\r\n\r\n", "204 () []  kept"),
        get("HTTP/1.1 204 Gone home\r\n\r\n", "204 (Gone home) []  kept"),
        get(
            "HTTP/1.1 204  No Content\r\n\r\n",
            "204 ( No Content) []  kept",
        ),
        get(b"HTTP/1.1 204 Kein \xc4rger\r\n\r\n", "204 () []  kept"),
        get("HTTP/1.1 204 a\tb\r\n\r\n", r"204 (a\tb) []  kept"),
        get(
            "HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n",
            "999 () [content-length=0]  kept",
        ),
        get("HTTP/1.1 204 a\0b\r\n\r\n", LINE),
        get("HTTP/1.1 204 a\rb\r\n\r\n", LINE),
        get("HTTP/1.1 099 Low\r\n\r\n", LINE),
        get("HTTP/1.1 20 OK\r\n\r\n", LINE),
        get("HTTP/1.1 2000 OK\r\n\r\n", LINE),
        get("HTTP/1.1 +20 OK\r\n\r\n", LINE),
        get("HTTP/1.1 abc OK\r\n\r\n", LINE),
        get("HTTP/1.1  200 OK\r\n\r\n", LINE),
        get("HTTP/1.1\r\n\r\n", VERSION),
        get("HTTP/1.1\t200 OK\r\n\r\n", VERSION),
        get("HTTP/0.9 200 OK\r\n\r\n", VERSION),
        get("HTTP/1.2 200 OK\r\n\r\n", VERSION),
        get("HTTP/2.0 200 OK\r\n\r\n", VERSION),
        get("http/1.1 200 OK\r\n\r\n", VERSION),
        get(" HTTP/1.1 200 OK\r\n\r\n", VERSION),
        get("ICY 200 OK\r\n\r\n", VERSION),
        get("SSH-2.0-OpenSSH_9.2\r\n", VERSION),
        get("<html>an answer of HTTP/0.9</html>", VERSION),
        get(b"\x16\x03\x01\x00\x05hello", VERSION),
    ]);
}

#[test]
fn empty_lines_and_single_line_feeds_are_read_as_hyper_does() {
    check(&[
        get("\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "204 []  kept"),
        get("\n\nHTTP/1.1 204 No Content\r\n\r\n", "204 []  kept"),
        get("HTTP/1.1 204 No Content\na: b\n\n", "204 [a=b]  kept"),
        get("HTTP/1.1 204\na: b\r\n\n", "204 () [a=b]  kept"),
        get(
            "\rHTTP/1.1 204 No Content\r\n\r\n",
            "! a line ends with CR alone",
        ),
        get(
            "HTTP/1.1 204 No Content\r\n\rx",
            "! a line ends with CR alone",
        ),
        get("HTTP/1.1 204 No Content\r\na: b\r\n", "! no head"),
        get("HTTP/1.1 204 No Content", "! no head"),
        get("\r\n", "! no head"),
        get("", "! no head"),
    ]);
}

#[test]
fn names_and_values_are_those_of_fields() {
    const NAME: &str = "! a header field's name is not valid, or the line is folded";
    const VALUE: &str = "! a header field's value has a control character";
    let length = "Content-Length: 2\r\n";
    let fields = |lines: &str| with(&format!("{lines}{length}"));
    check(&[
        get(fields("X-A:b\r\n"), "200 [x-a=b, content-length=2] ok kept"),
        get(
            fields("X-A: \t b c \t\r\n"),
            "200 [x-a=b c, content-length=2] ok kept",
        ),
        get(fields("X-A:\r\n"), "200 [x-a=, content-length=2] ok kept"),
        get(
            fields("X-A: a\r\nx-a: b\r\n"),
            "200 [x-a=a, x-a=b, content-length=2] ok kept",
        ),
        get(
            fields("a!#$%&'*+-.^_`|~9: b\r\n"),
            "200 [a!#$%&'*+-.^_`|~9=b, content-length=2] ok kept",
        ),
        get(
            fields("X-A: a:b\r\n"),
            "200 [x-a=a:b, content-length=2] ok kept",
        ),
        get(
            [b"HTTP/1.1 204 No Content\r\na: \xff\xc3\xa4\r\n\r\n".as_slice()].concat(),
            r"204 [a=\xff\xc3\xa4]  kept",
        ),
        get(fields("X-A : b\r\n"), NAME),
        get(fields("X-A\t: b\r\n"), NAME),
        get(fields(" X-A: b\r\n"), NAME),
        get(fields("X-A: b\r\n folded\r\n"), NAME),
        get(fields("X-A: b\r\n\tfolded\r\n"), NAME),
        get(fields("X A: b\r\n"), NAME),
        get(fields("X-A\r\n"), NAME),
        get(fields(": b\r\n"), NAME),
        get(fields("X-\0: b\r\n"), NAME),
        get(fields("X-ä: b\r\n"), NAME),
        get(fields("X-A: b\0c\r\n"), VALUE),
        get(fields("X-A: b\rc\r\n"), VALUE),
        get(fields("X-A: b\x7fc\r\n"), VALUE),
        get(fields("X-A: \x01\r\n"), VALUE),
        get(fields("X-A: b\r\r\n"), VALUE),
    ]);
}

#[test]
fn interim_answers_come_before_the_answer() {
    let last = "HTTP/1.1 204 No Content\r\n\r\n";
    check(&[
        get(
            format!("HTTP/1.1 100 Continue\r\n\r\n{last}"),
            "100 [] 204 []  kept",
        ),
        get(
            format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 \r\n\r\n{last}"),
            "103 [link=</x>] 102 () [] 204 []  kept",
        ),
        get(
            format!("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n{last}"),
            "100 [content-length=5] 204 []  kept",
        ),
        get("HTTP/1.1 100 Continue\r\n\r\n", "100 [] ! no head"),
        get(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x01\x02",
            "101 [upgrade=websocket]  closed + 2 more",
        ),
    ]);
}

#[test]
fn a_connection_is_kept_as_version_and_connection_say() {
    let answer = |version: &str, lines: &str| {
        format!("HTTP/1.{version} 200 OK\r\n{lines}Content-Length: 2\r\n\r\nok")
    };
    let is_kept = |version: &str, lines: &str| {
        let read = read(&Method::GET, [answer(version, lines).as_bytes()]);
        assert!(read.contains("ok "), "{read}");
        read.ends_with(" kept")
    };
    assert!(is_kept("1", ""));
    assert!(is_kept("1", "Connection: keep-alive\r\n"));
    assert!(is_kept("1", "Connection: closed\r\n"));
    assert!(is_kept("0", "Connection: Keep-Alive\r\n"));
    assert!(is_kept("0", "Connection: x, keep-alive\r\n"));
    assert!(!is_kept("1", "Connection: close\r\n"));
    assert!(!is_kept("1", "Connection: x ,\tCLOSE\r\n"));
    assert!(!is_kept(
        "1",
        "Connection: close\r\nConnection: keep-alive\r\n"
    ));
    assert!(!is_kept(
        "1",
        "Connection: keep-alive\r\nConnection: close\r\n"
    ));
    assert!(!is_kept("0", ""));
    assert!(!is_kept("0", "Connection: x\r\n"));
    assert!(!is_kept("0", "Connection: keep-alive, close\r\n"));
}

#[test]
fn a_head_has_a_largest_size_and_count_of_fields() {
    let padded = |size: usize| {
        let (start, end) = ("HTTP/1.1 204 No Content\r\na: ", "\r\n\r\n");
        let padding = "b".repeat(size - start.len() - end.len());
        format!("{start}{padding}{end}")
    };
    let whole = read(&Method::GET, [padded(MAX_HEAD).as_bytes()]);
    assert!(whole.ends_with("b]  kept"), "{}", whole.len());
    let in_two = read(
        &Method::GET,
        padded(MAX_HEAD).as_bytes().chunks(MAX_HEAD - 1),
    );
    assert_eq!(in_two, whole);
    let fields = |count: usize| {
        format!(
            "HTTP/1.1 204 No Content\r\n{}\r\n",
            "a: b\r\n".repeat(count)
        )
    };
    let read_fields = |count: usize| read(&Method::GET, [fields(count).as_bytes()]);
    assert_eq!(read_fields(MAX_FIELDS).matches("a=b").count(), MAX_FIELDS);
    const TOO_LARGE: &str = "! the head is larger than 32 KiB";
    for large in [padded(MAX_HEAD + 1), padded(MAX_HEAD * 2)] {
        assert_eq!(read(&Method::GET, [large.as_bytes()]), TOO_LARGE);
        assert_eq!(read(&Method::GET, large.as_bytes().chunks(1000)), TOO_LARGE);
    }
    assert_eq!(
        read_fields(MAX_FIELDS + 1),
        "! the head has more than 256 fields"
    );
}
