//! Where in a request a token may stand, and how it is taken out before anybody else sees it.

use std::borrow::Cow;

use http::Uri;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;

/// A place for tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `Authorization: Bearer …` (RFC 6750, section 2.1).
    Header,
    /// A cookie of this name.
    Cookie(Box<str>),
    /// A parameter of this name in the query: browsers cannot set headers of WebSockets.
    Query(Box<str>),
    /// `bearer.…` or `token.…` among the WebSocket's subprotocols.
    Subprotocol,
}

impl Source {
    /// Whether it is the cookie that signing in sets.
    pub fn is_own_cookie(&self) -> bool {
        matches!(self, Self::Cookie(name) if **name == *COOKIE)
    }
}

/// The gateway's own cookie, which signing in sets.
pub const COOKIE: &str = "ianitor";

/// A token, and where it was.
#[derive(Debug, PartialEq, Eq)]
pub struct Located<'r> {
    /// As it stood there, without what is around it. Nothing of it has been looked at.
    pub text: Cow<'r, str>,
    /// A bit for each of the sources that were asked for.
    pub places: u32,
}

impl Located<'_> {
    /// Whether it stood in cookies alone: a browser sends those whichever page asks.
    pub fn is_in_cookies_alone(&self, sources: &[Source]) -> bool {
        let others = sources
            .iter()
            .enumerate()
            .filter(|(_, source)| !matches!(source, Source::Cookie(_)));
        others.fold(0, |bits, (at, _)| bits | 1 << at) & self.places == 0
    }
}

/// Two tokens, so that it is not clear who is asking; or two `Authorization` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// Looks for the token. The same one in two places is fine.
///
/// # Errors
/// If there are two.
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

/// What follows `Bearer`; other schemes are the upstream's business.
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

/// The token of a header; the empty text where nothing or no text follows the scheme, which is no
/// token.
fn bearer(value: &HeaderValue) -> Option<&str> {
    const SCHEME: &[u8] = b"bearer";
    let bytes = value.as_bytes();
    let (scheme, rest) = bytes.split_at_checked(SCHEME.len())?;
    let ends = rest.first().is_none_or(is_blank);
    (ends && scheme.eq_ignore_ascii_case(SCHEME)).then(|| {
        std::str::from_utf8(rest)
            .unwrap_or_default()
            .trim_matches([' ', '\t'])
    })
}

/// What separates a scheme from what follows it: a space (RFC 9110, section 11.4), and for many
/// readers a tab too.
fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The `name=value` parts of all cookie headers.
fn crumbs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(header::COOKIE).iter();
    values
        .flat_map(|value| value.as_bytes().split(|b| *b == b';'))
        .map(<[u8]>::trim_ascii)
}

fn crumb_value<'c>(crumb: &'c [u8], name: &str) -> Option<&'c [u8]> {
    let value = crumb
        .strip_prefix(name.as_bytes())?
        .trim_ascii_start()
        .strip_prefix(b"=")?
        .trim_ascii_start();
    Some(
        value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""))
            .unwrap_or(value),
    )
}

/// A name and its value, decoded as forms are.
fn pair(text: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(text.as_bytes()).next()
}

/// Of bytes: a token is one too where its neighbour is no text.
fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    values
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
}

fn subprotocol_token(protocol: &[u8]) -> Option<&[u8]> {
    protocol
        .strip_prefix(b"bearer.")
        .or_else(|| protocol.strip_prefix(b"token."))
}

/// Takes out whatever stands in one of the places.
pub fn remove(headers: &mut HeaderMap, uri: &mut Uri, sources: &[Source]) {
    for source in sources {
        match source {
            Source::Header => remove_bearers(headers),
            Source::Cookie(name) => remove_cookie(headers, name),
            Source::Query(name) => remove_parameter(uri, name),
            Source::Subprotocol => remove_subprotocols(headers),
        }
    }
}

/// Every one: where nobody looks for tokens there may be several lines.
fn remove_bearers(headers: &mut HeaderMap) {
    let is_token = |value: &HeaderValue| bearer(value).is_some();
    if headers.get_all(header::AUTHORIZATION).iter().any(is_token) {
        let all = headers.get_all(header::AUTHORIZATION).iter();
        let kept: Vec<HeaderValue> = all.filter(|value| !is_token(value)).cloned().collect();
        replace(headers, header::AUTHORIZATION, kept);
    }
}

