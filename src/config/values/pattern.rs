//! Patterns and variables of other proxies, which would be literal text here.

/// Variables of NGINX that stand in configurations for parts of a request.
const NGINX: [&str; 14] = [
    "args",
    "document_uri",
    "host",
    "hostname",
    "http_host",
    "is_args",
    "proxy_add_x_forwarded_for",
    "query_string",
    "remote_addr",
    "request_id",
    "request_uri",
    "scheme",
    "server_name",
    "uri",
];

/// The first part of a path that other proxies read as a pattern or a variable, and the whole
/// segments before it. Segments that are `variable` count as names.
pub(super) fn in_path<'p>(path: &'p str, variable: Option<&str>) -> Option<(&'p str, &'p str)> {
    // Nearly all paths have nothing that could be of a pattern.
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.');
    if path.bytes().all(is_plain) {
        return None;
    }
    let mut start = 0;
    for segment in path.split('/') {
        let is_name = variable == Some(segment);
        if let Some(pattern) = in_segment(segment).filter(|_| !is_name) {
            let front = path[..start].trim_end_matches('/');
            return Some((pattern, if front.is_empty() { "/" } else { front }));
        }
        start += segment.len() + 1;
    }
    None
}

fn in_segment(segment: &str) -> Option<&str> {
    // ":" and "(" occur in names, "/v1/room:close": only the usual spellings count.
    let is_named = segment
        .strip_prefix(':')
        .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
    if is_named {
        return Some(segment);
    }
    const SIGNS: [&str; 8] = [".*", ".+", "(?", "*", "^", "|", "[", "]"];
    let sign = SIGNS.iter().find_map(|sign| {
        let at = segment.find(sign)?;
        Some(&segment[at..at + sign.len()])
    });
    variable(segment)
        .or_else(|| within(segment, '{', '}'))
        .or_else(|| within(segment, '<', '>'))
        .or(sign)
        .or_else(|| escape(segment))
        .or_else(|| segment.strip_suffix('$').map(|rest| &segment[rest.len()..]))
}

/// A variable: `$1`, `${name}`, `$request_uri`, `{uri}`.
pub(super) fn in_url(url: &str) -> Option<&str> {
    variable(url).or_else(|| within(url, '{', '}'))
}

/// A variable in the value of a header, in the spelling of NGINX, Caddy or HAProxy. Braces and
/// dollars have other meanings too, so only known names count.
pub(in crate::config) fn in_header(value: &str) -> Option<&str> {
    const CADDY: [&str; 6] = [
        "{host}",
        "{remote_host}",
        "{remote}",
        "{scheme}",
        "{uri}",
        "{http.",
    ];
    let caddy = CADDY.iter().any(|name| value.contains(name));
    variable(value)
        .or_else(|| within(value, '{', '}').filter(|_| caddy))
        .or_else(|| within(value, '%', ']').filter(|text| text.starts_with("%[")))
}

/// `$1`, `${name}` and known names.
fn variable(text: &str) -> Option<&str> {
    text.match_indices('$').find_map(|(at, _)| {
        let rest = &text[at + 1..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let name = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_')
                .len();
        let is_known = NGINX.contains(&&rest[..name])
            || ["http_", "arg_", "cookie_"]
                .iter()
                .any(|kind| rest[..name].starts_with(kind));
        let length = match rest.strip_prefix('{') {
            Some(braced) => Some(braced.find('}')? + 2),
            None if digits > 0 => Some(digits),
            None => is_known.then_some(name),
        };
        length.map(|length| &text[at..=at + length])
    })
}

fn within(text: &str, open: char, close: char) -> Option<&str> {
    let start = text.find(open)?;
    let length = text[start..].find(close)?;
    Some(&text[start..=start + length])
}

/// `\d`, `\.` and the like.
fn escape(text: &str) -> Option<&str> {
    let at = text.find('\\')?;
    let next = text[at + 1..].chars().next();
    next.filter(|c| matches!(c, '.' | 'd' | 'w' | 's' | 'D' | 'W' | 'S' | '/' | '-'))
        .map(|_| &text[at..at + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_told_from_names() {
        for (path, want) in [
            ("/*/x", Some(("*", "/"))),
            ("/api/**", Some(("*", "/api"))),
            ("/a/b*", Some(("*", "/a"))),
            ("/api/{tenant}/x", Some(("{tenant}", "/api"))),
            ("/:tenant/x", Some((":tenant", "/"))),
            ("/rooms/<id>", Some(("<id>", "/rooms"))),
            ("/$1", Some(("$1", "/"))),
            ("/x/${name}", Some(("${name}", "/x"))),
            ("/x$request_uri", Some(("$request_uri", "/"))),
            ("/rooms/(.*)", Some((".*", "/rooms"))),
            ("/(?<room>x)", Some(("<room>", "/"))),
            ("/a|b", Some(("|", "/"))),
            ("/[0-9]/x", Some(("[", "/"))),
            ("/x\\.php", Some(("\\.", "/"))),
            ("/x$", Some(("$", "/"))),
            ("/", None),
            ("/odata/$metadata", None),
            ("/v1/room:close", None),
            ("/:", None),
            ("/:8080", None),
            ("/wiki/A_(b)", None),
            ("/a+b/c,d;e=f/@x/~y", None),
            ("/a\\b", None),
        ] {
            assert_eq!(in_path(path, None), want, "{path}");
        }
    }

    #[test]
    fn variables_are_told_from_text() {
        assert_eq!(in_url("https://$host$request_uri"), Some("$host"));
        assert_eq!(in_url("https://example.com{uri}"), Some("{uri}"));
        assert_eq!(in_url("https://example.com/$metadata?a=$b"), None);
        assert_eq!(in_header("$remote_addr"), Some("$remote_addr"));
        assert_eq!(
            in_header("{http.request.host}"),
            Some("{http.request.host}")
        );
        assert_eq!(in_header("%[src]"), Some("%[src]"));
        for text in ["{\"a\":1}", "100$", "$5", "50%", "{id}", "a]%"] {
            let want = (text == "$5").then_some("$5");
            assert_eq!(in_header(text), want, "{text}");
        }
    }
}
