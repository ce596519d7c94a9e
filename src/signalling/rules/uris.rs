//! Which URIs a server may be asked to open.

use super::facts::{Facts, Terms};
use crate::signalling::document::{Array, Object, Text, Value};
use crate::signalling::uri::{self, UriPrefix, UriProblem};

/// The URIs that a rule is about: every parameter whose name has `uri` or `url` as a word in it. An
/// `allow` matches if all of them are among these, a `deny` if one is. What is no URI with one
/// reading is among none, so that no `allow` matches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uris {
    /// All of them.
    Any,
    /// Those below one of these prefixes.
    Below(Box<[UriPrefix]>),
    /// Those below a prefix that the policy lists; none until it is known
    /// ([`super::MessageRules::with_uris`]).
    OfPolicy,
}

impl Uris {
    /// Whether the URIs of a message are as an `allow` or a `deny` has them.
    pub(super) fn are_met(&self, facts: &Facts<'_>, is_deny: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Below(prefixes) if is_deny => uris_of(facts).any(|(_, value)| {
                let text = value.text();
                text.is_some_and(|text| uri::may_be_below(&text.unescaped(), prefixes))
            }),
            Self::OfPolicy if is_deny => false,
            _ => uris_of(facts).all(|(_, value)| self.check_text(value).is_ok()),
        }
    }

    /// The first URI that is not among them.
    pub(super) fn other(&self, facts: &Facts<'_>) -> Option<BadUri> {
        uris_of(facts).find_map(|(name, value)| {
            let problem = self.check_text(value).err()?;
            let text = value.text().map(|text| text.unescaped().into());
            let name = name.unescaped().into();
            Some(BadUri {
                name,
                text,
                problem,
            })
        })
    }

    fn check_text(&self, value: Value<'_>) -> Result<(), UriProblem> {
        let prefixes = match self {
            Self::Any => return Ok(()),
            Self::Below(prefixes) => prefixes,
            Self::OfPolicy => &[][..],
        };
        let text = value.text().ok_or(UriProblem::NoText)?;
        uri::check(&text.unescaped(), prefixes)
    }
}

/// A URI that is not among those of a rule.
pub(super) struct BadUri {
    /// The name of its member.
    pub(super) name: Box<str>,
    /// The URI, if it is a string.
    pub(super) text: Option<Box<str>>,
    pub(super) problem: UriProblem,
}

/// The members that are taken for URIs, each string of a list by itself.
pub fn uris_of<'m>(facts: &Facts<'m>) -> impl Iterator<Item = (Text<'m>, Value<'m>)> {
    let parameters = facts.parameters.filter(|_| facts.terms == Terms::Kurento);
    let members = parameters
        .into_iter()
        .flat_map(Object::members_at_any_depth);
    let uris = members.filter(|member| is_uri_name(member.name));
    uris.flat_map(|member| {
        let value = member.value();
        let list = value.array();
        let one = list.is_none().then_some(value);
        let items = list.into_iter().flat_map(Array::items);
        items.chain(one).map(move |item| (member.name, item))
    })
}

/// Whether a member with this name is taken for a URI: `uri`, `imageUri`, `turnUrl`.
fn is_uri_name(name: Text<'_>) -> bool {
    has_uri(name.unescaped().as_bytes())
}

/// Whether `uri` or `url` begins, ends or is a word of the name, as in `imageUri`, `uris` and
/// `my_url_list`. In `security` it is none.
fn has_uri(name: &[u8]) -> bool {
    let mut parts = name.windows(3).enumerate();
    parts.any(|(at, part)| {
        let is_one = part.eq_ignore_ascii_case(b"uri") || part.eq_ignore_ascii_case(b"url");
        let (before, after) = (&name[..at], &name[at + 3..]);
        let begins =
            part[0] == b'U' || before.last().is_none_or(|byte| !byte.is_ascii_alphabetic());
        let ends = matches!(after, [] | [b's' | b'S'])
            || after.first().is_some_and(|byte| !byte.is_ascii_lowercase());
        is_one && (begins || ends)
    })
}

#[cfg(test)]
mod tests {
    use super::has_uri;

    #[test]
    fn a_name_is_of_a_uri_if_it_has_the_word() {
        for name in [
            "uri",
            "URI",
            "uRl",
            "uris",
            "uriList",
            "imageUri",
            "imageuri",
            "imageUris",
            "imageuris",
            "turnUrl",
            "myURI",
            "myURIs",
            "my_uri_list",
            "image-url2",
            "x.urls",
            "imageuriList",
            "aUrlb",
            "securityUrl",
            "\u{fc}uri\u{fc}b",
        ] {
            assert!(has_uri(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            "ur",
            "security",
            "securityMode",
            "hourly",
            "purist",
            "curls0",
        ] {
            assert!(!has_uri(name.as_bytes()), "{name}");
        }
    }
}
