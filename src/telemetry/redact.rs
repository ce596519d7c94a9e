//! What of a request target may stand in a log.

/// Session and handle ids of Janus have up to 16 digits, and whoever knows one has the session. Numbers with fewer
/// digits than this are left readable: they are versions, rooms and years.
const ID_DIGITS: usize = 6;

/// A path and query with everything secret taken out: numeric ids in the path, and every value of the query, since a
/// token may stand under any name.
pub fn target(path: &str, query: Option<&str>) -> String {
    let mut out = String::with_capacity(path.len());
    for (at, segment) in path.split('/').enumerate() {
        if at > 0 {
            out.push('/');
        }
        let is_id = segment.len() >= ID_DIGITS && segment.bytes().all(|b| b.is_ascii_digit());
        out.push_str(if is_id { "*" } else { segment });
    }
    for (at, pair) in query.into_iter().flat_map(|q| q.split('&')).enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            // The padding of a bare Base64 token, not a name without a value.
            Some((_, rest)) if rest.bytes().all(|b| b == b'=') && pair.len() % 4 == 0 => out.push('*'),
            Some((name, _)) => {
                out.push_str(name);
                out.push_str("=*");
            }
            None => out.push('*'),
        }
    }
    out
}

/// Bytes as a log can show them: what would steer a terminal, or end a line for some reader, is replaced.
pub fn text(bytes: &[u8]) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    String::from_utf8_lossy(bytes).replace(steers, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(text("a\u{9b}1m\u{2028}\x1b\r\nä\"".as_bytes()), "a\u{fffd}1m\u{fffd}\u{fffd}\u{fffd}\u{fffd}ä\"");
        assert_eq!(text(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn secrets_are_taken_out() {
        for (path, query, want) in [
            ("/janus/info", None, "/janus/info"),
            ("/janus/6849467271614562/15", Some("rid=1&maxev=5"), "/janus/*/15?rid=*&maxev=*"),
            ("/kurento", Some("access_token=eyJ.a.b"), "/kurento?access_token=*"),
            ("/x", Some("eyJhbGciOi"), "/x?*"),
            ("/x", Some("a=b=c&token=s"), "/x?a=*&token=*"),
            ("/x", Some("c2VjcmV0LXRva2VuLTE=&b="), "/x?*&b=*"),
            ("/v1/room/1234", Some(""), "/v1/room/1234?*"),
        ] {
            assert_eq!(target(path, query), want);
        }
    }
}
