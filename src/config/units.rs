//! Numbers with a unit: durations, sizes and rates.

use std::num::NonZeroU32;
use std::time::Duration;

use super::meant;
use crate::limits::Rate;

/// The longest duration, because deadlines are added to clocks, which overflow.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// `500ms`, `10s`, `5m`, `1h`, `1d`.
///
/// # Errors
/// The problem. Displayed after the text.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let unit = match unit {
        _ if number.is_empty() => Err(no_duration(text)),
        "" => Err(format!("has no unit; write \"{number}s\" for seconds")),
        unit => time_unit(unit).ok_or_else(|| no_duration(text)),
    }?;
    let times = number.parse::<u32>().ok();
    times
        .and_then(|times| unit.checked_mul(times))
        .filter(|d| *d <= LONGEST)
        .ok_or("is longer than a year".to_owned())
}

fn no_duration(text: &str) -> String {
    match meant::duration(text).filter(|time| *time <= LONGEST) {
        Some(time) => format!("is not a duration; write \"{}\"", write_duration(time)),
        None => {
            "is not a duration, such as \"500ms\", \"10s\", \"5m\", \"1h\" or \"1d\"".to_owned()
        }
    }
}

fn time_unit(unit: &str) -> Option<Duration> {
    Some(match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3_600),
        "d" => Duration::from_secs(86_400),
        _ => return None,
    })
}

/// `512B`, `64KiB`, `1MiB`, `2GiB`, and `64KB`, `1MB`, `2GB` for powers of ten.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    if !number.is_empty() && unit.is_empty() {
        return Err(format!(
            "has no unit; write \"{number}B\", or {number} without quotes, for bytes"
        ));
    }
    let known = SIZES
        .iter()
        .find(|(name, _)| *name == unit)
        .filter(|_| !number.is_empty());
    let unit = known.ok_or_else(|| no_size(text))?.1;
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit))
        .ok_or("is too large".to_owned())
}

fn no_size(text: &str) -> String {
    match meant::size(text) {
        Some(bytes) => format!("is not a size; write \"{}\"", write_size(bytes)),
        None => "is not a size, such as \"512B\", \"64KiB\" or \"1MiB\"".to_owned(),
    }
}

/// `2000/s`, `300/m`, `50/10s`, `100/s burst 200`.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let form = || no_rate(text);
    let (rate, burst) = match text.split_once(" burst") {
        Some((rate, burst)) => (rate, Some(burst)),
        None => (text, None),
    };
    let (events, per) = rate.split_once('/').ok_or_else(form)?;
    if split(events) != (events, "") || events.is_empty() {
        return Err(form());
    }
    let per = time_unit(per).map_or_else(|| duration(per).map_err(|_| form()), Ok)?;
    let events: u32 = events
        .parse()
        .map_err(|_| "is a higher rate than can be counted".to_owned())?;
    if events == 0 || per.is_zero() {
        return Err("must allow at least one in some time".to_owned());
    }
    let rate = Rate::new(events, per);
    match burst {
        Some(number) => with_burst(rate, number).unwrap_or_else(|| Err(form())),
        None => Ok(rate),
    }
}

/// The rate with what stands behind the word `burst`. `None` if that is no number.
fn with_burst(rate: Rate, number: &str) -> Option<Result<Rate, String>> {
    if number.trim().is_empty() {
        let twice = rate.events.saturating_mul(2);
        let example = format!("{} burst {twice}", write_rate(rate));
        return Some(Err(format!(
            "does not say how many may come at once; write \"{example}\" for {twice}"
        )));
    }
    let digits = number.strip_prefix(' ')?;
    if split(digits) != (digits, "") {
        return None;
    }
    Some(match digits.parse::<u32>().map(NonZeroU32::new) {
        Ok(Some(burst)) => Ok(Rate {
            burst: Some(burst),
            ..rate
        }),
        Ok(None) => Err("must allow at least one at once".to_owned()),
        Err(_) => Err("has a larger burst than can be counted".to_owned()),
    })
}

fn no_rate(text: &str) -> String {
    match meant::rate(text).filter(|rate| rate.per <= LONGEST) {
        Some(rate) => format!("is not a rate; write \"{}\"", write_rate(rate)),
        None => concat!(
            "is not a rate, such as \"2000/s\", \"300/m\", \"50/10s\" or ",
            "\"100/s burst 200\""
        )
        .to_owned(),
    }
}

/// Formats a duration in the largest unit without a remainder.
pub(super) fn write_duration(time: Duration) -> String {
    let millis = time.as_millis();
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ];
    let unit = units
        .into_iter()
        .find(|(_, unit)| millis != 0 && millis.is_multiple_of(*unit));
    unit.map_or_else(
        || format!("{millis}ms"),
        |(name, unit)| format!("{}{name}", millis / unit),
    )
}

/// Formats a size.
pub(super) fn write_size(bytes: u64) -> String {
    let unit = SIZES
        .iter()
        .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    let (name, unit) = unit.unwrap_or(&("B", 1));
    format!("{}{name}", bytes / unit)
}

