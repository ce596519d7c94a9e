//! How long an answer is fresh, by its headers (RFC 9111, sections 4.2 and 5.2).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{self, HeaderName};

/// Keys are not fetched more often, whatever the headers say: `max-age=0` would cause a stream of
/// fetches.
const SHORTEST: Duration = Duration::from_secs(60);

/// Keys are fetched at least this often, so that a withdrawn key is dropped after a day.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Without headers about caching.
const USUAL: Duration = Duration::from_secs(3600);

/// How long an answer is fresh: between a minute and a day. `now` is used if the answer has no
/// `Date`.
pub fn fresh_for(headers: &HeaderMap, now: SystemTime) -> Duration {
    let said = said_by_cache_control(headers).or_else(|| said_by_expires(headers, now));
    said.unwrap_or(USUAL).clamp(SHORTEST, LONGEST)
}

fn said_by_cache_control(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(header::CACHE_CONTROL).iter();
    let directives: Vec<(&str, Option<&str>)> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(split)
        .collect();
    let is_said = |name: &str| {
        directives
            .iter()
            .any(|(said, _)| said.eq_ignore_ascii_case(name))
    };
    if is_said("no-store") || is_said("no-cache") {
        return Some(Duration::ZERO);
    }
    // The first of several `max-age` counts. One that is not a number counts as 0.
    let (_, value) = directives
        .iter()
        .find(|(said, _)| said.eq_ignore_ascii_case("max-age"))?;
    let seconds = value.map_or(0, seconds);
    // A cache on the way may have known the answer for this long.
    let age = headers
        .get(header::AGE)
        .and_then(|age| age.to_str().ok())
        .map_or(0, seconds_or_none);
    Some(Duration::from_secs(seconds.saturating_sub(age)))
}

fn seconds(text: &str) -> u64 {
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    seconds_or_none(text)
}

/// Digits only. A number that is too large means a very long time.
fn seconds_or_none(text: &str) -> u64 {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        text.parse().unwrap_or(u64::MAX)
    } else {
        0
    }
}

fn said_by_expires(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = |name: HeaderName| {
        let text = headers.get(name)?.to_str().ok()?;
        httpdate::parse_http_date(text).ok()
    };
    headers.get(header::EXPIRES)?;
    // A value that is not a date, such as `0`, means expired.
    let Some(end) = date(header::EXPIRES) else {
        return Some(Duration::ZERO);
    };
    let from = date(header::DATE).unwrap_or(now);
    Some(end.duration_since(from).unwrap_or(Duration::ZERO))
}

/// The directives of a line: `name`, `name=value`, `name="value, with a comma"`.
fn split(line: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let parts = line.split(move |c: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match c {
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            '"' if !was_escaped => is_quoted = !is_quoted,
            ',' => return !is_quoted,
            _ => {}
        }
        false
    });
    parts.map(|part| match part.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (part.trim(), None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sunday, 06 Nov 1994 08:49:37 GMT.
    const NOW: Duration = Duration::from_secs(784_111_777);

    fn fresh(lines: &[(&str, &str)]) -> u64 {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        fresh_for(&headers, SystemTime::UNIX_EPOCH + NOW).as_secs()
    }

    #[test]
    fn an_answer_is_fresh_for_as_long_as_its_head_says() {
        let table: &[(&[(&str, &str)], u64)] = &[
            (&[], 3600),
            (
                &[("cache-control", "public, max-age=19845, must-revalidate")],
                19845,
            ),
            (&[("cache-control", "Max-Age=600")], 600),
            (&[("cache-control", "max-age=\"600\"")], 600),
            (&[("cache-control", "max-age=600"), ("age", "100")], 500),
            (&[("cache-control", "max-age=600"), ("age", "x")], 600),
            // Between a minute and a day.
            (&[("cache-control", "max-age=0")], 60),
            (&[("cache-control", "max-age=31536000")], 86_400),
            (
                &[("cache-control", "max-age=99999999999999999999999")],
                86_400,
            ),
            (&[("cache-control", "no-store, max-age=600")], 60),
            (&[("cache-control", "no-cache")], 60),
            (&[("cache-control", "public")], 3600),
            // The first counts, and what is no number is over.
            (&[("cache-control", "max-age=600, max-age=700")], 600),
            (&[("cache-control", "max-age=-5")], 60),
            (&[("cache-control", "max-age")], 60),
            (
                &[("cache-control", "private=\"a, max-age=70\", max-age=600")],
                600,
            ),
            (
                &[("cache-control", "x=\"\\\", max-age=70\", max-age=600")],
                600,
            ),
            (
                &[
                    ("cache-control", "public"),
                    ("cache-control", "max-age=600"),
                ],
                600,
            ),
            // For caches that many share, which this is not.
            (&[("cache-control", "s-maxage=70, max-age=600")], 600),
            // Without max-age, Expires says it, by the clock of who sent it.
            (&[("expires", "Sun, 06 Nov 1994 09:49:37 GMT")], 3600),
            (
                &[
                    ("expires", "Sun, 06 Nov 1994 09:49:37 GMT"),
                    ("date", "Sun, 06 Nov 1994 09:39:37 GMT"),
                ],
                600,
            ),
            (&[("expires", "Sunday, 06-Nov-94 09:49:37 GMT")], 3600),
            (&[("expires", "Sun, 06 Nov 1994 07:49:37 GMT")], 60),
            (&[("expires", "0")], 60),
            (&[("cache-control", "max-age=600"), ("expires", "0")], 600),
        ];
        for (lines, wanted) in table {
            assert_eq!(fresh(lines), *wanted, "{lines:?}");
        }
    }

    #[test]
    fn whatever_is_said_is_kept_between_a_minute_and_a_day() {
        let pieces = [
            "max-age",
            "=",
            "\"",
            ",",
            "\\",
            "600",
            "no-store",
            " ",
            "x",
            "-",
            "99999999999999999999",
        ];
        let mut state = 1_u32;
        let mut next = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from(state >> 8).unwrap() % below
        };
        for _ in 0..20_000 {
            let line: String = (0..next(12)).map(|_| pieces[next(pieces.len())]).collect();
            let said = fresh(&[
                ("cache-control", &line),
                ("age", pieces[next(pieces.len())]),
            ]);
            assert!((60..=86_400).contains(&said), "{line}: {said}");
        }
    }
}
