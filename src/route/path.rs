//! Paths: one spelling for each, and prefixes by whole segments.
//!
//! Janus looks for its base path anywhere in the percent-decoded path and never resolves dots,
//! NGINX matches on the normalised path and forwards the raw one. Here the normalised spelling is
//! matched, authorised *and* forwarded, and a path with two readings is refused, not repaired.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A path in its one spelling: unreserved bytes decoded, the hex digits of what stays encoded in
/// upper case (RFC 3986, section 6.2.2). Only [`NormalPath::parse`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath<'a>(Cow<'a, str>);

impl<'a> NormalPath<'a> {
    /// Normalises the path of a request target, without its query.
    ///
    /// # Errors
    /// What makes the path ambiguous.
    pub fn parse(raw: &'a str) -> Result<Self, BadPath> {
        Self::parse_with(raw, EncodedSlash::Reject)
    }

    /// The same, where `%2F` may be kept. With it decoded, too, the path has to be a normal one: a
    /// server may read it either way.
    ///
    /// # Errors
    /// What makes the path ambiguous.
    pub fn parse_with(raw: &'a str, slash: EncodedSlash) -> Result<Self, BadPath> {
        if is_plain(raw.as_bytes()) {
            return Ok(Self(Cow::Borrowed(raw)));
        }
        Self::parse_any(raw, slash)
    }

    fn parse_any(raw: &'a str, slash: EncodedSlash) -> Result<Self, BadPath> {
        let bytes = raw.as_bytes();
        if bytes.first() != Some(&b'/') {
            return Err(BadPath::NotAbsolute);
        }
        let path = if bytes.contains(&b'%') {
            Cow::Owned(decode(bytes, slash)?)
        } else {
            Cow::Borrowed(raw)
        };
        check_bytes(path.as_bytes())?;
        check_once(path.as_bytes())?;
        check_segments(&path)?;
        if let Some(decoded) = decode_slashes(&path) {
            check_segments(&decoded)?;
        }
        Ok(Self(path))
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether normalising changed anything, so that the request's own target cannot be forwarded
    /// as it is.
    pub fn was_changed(&self) -> bool {
        matches!(self.0, Cow::Owned(_))
    }
}

/// Whether a path is in its one spelling at first sight, as most paths are: nothing in it is
/// encoded or has to be, and no segment is empty or begins with a dot.
fn is_plain(path: &[u8]) -> bool {
    let Some((b'/', rest)) = path.split_first() else {
        return false;
    };
    let mut before = b'/';
    rest.iter().all(|&byte| {
        let begins_badly = before == b'/' && matches!(byte, b'/' | b'.');
        before = byte;
        !begins_badly && matches!(byte, b'!'..=b'~') && !matches!(byte, b'%' | b'\\')
    })
}

/// Decodes the unreserved bytes and refuses the escapes that some server reads as structure.
fn decode(bytes: &[u8], slash: EncodedSlash) -> Result<String, BadPath> {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            if !first.is_ascii() {
                return Err(BadPath::NotAscii);
            }
            out.push(char::from(first));
            rest = tail;
            continue;
        }
        let byte = escape(tail).ok_or(BadPath::BadEscape)?;
        rest = &tail[2..];
        match byte {
            b'/' if slash == EncodedSlash::Keep => push_escape(&mut out, byte),
            b'/' | b'\\' => return Err(BadPath::EncodedSlash),
            0..=0x1f | 0x7f => return Err(BadPath::Control),
            _ if is_unreserved(byte) => out.push(char::from(byte)),
            _ => push_escape(&mut out, byte),
        }
    }
    Ok(out)
}

/// A normalised path as a server reads it that decodes `%2F`; `None` if it has none.
pub(super) fn decode_slashes(path: &str) -> Option<String> {
    (path.contains('%') && path.contains("%2F")).then(|| path.replace("%2F", "/"))
}

fn escape(after_percent: &[u8]) -> Option<u8> {
    let hex = |b: u8| char::from(b).to_digit(16);
    let &[high, low, ..] = after_percent else {
        return None;
    };
    u8::try_from(hex(high)? * 16 + hex(low)?).ok()
}

