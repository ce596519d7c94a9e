//! Locations: how they match, and which path they have.

use super::model::Matching;
use super::report::Report;
use super::scope::{Level, Scope};
use crate::nginx::Directive;
use crate::route::path::{NormalPath, PathPrefix};

/// A location with all that holds for it.
#[derive(Clone, Debug)]
pub(super) struct Location<'t> {
    pub(super) directive: &'t Directive,
    pub(super) kind: Kind,
    pub(super) scope: Scope<'t>,
}

/// What a location is asked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, which the path is or begins with.
    Path { matching: Matching, text: String },
    /// A regular expression.
    Regexp { pattern: String, any_case: bool },
    /// `@name`: reached from inside only.
    Named(String),
}

impl Kind {
    fn of(location: &Directive) -> Self {
        let texts = location.texts();
        let (modifier, text) = match texts.as_slice() {
            [modifier @ ("=" | "~" | "~*" | "^~"), text, ..] => (*modifier, (*text).to_owned()),
            [text, ..] => glued(text),
            [] => ("", String::new()),
        };
        let path = |matching| Self::Path {
            matching,
            text: text.clone(),
        };
        match modifier {
            "=" => path(Matching::Exact),
            "^~" => path(Matching::Priority),
            "~" | "~*" => Self::Regexp {
                pattern: text,
                any_case: modifier == "~*",
            },
            _ if text.starts_with('@') => Self::Named(text),
            _ => path(Matching::Prefix),
        }
    }
}

/// `=/x`, `~^/x`: a modifier without a space behind it.
fn glued(text: &str) -> (&'static str, String) {
    for modifier in ["~*", "^~", "=", "~"] {
        if let Some(rest) = text.strip_prefix(modifier) {
            return (modifier, rest.to_owned());
        }
    }
    ("", text.to_owned())
}

/// All locations of a block, those inside of others too.
pub(super) fn all<'t>(
    block: &'t [Directive],
    scope: &Scope<'t>,
    report: &mut Report,
) -> Vec<Location<'t>> {
    let mut found = Vec::new();
    for directive in block.iter().filter(|d| d.name == "location") {
        let inner = scope.enter(directive.inner(), Level::Location, report);
        found.push(Location {
            directive,
            kind: Kind::of(directive),
            scope: inner.clone(),
        });
        found.extend(all(directive.inner(), &inner, report));
    }
    found
}

/// The path of `gateway.toml` for the text of a location, which NGINX compares with decoded paths;
/// `None` if no request of the gateway has it.
pub(super) fn path(text: &str) -> Option<String> {
    let mut out = String::new();
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte);
        match is_plain {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    let normal = NormalPath::parse(&out).ok()?.as_str().to_owned();
    let path: PathPrefix = normal.parse().ok()?;
    let shown = path.to_string();
    let is_own = shown == "/.ianitor" || shown.starts_with("/.ianitor/");
    // Patterns and variables are rejected in paths, whatever they are meant to be.
    let is_plain = !shown.contains(['*', '{', '}', '$', ':', '(', ')', '^', '~']);
    (!is_own && is_plain).then_some(shown)
}
