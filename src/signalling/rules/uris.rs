//! Which URIs a server may be asked to open.

use super::facts::Facts;
use crate::signalling::document::{Text, Value};
use crate::signalling::uri::{self, UriPrefix, UriProblem};

/// The URIs that a rule is about: every parameter whose name has `uri` or `url` in it.
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
    /// # Errors
    /// The first parameter with a URI that is not among them, and why.
    pub(super) fn check(&self, facts: &Facts<'_>) -> Result<(), (Box<str>, UriProblem)> {
        let prefixes = match self {
            Self::Any => return Ok(()),
            Self::Below(prefixes) => prefixes,
            Self::OfPolicy => &[][..],
        };
        let Some(parameters) = facts.parameters else {
            return Ok(());
        };
        let mut members = parameters
            .members_at_any_depth()
            .filter(|member| is_uri_name(member.name));
        members.try_for_each(|member| {
            let result = check_value(member.value(), prefixes);
            result.map_err(|problem| (member.name.unescaped().into(), problem))
        })
    }
}

fn check_value(value: Value<'_>, prefixes: &[UriPrefix]) -> Result<(), UriProblem> {
    if let Some(list) = value.array() {
        let mut items = list.items();
        return items.try_for_each(|item| check_text(item, prefixes));
    }
    check_text(value, prefixes)
}

fn check_text(value: Value<'_>, prefixes: &[UriPrefix]) -> Result<(), UriProblem> {
    let text = value.text().ok_or(UriProblem::NoText)?;
    uri::check(&text.unescaped(), prefixes)
}

/// Whether a member with this name is taken for a URI: `uri`, `imageUri`, `turnUrl`.
fn is_uri_name(name: Text<'_>) -> bool {
    let is_one = |bytes: &[u8]| {
        let mut parts = bytes.windows(3);
        parts.any(|part| part.eq_ignore_ascii_case(b"uri") || part.eq_ignore_ascii_case(b"url"))
    };
    let raw = name.raw();
    // Only a name with an escape has to be copied.
    is_one(raw.as_bytes()) || (raw.contains('\\') && is_one(name.unescaped().as_bytes()))
}
