//! URLs on the requested host itself: where a browser returns to after signing in.

use std::fmt;
use std::str::FromStr;

use super::path::{BadPath, NormalPath};

/// The prefix of the gateway's own URLs, which routes cannot use.
pub const OWN: &str = "/.ianitor";

/// The part of a path below [`OWN`], or `None` if the path is not one of the gateway's own.
pub fn below_own(path: &str) -> Option<&str> {
    path.strip_prefix(OWN)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A normalised path with an optional query, which no browser reads as another host. Never one of
/// the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalUrl {
    text: Box<str>,
    path_len: usize,
}

impl LocalUrl {
    /// The path, normalised.
    pub fn path(&self) -> &str {
        &self.text[..self.path_len]
    }

    /// The path and the query.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for LocalUrl {
    type Err = BadLocal;

    fn from_str(text: &str) -> Result<Self, BadLocal> {
        let (path, query) = text
            .split_once('?')
            .map_or((text, None), |(path, query)| (path, Some(query)));
        let path = NormalPath::parse(path)?;
        // `NormalPath` has checked the path. A request target has no fragment, quotes and the like.
        let stands = |byte: u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\' | b'`')
        };
        if !text.bytes().all(stands) {
            return Err(BadLocal::Character);
        }
        if below_own(path.as_str()).is_some() {
            return Err(BadLocal::Own);
        }
        let mut whole = path.as_str().to_owned();
        let path_len = whole.len();
        if let Some(query) = query {
            whole.push('?');
            whole.push_str(query);
        }
        Ok(Self {
            text: whole.into(),
            path_len,
        })
    }
}

impl fmt::Display for LocalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is not a URL on the same host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLocal {
    /// The path is ambiguous or invalid.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// A character that request targets do not have.
    #[error("has a character that has to be percent-encoded, or a fragment")]
    Character,
    /// One of the gateway's own URLs.
    #[error("belongs to the gateway itself")]
    Own,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_of_this_host() {
        for (text, want) in [
            ("/", Ok("/")),
            ("/admin/?a=//b&c=%2f%2f", Ok("/admin/?a=//b&c=%2f%2f")),
            ("/%61dmin?", Ok("/admin?")),
            ("/a?https://evil.example/", Ok("/a?https://evil.example/")),
            ("", Err(BadLocal::Path(BadPath::NotAbsolute))),
            ("admin", Err(BadLocal::Path(BadPath::NotAbsolute))),
            ("?x", Err(BadLocal::Path(BadPath::NotAbsolute))),
            (
                "https://evil.example/",
                Err(BadLocal::Path(BadPath::NotAbsolute)),
            ),
            (
                "javascript:alert(1)",
                Err(BadLocal::Path(BadPath::NotAbsolute)),
            ),
            (
                "//evil.example/",
                Err(BadLocal::Path(BadPath::EmptySegment)),
            ),
            (
                "/\\evil.example/",
                Err(BadLocal::Path(BadPath::EncodedSlash)),
            ),
            (
                "/%2fevil.example/",
                Err(BadLocal::Path(BadPath::EncodedSlash)),
            ),
            (
                "/%5cevil.example/",
                Err(BadLocal::Path(BadPath::EncodedSlash)),
            ),
            ("/\t/evil.example/", Err(BadLocal::Path(BadPath::Control))),
            (
                "/x/..//evil.example",
                Err(BadLocal::Path(BadPath::DotSegment)),
            ),
            (
                "/a\r\nSet-Cookie: x=y",
                Err(BadLocal::Path(BadPath::Control)),
            ),
            ("/a?b\r\nSet-Cookie: x=y", Err(BadLocal::Character)),
            ("/a?b c", Err(BadLocal::Character)),
            ("/a?\u{e4}", Err(BadLocal::Character)),
            ("/a#b", Err(BadLocal::Character)),
            ("/.ianitor/sign-out", Err(BadLocal::Own)),
            ("/%2eianitor/x", Err(BadLocal::Own)),
            ("/.ianitors", Ok("/.ianitors")),
        ] {
            let got = text.parse::<LocalUrl>();
            assert_eq!(
                got.as_ref().map(LocalUrl::as_str).map_err(|why| *why),
                want,
                "{text:?}"
            );
        }
        assert_eq!("/%61?b".parse::<LocalUrl>().unwrap().path(), "/a");
    }
}
