//! Removes secrets from request targets before they are logged.

use super::escape;

/// Session and handle ids of Janus have up to 16 digits, and a client that knows one can use the
/// session. Numbers with fewer digits than this stay readable: versions, rooms and years.
const ID_DIGITS: usize = 6;

/// The longest part of a text that is looked at, in bytes.
const LONGEST: usize = escape::FIELD;

/// Appends a path and query without secrets: numeric ids in the path and all values of the query,
/// since a token may have any name, become `*`. It is a JSON string, [escaped and
/// cut](escape::field) for a log.
pub fn target(out: &mut Vec<u8>, path: &str, query: Option<&str>) {
    escape::quoted(out, |out| {
        // The rest will be cut off.
        let most = out.len() + LONGEST;
        without_ids(out, path.as_bytes(), most);
        if let Some(query) = query {
            without_values(out, query, most);
        }
    });
}

/// Appends a path, up to about the length `most` of `out`.
fn without_ids(out: &mut Vec<u8>, path: &[u8], most: usize) {
    // What is copied next begins at `from`, the segment at `start`.
    let (mut from, mut start) = (0, 0);
    for segment in path.split(|byte| *byte == b'/') {
        if out.len() + (start - from) > most {
            break;
        }
        let end = start + segment.len();
        if segment.len() >= ID_DIGITS && segment.iter().all(u8::is_ascii_digit) {
            out.extend_from_slice(&path[from..start]);
            out.push(b'*');
            from = end;
        }
        start = end + 1;
    }
    let end = path.len().min(start);
    out.extend_from_slice(&path[from..end]);
}

/// Appends a query, up to about the length `most` of `out`.
fn without_values(out: &mut Vec<u8>, query: &str, most: usize) {
    for (at, pair) in query.split('&').enumerate() {
        if out.len() > most {
            break;
        }
        out.push(if at == 0 { b'?' } else { b'&' });
        match pair.split_once('=') {
            // The padding of a Base64 token, not a name without a value.
            Some((_, rest)) if rest.bytes().all(|b| b == b'=') && pair.len() % 4 == 0 => {
                out.push(b'*')
            }
            Some((name, _)) => {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"=*");
            }
            None => out.push(b'*'),
        }
    }
}

/// Appends text of a client as a JSON string, [escaped and cut](escape::field) for a log.
pub fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    // Up to four bytes more, so that the last character is complete.
    let cut = &bytes[..bytes.len().min(LONGEST + 4)];
    escape::quoted(out, |out| out.extend_from_slice(cut));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"host=".to_vec();
        write(&mut out);
        serde_json::from_slice(out.strip_prefix(b"host=").unwrap()).unwrap()
    }

    fn target(path: &str, query: Option<&str>) -> String {
        of(|out| super::target(out, path, query))
    }

    fn text(bytes: &[u8]) -> String {
        of(|out| super::text(out, bytes))
    }

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(
            text("a\u{9b}1m\u{2028}\x1b\r\nä\"".as_bytes()),
            "a\\u{9b}1m\\u{2028}\\u{1b}\\r\\nä\""
        );
        assert_eq!(text(b"\xff"), "\u{fffd}");
        assert_eq!(
            target("/\u{9b}2J/\u{202e}", Some("\u{2028}=1&b")),
            "/\\u{9b}2J/\\u{202e}?\\u{2028}=*&*"
        );
    }

    #[test]
    fn what_is_long_is_cut() {
        let most = escape::FIELD + '\u{2026}'.len_utf8();
        let long = "x".repeat(60_000);
        for cut in [
            text(long.as_bytes()),
            text(&[0xff; 60_000]),
            text("\u{9b}".repeat(60_000).as_bytes()),
            target(&format!("/{long}"), Some(&long)),
            target(&"/1".repeat(30_000), None),
            target("/", Some(&"\u{202e}=&".repeat(10_000))),
            target("/", Some(&format!("{long}={long}"))),
        ] {
            assert!(cut.len() <= most && cut.ends_with('\u{2026}'), "{cut}");
        }
        assert_eq!(target(&format!("/{}", "1".repeat(60_000)), None), "/*");
    }

    #[test]
    fn secrets_are_taken_out() {
        for (path, query, want) in [
            ("/janus/info", None, "/janus/info"),
            (
                "/janus/6849467271614562/15",
                Some("rid=1&maxev=5"),
                "/janus/*/15?rid=*&maxev=*",
            ),
            (
                "/kurento",
                Some("access_token=eyJ.a.b"),
                "/kurento?access_token=*",
            ),
            ("/x", Some("eyJhbGciOi"), "/x?*"),
            ("/x", Some("a=b=c&token=s"), "/x?a=*&token=*"),
            ("/x", Some("c2VjcmV0LXRva2VuLTE=&b="), "/x?*&b=*"),
            ("/v1/room/1234", Some(""), "/v1/room/1234?*"),
            ("/123456", None, "/*"),
            ("/123456/", None, "/*/"),
            ("//123456//12345/654321", None, "//*//12345/*"),
            ("123456/1234567", None, "*/*"),
            ("-", None, "-"),
            ("", None, ""),
        ] {
            assert_eq!(target(path, query), want);
        }
    }
}
