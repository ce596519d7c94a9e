//! Finding the token of a request.

use std::borrow::Cow;

use http::Uri;
use http::header::{self, HeaderMap};

use super::fields::{bearer, crumb_value, crumbs, subprotocol_token, subprotocols};
use super::query::pair;
use super::source::{Located, Source};

/// Two different tokens, or two `Authorization` headers: it is not clear who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// Finds the token. The same token in two places is accepted.
///
/// # Errors
/// If there are two different tokens.
pub fn find<'r>(
    headers: &'r HeaderMap,
    uri: &'r Uri,
    sources: &[Source],
) -> Result<Option<Located<'r>>, Ambiguous> {
    let mut found: Option<Located<'r>> = None;
    let mut add = |at: usize, text: Cow<'r, str>| match &mut found {
        Some(located) if located.text == text => {
            located.places |= 1 << at;
            Ok(())
        }
        Some(_) => Err(Ambiguous),
        None => {
            found = Some(Located {
                text,
                places: 1 << at,
            });
            Ok(())
        }
    };
    for (at, source) in sources.iter().enumerate() {
        match source {
            Source::Header => authorization(headers)?.map_or(Ok(()), |text| add(at, text.into())),
            Source::Cookie(name) => {
                let mut values = crumbs(headers).filter_map(|crumb| crumb_value(crumb, name));
                values.try_for_each(|value| add(at, String::from_utf8_lossy(value)))
            }
            Source::Query(name) => {
                let mut pairs = uri.query().unwrap_or_default().split('&').filter_map(pair);
                pairs.try_for_each(|(key, value)| {
                    if key == **name {
                        add(at, value)
                    } else {
                        Ok(())
                    }
                })
            }
            Source::Subprotocol => {
                let mut tokens = subprotocols(headers).filter_map(subprotocol_token);
                tokens.try_for_each(|text| add(at, String::from_utf8_lossy(text)))
            }
        }?;
    }
    Ok(found)
}

/// The text after `Bearer`; other schemes are for the upstream.
fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Ambiguous> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Ambiguous);
    }
    Ok(bearer(value))
}
