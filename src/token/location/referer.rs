//! Tokens in `Referer`.

use http::Uri;
use http::header::{self, HeaderMap, HeaderValue};

use super::fields::replace;
use super::query::without;

/// Takes the token of the page out of `Referer`: what a page with a token in its query loads is
/// asked for with the whole of its address. `names` says how the tokens of a page may be called,
/// or, of `None`, those of an address that cannot be understood.
pub fn remove_from_referer<'n>(
    headers: &mut HeaderMap,
    names: impl Fn(Option<&Uri>) -> Vec<&'n str>,
) {
    let values = headers.get_all(header::REFERER);
    // Most have no query.
    if !values.iter().any(|value| value.as_bytes().contains(&b'=')) {
        return;
    }
    let kept: Vec<HeaderValue> = values
        .iter()
        .filter_map(|value| clean_referer(value, &names))
        .collect();
    replace(headers, header::REFERER, kept);
}

fn clean_referer<'n>(
    value: &HeaderValue,
    names: impl Fn(Option<&Uri>) -> Vec<&'n str>,
) -> Option<HeaderValue> {
    let text = value.to_str().ok().filter(|text| !text.contains('#'));
    let Some((text, page)) = text.and_then(|text| Some((text, text.parse::<Uri>().ok()?))) else {
        return (!mentions(value.as_bytes(), &names(None))).then(|| value.clone());
    };
    let Some((front, query)) = text.split_once('?') else {
        return Some(value.clone());
    };
    match without(query, &names(Some(&page))) {
        // Of a header value some is left.
        Some(query) => HeaderValue::try_from(format!("{front}{query}")).ok(),
        None => Some(value.clone()),
    }
}

/// Whether a text that is no URL may have a parameter in it.
fn mentions(text: &[u8], names: &[&str]) -> bool {
    form_urlencoded::parse(text)
        .filter(|(_, value)| !value.is_empty())
        .any(|(key, value)| {
            let said = format!("{key}={value}");
            names.iter().any(|name| said.contains(&format!("{name}=")))
        })
}
