//! Whether a person will see the answer, in a browser, or a program.

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Request};

use crate::proxy::websocket;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The headers that an answer depends on where it may be a page.
pub(super) const VARY: &str = "Accept, Sec-Fetch-Mode";

/// Whether a browser will show the answer: it opens a page, and does not fetch something for one.
/// Older browsers do not say so; they prefer HTML to JSON.
pub(super) fn is_navigation<B>(request: &Request<B>) -> bool {
    if request.method() != Method::GET || websocket::is_upgrade(request) {
        return false;
    }
    match request.headers().get(SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => prefers_html(request.headers()),
    }
}

fn prefers_html(headers: &HeaderMap) -> bool {
    let (mut html, mut json) = (0, 0);
    let values = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts
            .find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")))
            .map_or(1000, thousandths);
        match kind.as_str() {
            "text/html" | "application/xhtml+xml" => html = html.max(quality),
            "application/json" => json = json.max(quality),
            kind if kind.ends_with("+json") => json = json.max(quality),
            _ => {}
        }
    }
    html > json
}

/// A quality (RFC 9110, section 12.4.2) in thousandths; 0 for an invalid one.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    match (whole, format!("{fraction:0<3}").parse::<u16>()) {
        ("0", Ok(fraction @ ..1000)) => fraction,
        ("1", Ok(0)) => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(method: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri("/admin");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        is_navigation(&request.body(()).unwrap())
    }

    #[test]
    fn a_page_is_for_whoever_opens_one() {
        const CHROME: &str =
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (method, headers, want) in [
            (
                "GET",
                &[("sec-fetch-mode", "navigate"), ("accept", "*/*")][..],
                true,
            ),
            ("GET", &[("accept", CHROME)], true),
            (
                "GET",
                &[("accept", "application/json;q=0.9, TEXT/HTML")],
                true,
            ),
            (
                "GET",
                &[("sec-fetch-mode", "cors"), ("accept", CHROME)],
                false,
            ),
            ("GET", &[("sec-fetch-mode", "websocket")], false),
            ("GET", &[], false),
            ("GET", &[("accept", "*/*")], false),
            (
                "GET",
                &[("accept", "application/json, text/plain, */*")],
                false,
            ),
            (
                "GET",
                &[("accept", "text/html;q=0.5, application/problem+json")],
                false,
            ),
            ("GET", &[("accept", "text/html, application/json")], false),
            ("GET", &[("accept", "text/html;q=0")], false),
            ("HEAD", &[("accept", CHROME)], false),
            (
                "POST",
                &[("sec-fetch-mode", "navigate"), ("accept", CHROME)],
                false,
            ),
            (
                "GET",
                &[
                    ("connection", "upgrade"),
                    ("upgrade", "websocket"),
                    ("accept", CHROME),
                ],
                false,
            ),
        ] {
            assert_eq!(opens(method, headers), want, "{method} {headers:?}");
        }
    }

    #[test]
    fn qualities() {
        for (text, want) in [
            ("1", 1000),
            ("1.000", 1000),
            ("0.5", 500),
            ("0.05", 50),
            ("0", 0),
            ("2", 0),
            ("x", 0),
        ] {
            assert_eq!(thousandths(text), want, "{text}");
        }
    }
}