fn push_escape(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn check_bytes(bytes: &[u8]) -> Result<(), BadPath> {
    for &byte in bytes {
        match byte {
            b'\\' => return Err(BadPath::EncodedSlash),
            0..=0x1f | 0x7f => return Err(BadPath::Control),
            0x80.. => return Err(BadPath::NotAscii),
            _ => {}
        }
    }
    Ok(())
}

/// `%25` before two hex digits: a server that decodes twice would see another byte. Looked for in
/// what comes out, since the digits may have been encoded themselves: `%25%32%66`.
fn check_once(path: &[u8]) -> Result<(), BadPath> {
    let twice = path
        .windows(5)
        .any(|w| w.starts_with(b"%25") && w[3].is_ascii_hexdigit() && w[4].is_ascii_hexdigit());
    if twice {
        Err(BadPath::DoublyEncoded)
    } else {
        Ok(())
    }
}

/// `;x` belongs to its segment, but servers that cut it off would see the dots before it: `/..;x/`,
/// `/..%3Bx/`.
fn check_segments(path: &str) -> Result<(), BadPath> {
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(BadPath::EmptySegment);
        }
        if matches!(
            segment
                .split(';')
                .next()
                .and_then(|s| s.split("%3B").next()),
            Some("." | "..")
        ) {
            return Err(BadPath::DotSegment);
        }
    }
    Ok(())
}

/// What is done with `%2F` in a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncodedSlash {
    /// The request is rejected.
    #[default]
    Reject,
    /// It stays as it is, a part of its segment.
    Keep,
}

impl EncodedSlash {
    /// The names in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 2] = [("reject", Self::Reject), ("keep", Self::Keep)];
}

/// Why a path has more than one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// No leading slash, as in `OPTIONS *`.
    #[error("target is not a path")]
    NotAbsolute,
    /// `%` without two hex digits.
    #[error("broken percent-encoding")]
    BadEscape,
    /// `%2f`, `%5c` or a literal backslash.
    #[error("encoded slash or backslash")]
    EncodedSlash,
    /// `%2541`: what it means depends on how often a server decodes.
    #[error("doubly encoded byte")]
    DoublyEncoded,
    /// NUL or another control character.
    #[error("control character")]
    Control,
    /// A byte that has to be percent-encoded.
    #[error("byte outside ASCII")]
    NotAscii,
    /// `.` or `..` in any spelling.
    #[error("dot segment")]
    DotSegment,
    /// `//`.
    #[error("empty segment")]
    EmptySegment,
}

impl BadPath {
    /// The reason in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAbsolute => "path_not_absolute",
            Self::BadEscape => "path_bad_escape",
            Self::EncodedSlash => "path_encoded_slash",
            Self::DoublyEncoded => "path_doubly_encoded",
            Self::Control => "path_control",
            Self::NotAscii => "path_not_ascii",
            Self::DotSegment => "path_dot_segment",
            Self::EmptySegment => "path_empty_segment",
        }
    }
}

/// A path that stands for itself and what is below it, by whole segments: `/janus` has
/// `/janus/info` below it and never `/januswhatever`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathPrefix(Box<str>);

impl PathPrefix {
    /// Without a trailing slash; the root is the empty text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How much of the path falls under the prefix: what is left after it, empty or beginning with
    /// a slash.
    pub fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(&*self.0)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// Whether the path falls under the prefix.
    pub fn covers(&self, path: &str) -> bool {
        self.rest(path).is_some()
    }

    /// What stands before a segment, and what behind it; the first segment is 1.
    pub(super) fn split(&self, segment: usize) -> (Self, &str) {
        let mut slashes = self
            .0
            .match_indices('/')
            .map(|(at, _)| at)
            .skip(segment - 1);
        let (front, back) = (slashes.next(), slashes.next());
        let front = &self.0[..front.unwrap_or(self.0.len())];
        (Self(front.into()), back.map_or("", |at| &self.0[at..]))
    }

    /// The same with more segments, the first of which has its slash.
    pub(super) fn join(&self, more: &str) -> Self {
        Self([&self.0, more].concat().into())
    }
}