/// All values of a header by others.
fn replace(
    headers: &mut HeaderMap,
    name: HeaderName,
    values: impl IntoIterator<Item = HeaderValue>,
) {
    headers.remove(&name);
    for value in values {
        headers.append(&name, value);
    }
}

/// Takes a cookie out of the headers.
pub fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    if !crumbs(headers).any(|crumb| crumb_value(crumb, name).is_some()) {
        return;
    }
    let kept: Vec<&[u8]> = crumbs(headers)
        .filter(|crumb| crumb_value(crumb, name).is_none())
        .collect();
    let kept = joined(&kept, b"; ");
    replace(headers, header::COOKIE, kept);
}

/// Whether a `Set-Cookie` would set the gateway's own cookie, as browsers read it (RFC 6265bis,
/// section 5.6): what has no name is sent as its value alone, and a prefix changes who may set a
/// cookie but not what it is for.
pub fn sets_own_cookie(value: &HeaderValue) -> bool {
    let pair = value
        .as_bytes()
        .split(|b| *b == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let pair = pair
        .strip_prefix(b"=")
        .map_or(pair, <[u8]>::trim_ascii_start);
    let name = pair
        .split(|b| *b == b'=')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    without_prefix(name) == without_prefix(COOKIE.as_bytes())
}

/// The name of a cookie without what makes browsers more careful about it.
fn without_prefix(name: &[u8]) -> &[u8] {
    const PREFIXES: [&[u8]; 4] = [b"__Host-Http-", b"__Host-", b"__Http-", b"__Secure-"];
    let has = |prefix: &[u8]| {
        name.get(..prefix.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(prefix))
    };
    PREFIXES
        .iter()
        .find(|prefix| has(prefix))
        .map_or(name, |prefix| &name[prefix.len()..])
}

/// Takes the gateway's own cookie out of an answer; whether it was there.
pub fn remove_own_set_cookie(headers: &mut HeaderMap) -> bool {
    if !headers
        .get_all(header::SET_COOKIE)
        .iter()
        .any(sets_own_cookie)
    {
        return false;
    }
    let all = headers.get_all(header::SET_COOKIE).iter();
    let kept: Vec<HeaderValue> = all
        .filter(|value| !sets_own_cookie(value))
        .cloned()
        .collect();
    replace(headers, header::SET_COOKIE, kept);
    true
}

/// Parts of header values as one, if there are any: they were a header value, and so is what they
/// make together.
fn joined(parts: &[&[u8]], by: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_bytes(&parts.join(by))
        .ok()
        .filter(|value| !value.is_empty())
}

fn remove_parameter(uri: &mut Uri, name: &str) {
    let Some(query) = uri.query().and_then(|query| without(query, &[name])) else {
        return;
    };
    let target = format!("{}{query}", uri.path());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    if let Ok(changed) = Uri::from_parts(parts) {
        *uri = changed;
    }
}

/// A query without the parameters of these names, with its question mark if there is anything left;
/// `None` where it has none of them.
fn without(query: &str, names: &[&str]) -> Option<String> {
    let is_token = |text: &&str| pair(text).is_some_and(|(key, _)| names.contains(&&*key));
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

/// The names of parameters among the places.
pub fn parameters(sources: &[Source]) -> impl Iterator<Item = &str> {
    sources.iter().filter_map(|source| match source {
        Source::Query(name) => Some(&**name),
        Source::Header | Source::Cookie(_) | Source::Subprotocol => None,
    })
}

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

fn remove_subprotocols(headers: &mut HeaderMap) {
    if !subprotocols(headers).any(|protocol| subprotocol_token(protocol).is_some()) {
        return;
    }
    let kept: Vec<&[u8]> = subprotocols(headers)
        .filter(|protocol| subprotocol_token(protocol).is_none())
        .collect();
    let kept = joined(&kept, b", ");
    replace(headers, header::SEC_WEBSOCKET_PROTOCOL, kept);
}

#[cfg(test)]
mod tests;
