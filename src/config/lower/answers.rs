//! Header settings of routes: changes in both directions, CORS, and security headers.

use std::collections::HashSet;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned, quoted};
use crate::config::read::{List, Named};
use crate::config::tables::{HEADERS, METHODS, RawCors, RawRoute, WHIP};
use crate::config::values::pattern::in_header;
use crate::route::cors::{Cors, Origins};
use crate::route::edits::{Direction, Edits, Security, reserved};
use crate::route::web_origin::WebOrigin;

pub(super) fn request_edits(raw: &RawRoute, diag: &Diagnostics<'_>) -> Edits {
    let raw = raw.headers.as_ref();
    raw.map(|raw| edits(&raw.set, &raw.remove, Direction::Request, diag))
        .unwrap_or_default()
}

pub(super) fn answer_edits(raw: &RawRoute, diag: &Diagnostics<'_>) -> Edits {
    let raw = raw
        .headers
        .as_ref()
        .and_then(|headers| headers.response.as_ref());
    raw.map(|raw| edits(&raw.set, &raw.remove, Direction::Answer, diag))
        .unwrap_or_default()
}

fn edits(
    raw_set: &Named<HeaderValue>,
    raw_remove: &List<String>,
    direction: Direction,
    diag: &Diagnostics<'_>,
) -> Edits {
    let mut seen = HashSet::new();
    let mut name = |text: &str, place: &Place| {
        let name = header_name(text, place, diag)?;
        if let Some(why) = reserved(&name, direction) {
            diag.problem(place, format!("{} {why}; take it out", quoted(text)));
        }
        if !seen.insert(name.clone()) {
            diag.problem(
                place,
                format!("{} is here already; take one out", quoted(text)),
            );
        }
        Some(name)
    };
    let mut set = Vec::new();
    for (key, value) in raw_set {
        let name = name(&key.value, &key.place);
        if let Some(found) = value
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .and_then(in_header)
        {
            let text = format!(
                "\"{found}\" is sent exactly as it is: values of headers have no variables"
            );
            diag.warning(&key.place, text);
        }
        set.extend(name.zip(value.clone()));
    }
    let remove = raw_remove
        .iter()
        .flatten()
        .filter_map(|text| name(&text.value, &text.place))
        .collect();
    Edits {
        remove,
        set: set.into(),
    }
}

fn header_name(text: &str, place: &Place, diag: &Diagnostics<'_>) -> Option<HeaderName> {
    let name = HeaderName::try_from(text).ok();
    if name.is_none() {
        diag.problem(
            place,
            format!("{} is not the name of a header", quoted(text)),
        );
    }
    name
}

pub(super) fn security(hsts: Option<Duration>, usual: bool) -> Security {
    let hsts = hsts.map(|time| format!("max-age={}", time.as_secs()));
    // Digits are valid in a header value.
    Security {
        hsts: hsts.and_then(|hsts| HeaderValue::try_from(hsts).ok()),
        usual,
    }
}

/// `None` with a problem if it is invalid.
pub(super) fn cors(raw: &RawCors, speaks_whip: bool, diag: &Diagnostics<'_>) -> Option<Cors> {
    let credentials = raw.credentials.as_ref().is_some_and(|yes| yes.value);
    let origins = raw
        .origins
        .as_ref()
        .map(|origins| self::origins(origins, diag));
    if let (Some(Origins::Any), Some(said)) = (&origins, &raw.credentials)
        && credentials
    {
        let text = "does not go with \"*\": every page could act as its visitor; write the origins";
        diag.problem(&said.place, text);
    }
    let methods = match &raw.methods {
        Some(methods) => joined(methods.value.iter().flatten().map(|method| method.value)),
        None if speaks_whip => joined(WHIP.methods.iter().copied()),
        None => joined(METHODS.into_iter()),
    };
    let headers = match &raw.headers {
        Some(headers) => cors_headers(headers, diag),
        None if speaks_whip => joined(WHIP.headers.iter().copied()),
        None => joined(HEADERS.into_iter()),
    };
    let expose = match &raw.expose {
        Some(names) => Some(cors_headers(names, diag).unwrap_or(HeaderValue::from_static(""))),
        None if speaks_whip => joined(WHIP.expose.iter().copied()),
        None => None,
    };
    if credentials {
        let lists = [&raw.headers, &raw.expose].into_iter().flatten();
        lists.for_each(|list| note_every_header(list, diag));
    }
    let max_age = raw.max_age.as_secs();
    Some(Cors {
        origins: origins?,
        credentials,
        methods: methods?,
        headers,
        expose,
        max_age,
    })
}

fn origins(list: &Spanned<List<String>>, diag: &Diagnostics<'_>) -> Origins {
    let all: Vec<&Spanned<String>> = list.value.iter().flatten().collect();
    if list.value.is_empty() {
        diag.problem(
            &list.place,
            "is empty; write the origins, [\"https://app.example.com\"], or take cors out",
        );
    }
    if let Some(any) = all.iter().find(|origin| origin.value == "*") {
        if all.len() > 1 {
            diag.problem(
                &any.place,
                "\"*\" is every origin; take the others out, or this one",
            );
        }
        return Origins::Any;
    }
    let mut listed: Vec<WebOrigin> = Vec::new();
    for Spanned { value, place } in all {
        match value.parse::<WebOrigin>() {
            Ok(origin) if listed.contains(&origin) => {
                diag.problem(
                    place,
                    format!("{origin} is in the list already; take one out"),
                );
            }
            Ok(origin) => listed.push(origin),
            Err(why) => diag.problem(place, format!("{} {why}", quoted(value))),
        }
    }
    Origins::Listed(listed.into())
}

/// `None`: only the headers that CORS always allows.
/// Browsers take `*` for the name of a header where requests come with cookies (the Fetch
/// standard, section 3.3.4).
fn note_every_header(list: &Spanned<List<String>>, diag: &Diagnostics<'_>) {
    let mut names = list.value.iter().flatten();
    if let Some(every) = names.find(|name| name.value == "*") {
        let text = "\"*\" does not go with credentials: browsers take it for a name; write the \
                    headers";
        diag.problem(&every.place, text);
    }
}

fn cors_headers(list: &Spanned<List<String>>, diag: &Diagnostics<'_>) -> Option<HeaderValue> {
    let is_good = |name: &&Spanned<String>| header_name(&name.value, &name.place, diag).is_some();
    let good: Vec<&str> = list
        .value
        .iter()
        .flatten()
        .filter(is_good)
        .map(|name| &*name.value)
        .collect();
    joined(good.into_iter())
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let words: Vec<&str> = words.collect();
    // Methods and header names are valid in a header value.
    if words.is_empty() {
        None
    } else {
        HeaderValue::try_from(words.join(", ")).ok()
    }
}