impl FromStr for PathPrefix {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        let path = NormalPath::parse(text)?;
        let text = path.as_str();
        Ok(Self(text.strip_suffix('/').unwrap_or(text).into()))
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_one_spelling() {
        for (raw, want) in [
            ("/", "/"),
            ("/janus", "/janus"),
            ("/janus/", "/janus/"),
            ("/%6aanus/inf%6F", "/janus/info"),
            ("/%7Euser/a%2db%5Fc%2Ed", "/~user/a-b_c.d"),
            ("/a%3bx", "/a%3Bx"),
            ("/a%c3%a4", "/a%C3%A4"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/100%25", "/100%25"),
            ("/a%3Fb%23c%20d", "/a%3Fb%23c%20d"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
        ] {
            let path = NormalPath::parse(raw).unwrap();
            assert_eq!(path.as_str(), want);
            assert_eq!(path.as_str() == raw, !raw.contains('%') || raw == want);
        }
    }

    #[test]
    fn two_readings_are_refused() {
        use BadPath::*;
        for (raw, why) in [
            ("", NotAbsolute),
            ("*", NotAbsolute),
            ("janus", NotAbsolute),
            ("/a%", BadEscape),
            ("/a%2", BadEscape),
            ("/a%zz", BadEscape),
            ("/a%+1", BadEscape),
            ("/janus%2Finfo", EncodedSlash),
            ("/janus%5cinfo", EncodedSlash),
            ("/janus\\info", EncodedSlash),
            ("/%2561dmin", DoublyEncoded),
            ("/a%252e", DoublyEncoded),
            ("/%25%32%66", DoublyEncoded),
            ("/%25%32%65%25%32%65/x", DoublyEncoded),
            ("/a%00", Control),
            ("/a%0d%0a", Control),
            ("/a%7f", Control),
            ("/ä", NotAscii),
            ("/%41ä", NotAscii),
            ("/.", DotSegment),
            ("/a/../b", DotSegment),
            ("/a/%2e%2E/b", DotSegment),
            ("/a/.%2e", DotSegment),
            ("/admin/..;x/y", DotSegment),
            ("/a/.;/b", DotSegment),
            ("/admin/..%3bx/y", DotSegment),
            ("//admin", EmptySegment),
            ("/admin//", EmptySegment),
            ("/a//b", EmptySegment),
        ] {
            assert_eq!(NormalPath::parse(raw).unwrap_err(), why, "{raw}");
        }
    }

    #[test]
    fn a_path_that_is_plain_at_first_sight_is_its_own_spelling() {
        let letters = [
            "/", ".", ";", "a", "%", "%2e", "%2F", "\\", "~", " ", "ä", "\x7f",
        ];
        let mut paths = vec![String::new()];
        for _ in 0..4 {
            let longer = |path: &String| letters.map(|letter| format!("{path}{letter}"));
            paths.extend(paths.iter().flat_map(longer).collect::<Vec<_>>());
        }
        for path in &paths {
            for slash in [super::EncodedSlash::Reject, super::EncodedSlash::Keep] {
                let found = NormalPath::parse_any(path, slash);
                if is_plain(path.as_bytes()) {
                    assert_eq!(found, Ok(NormalPath(Cow::Borrowed(path))));
                }
            }
        }
        let plain = ["/", "/janus/1/2", "/a;v=1/b", "/room/@me"];
        assert!(plain.iter().all(|path| is_plain(path.as_bytes())));
    }

    #[test]
    fn a_kept_slash_is_a_part_of_its_segment_and_checked_as_a_slash_too() {
        use BadPath::*;
        for (raw, want) in [
            ("/projects/group%2Fname", Ok("/projects/group%2Fname")),
            ("/projects/group%2fname/x", Ok("/projects/group%2Fname/x")),
            ("/a%2F", Ok("/a%2F")),
            ("/a%5Cb", Err(EncodedSlash)),
            ("/a%252Fb", Err(DoublyEncoded)),
            ("/a/..%2Fadmin", Err(DotSegment)),
            ("/a%2F..%2Fadmin", Err(DotSegment)),
            ("/a%2F%2e%2e/admin", Err(DotSegment)),
            ("/%2Fexample.com", Err(EmptySegment)),
            ("/a%2F%2Fb", Err(EmptySegment)),
            ("/a%2F/b", Err(EmptySegment)),
        ] {
            let path = NormalPath::parse_with(raw, super::EncodedSlash::Keep);
            assert_eq!(
                path.as_ref().map(NormalPath::as_str),
                want.as_ref().copied(),
                "{raw}"
            );
        }
    }

    #[test]
    fn prefixes_are_whole_segments() {
        let prefix: PathPrefix = "/janus".parse().unwrap();
        for (path, rest) in [
            ("/janus", Some("")),
            ("/janus/", Some("/")),
            ("/janus/info", Some("/info")),
            ("/januswhatever", None),
            ("/janus;x", None),
            ("/JANUS", None),
            ("/", None),
        ] {
            assert_eq!(prefix.rest(path), rest, "{path}");
        }
        let root: PathPrefix = "/".parse().unwrap();
        assert_eq!(root.rest("/anything"), Some("/anything"));
        assert_eq!("/janus/".parse::<PathPrefix>().unwrap(), prefix);
    }
}