/// Formats a rate.
pub(super) fn write_rate(rate: Rate) -> String {
    let per = write_duration(rate.per);
    // `1` before the unit is omitted.
    let per = per
        .strip_prefix('1')
        .filter(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(&per);
    match rate.burst {
        Some(burst) => format!("{}/{per} burst {burst}", rate.events),
        None => format!("{}/{per}", rate.events),
    }
}

/// Splits leading digits from the rest.
fn split(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("0s", 0),
            ("007s", 7_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, want) in [
            ("", "not a duration"),
            ("s", "not a duration"),
            ("10", "\"10s\""),
            ("10 s", "\"10s\""),
            ("10sec", "\"10s\""),
            ("2 minutes", "\"2m\""),
            ("1.5s", "\"1500ms\""),
            ("1.5", "not a duration"),
            ("0.0001s", "not a duration"),
            ("-1s", "not a duration"),
            ("+1s", "not a duration"),
            ("1S", "\"1s\""),
            ("2w", "\"14d\""),
            ("60w", "not a duration"),
            ("1m30s", "\"90s\""),
            ("1m30", "not a duration"),
            ("99999999999999999999 s", "not a duration"),
            ("١s", "not a duration"),
            ("367d", "longer than a year"),
            ("99999999999999999999ms", "longer than a year"),
            ("4294967295d", "longer than a year"),
        ] {
            let got = duration(text).unwrap_err();
            assert!(got.contains(want), "{text}: {got}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in ["0ms", "500ms", "75s", "10s", "5m", "1h", "365d"] {
            assert_eq!(write_duration(duration(text).unwrap()), text);
        }
        for text in ["0B", "512B", "64KiB", "1MiB", "3GiB", "1MB"] {
            assert_eq!(write_size(size(text).unwrap()), text);
        }
        for text in ["2000/s", "50/10s", "5/100ms", "100/s burst 200"] {
            assert_eq!(write_rate(rate(text).unwrap()), text);
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0B", 0),
            ("512B", 512),
            ("64KiB", 65_536),
            ("1MiB", 1 << 20),
            ("2GiB", 2 << 30),
            ("1KB", 1_000),
            ("1MB", 1_000_000),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, want) in [
            ("", "not a size"),
            ("MiB", "not a size"),
            ("1024", "\"1024B\""),
            ("1 MiB", "\"1MiB\""),
            ("1mib", "\"1MiB\""),
            ("64k", "\"64KiB\""),
            ("1.5M", "\"1536KiB\""),
            ("1x", "not a size"),
            ("99999999999g", "not a size"),
            ("-1B", "not a size"),
            ("0.3B", "not a size"),
            ("99999999999999999999B", "too large"),
            ("18446744073709551615GiB", "too large"),
        ] {
            let got = size(text).unwrap_err();
            assert!(got.contains(want), "{text}: {got}");
        }
    }

    #[test]
    fn rates() {
        for (text, events, millis) in [
            ("2000/s", 2000, 1_000),
            ("300/m", 300, 60_000),
            ("50/10s", 50, 10_000),
            ("5/100ms", 5, 100),
            ("1/d", 1, 86_400_000),
        ] {
            assert_eq!(
                rate(text),
                Ok(Rate::new(events, Duration::from_millis(millis))),
                "{text}"
            );
        }
        for (text, burst) in [("10/s burst 20", 20), ("10/s burst 1", 1)] {
            let want = Rate {
                burst: NonZeroU32::new(burst),
                ..Rate::new(10, Duration::from_secs(1))
            };
            assert_eq!(rate(text), Ok(want), "{text}");
        }
        for (text, want) in [
            ("", "not a rate"),
            ("2000", "\"2000/s\""),
            ("10r/s", "\"10/s\""),
            ("10 per minute", "\"10/m\""),
            ("50/10 s", "\"50/10s\""),
            ("0r/s", "not a rate"),
            ("many", "not a rate"),
            ("/s", "not a rate"),
            ("2000/", "not a rate"),
            ("2000/x", "not a rate"),
            ("20.5/s", "not a rate"),
            ("-1/s", "not a rate"),
            ("1/s/s", "not a rate"),
            ("0/s", "at least one"),
            ("5/0s", "at least one"),
            ("99999999999/s", "higher rate"),
            ("10/s burst", "write \"10/s burst 20\""),
            ("10/s burst ", "write \"10/s burst 20\""),
            ("10/s burst=20", "\"10/s burst 20\""),
            ("10r/s burst=20 nodelay", "\"10/s burst 20\""),
            ("rate=10r/s burst=20", "\"10/s burst 20\""),
            ("10/s, burst of 20", "\"10/s burst 20\""),
            ("10/s  burst 20", "\"10/s burst 20\""),
            ("10/s burst 20/s", "not a rate"),
            ("10/s burst -1", "not a rate"),
            ("10/s burst 2.5", "not a rate"),
            ("10/s burst many", "not a rate"),
            ("burst 20", "not a rate"),
            ("10/s 20", "not a rate"),
            ("10/s bursts 20", "not a rate"),
            ("10/s burst 0", "at least one at once"),
            ("1/9999999d", "is not a rate, such as"),
            ("10/s burst 99999999999", "larger burst"),
            ("0/s burst 5", "at least one"),
        ] {
            let got = rate(text).unwrap_err();
            assert!(got.contains(want), "{text}: {got}");
        }
    }
}
