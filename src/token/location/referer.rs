//! Tokens in `Referer`.

use http::Uri;
use http::header::{self, HeaderMap, HeaderValue};

use super::fields::replace;
use super::query::without;

/// Removes the page's token from `Referer`: a page with a token in its query sends its whole
/// address with everything that it loads. `names` returns the parameters that may hold a token in
/// the address of a page, or, for `None`, in an address that cannot be parsed.
pub fn remove_from_referer<'n>(
    headers: &mut HeaderMap,
    names: impl Fn(Option<&Uri>) -> Vec<&'n str>,
) {
    let values = headers.get_all(header::REFERER);
    // Most referers have no query.
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
    let names = names(Some(&page));
    match without(query, |name| names.contains(&name)) {
        // A part of a header value is a header value.
        Some(query) => HeaderValue::try_from(format!("{front}{query}")).ok(),
        None => Some(value.clone()),
    }
}

/// Whether a text that is not a URL may contain one of these parameters.
fn mentions(text: &[u8], names: &[&str]) -> bool {
    form_urlencoded::parse(text)
        .filter(|(_, value)| !value.is_empty())
        .any(|(key, value)| {
            let said = format!("{key}={value}");
            names.iter().any(|name| said.contains(&format!("{name}=")))
        })
}
