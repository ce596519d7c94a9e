//! The paths of URIs: which have one reading, and how they are compared.

use std::borrow::Cow;

use super::UriProblem;

/// The path, a slash if it is empty.
///
/// # Errors
/// It has a second reading.
pub(super) fn checked_path(path: &str) -> Result<&str, UriProblem> {
    if path.is_empty() {
        return Ok("/");
    }
    let is_dots = |segment: &str| {
        // Some servers cut parameters off before they look at dots.
        let name = segment.split(';').next().unwrap_or_default();
        name == "." || name == ".."
    };
    let inner = &path[1..];
    let has_empty = inner.starts_with('/') || inner.contains("//");
    if has_empty || inner.split('/').any(is_dots) || !has_plain_escapes(path) {
        return Err(UriProblem::Path);
    }
    Ok(path)
}

/// Whether undoing the escapes changes nothing about where the path leads.
fn has_plain_escapes(path: &str) -> bool {
    path.match_indices('%').all(|(at, _)| {
        escaped(path, at).is_some_and(|byte| {
            !matches!(
                byte,
                b'.' | b'/' | b'\\' | b'%' | b';' | b'?' | b'#' | 0..0x20 | 0x7f
            )
        })
    })
}

/// What the escape at a percent sign stands for.
fn escaped(path: &str, at: usize) -> Option<u8> {
    let digits = path.get(at + 1..at + 3)?;
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| are_digits)
}

/// The path without escapes, which [`checked_path`] has let pass.
pub(super) fn undo_escapes(path: &str) -> Cow<'_, [u8]> {
    if !path.contains('%') {
        return path.as_bytes().into();
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(byte) = path.as_bytes().get(at) {
        let undone = escaped(path, at).filter(|_| *byte == b'%');
        bytes.push(undone.unwrap_or(*byte));
        at += if undone.is_some() { 3 } else { 1 };
    }
    bytes.into()
}

/// The path without the parameters of its segments.
pub(super) fn without_parameters(path: &[u8]) -> Vec<u8> {
    let name = |segment: &[u8]| {
        let end = segment.iter().position(|byte| *byte == b';');
        segment[..end.unwrap_or(segment.len())].to_owned()
    };
    let segments: Vec<Vec<u8>> = path.split(|byte| *byte == b'/').map(name).collect();
    segments.join(&b'/')
}

/// Whether a path is the prefix, or below it.
pub(super) fn is_below(path: &[u8], prefix: &[u8]) -> bool {
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| prefix.ends_with(b"/") || rest.is_empty() || rest.starts_with(b"/"))
}
