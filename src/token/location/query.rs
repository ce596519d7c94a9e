//! Parameters of a query.

use std::borrow::Cow;

use http::Uri;
use http::uri::PathAndQuery;

/// A name and its value, form-decoded.
pub(super) fn pair(text: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(text.as_bytes()).next()
}

/// A query without the parameters of certain names, with its question mark unless it is empty;
/// `None` if it has none of them.
pub(super) fn without(query: &str, is_name: impl Fn(&str) -> bool) -> Option<String> {
    let is_token = |text: &&str| pair(text).is_some_and(|(key, _)| is_name(&key));
    if !query.split('&').any(|text| is_token(&text)) {
        return None;
    }
    let kept: Vec<&str> = query.split('&').filter(|text| !is_token(text)).collect();
    Some(if kept.is_empty() {
        String::new()
    } else {
        format!("?{}", kept.join("&"))
    })
}

pub(super) fn remove_parameters(uri: &mut Uri, is_name: impl Fn(&str) -> bool) {
    let Some(query) = uri.query().and_then(|query| without(query, is_name)) else {
        return;
    };
    let target = format!("{}{query}", uri.path());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    if let Ok(changed) = Uri::from_parts(parts) {
        *uri = changed;
    }
}
