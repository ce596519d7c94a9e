//! The text format that scrapers had before OpenMetrics (`text/plain; version=0.0.4`). The two
//! differ in the names of families and in the last line; samples are the same.

use http::HeaderMap;
use http::header::ACCEPT;

/// The media type.
pub(in crate::status) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether a scraper asks for this format and does not know OpenMetrics. One that says nothing, or
/// `*/*`, gets OpenMetrics.
pub(in crate::status) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter();
    let ranges = accepted.filter_map(|value| value.to_str().ok());
    let types: Vec<String> = ranges
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .map(|media| media.trim().to_ascii_lowercase())
        .collect();
    let has = |name: &str| types.iter().any(|media| media == name);
    has("text/plain") && !has("application/openmetrics-text")
}

/// The same metrics in this format.
pub(in crate::status) fn from_openmetrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut help = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // The name in it depends on the type, which is the next line.
            help = rest;
        } else if let Some((name, kind)) = typed(line) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                kind => ("", kind),
            };
            if let Some((_, text)) = help.split_once(' ') {
                out.push_str(&format!("# HELP {name}{suffix} {text}\n"));
            }
            out.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if line != "# EOF" {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn typed(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("# TYPE ")?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn families_have_the_names_of_their_samples() {
        let text = "# HELP a_build The program\n# TYPE a_build info\na_build_info{v=\"1\"} 1\n\
                    # HELP a_seen What was seen\n# TYPE a_seen counter\na_seen_total 3\n\
                    # HELP a_now Now\n# TYPE a_now gauge\na_now 1\n# EOF\n";
        let want = "# HELP a_build_info The program\n# TYPE a_build_info gauge\n\
                    a_build_info{v=\"1\"} 1\n# HELP a_seen_total What was seen\n\
                    # TYPE a_seen_total counter\na_seen_total 3\n# HELP a_now Now\n\
                    # TYPE a_now gauge\na_now 1\n";
        assert_eq!(from_openmetrics(text), want);
    }

    #[test]
    fn who_gets_it() {
        for (accept, wanted) in [
            ("", false),
            ("*/*", false),
            ("text/html,*/*;q=0.8", false),
            ("text/plain", true),
            ("Text/Plain;version=0.0.4;q=0.5, */*;q=0.1", true),
            (
                "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
                false,
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(is_wanted(&headers), wanted, "{accept}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
