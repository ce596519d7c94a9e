//! Removes secrets from request targets before they are logged.

use super::escape;

/// Session and handle ids of Janus have up to 16 digits, and a client that knows one can use the
/// session. Numbers with fewer digits than this stay readable: versions, rooms and years.
const ID_DIGITS: usize = 6;

/// The longest part of a text that is looked at, in bytes.
const LONGEST: usize = escape::FIELD;

/// A path and query without secrets: numeric ids in the path and all values of the query, since a
/// token may have any name, become `*`. [Escaped and cut](escape::field) for a log.
pub fn target(path: &str, query: Option<&str>) -> String {
    let mut out = String::with_capacity((path.len() + query.map_or(0, str::len)).min(LONGEST));
    for (at, segment) in path.split('/').enumerate() {
        // The rest will be cut off.
        if out.len() > LONGEST {
            break;
        }
        if at > 0 {
            out.push('/');
        }
        let is_id = segment.len() >= ID_DIGITS && segment.bytes().all(|b| b.is_ascii_digit());
        out.push_str(if is_id { "*" } else { segment });
    }
    for (at, pair) in query.into_iter().flat_map(|q| q.split('&')).enumerate() {
        if out.len() > LONGEST {
            break;
        }
        out.push(if at == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            // The padding of a Base64 token, not a name without a value.
            Some((_, rest)) if rest.bytes().all(|b| b == b'=') && pair.len() % 4 == 0 => {
                out.push('*')
            }
            Some((name, _)) => {
                out.push_str(name);
                out.push_str("=*");
            }
            None => out.push('*'),
        }
    }
    if escape::is_field(&out) {
        out
    } else {
        escape::field(&out)
    }
}

/// Text of a client, [escaped and cut](escape::field) for a log.
pub fn text(bytes: &[u8]) -> String {
    // Up to four bytes more, so that the last character is complete.
    let cut = &bytes[..bytes.len().min(LONGEST + 4)];
    escape::field(&String::from_utf8_lossy(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert_eq!(target(path, query), want);
        }
    }
}
