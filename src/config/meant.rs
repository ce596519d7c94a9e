//! Numbers with a unit as people write them elsewhere, to offer them back in the form that is right
//! here.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::limits::Rate;

/// The duration that people mean by `1m30s`, `1.5s`, `10 seconds` or `2w`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    const WORDS: [(&str, u64); 15] = [
        ("ms", 1),
        ("msec", 1),
        ("milliseconds", 1),
        ("s", 1_000),
        ("sec", 1_000),
        ("second", 1_000),
        ("m", 60_000),
        ("min", 60_000),
        ("minute", 60_000),
        ("h", 3_600_000),
        ("hr", 3_600_000),
        ("hour", 3_600_000),
        ("d", 86_400_000),
        ("day", 86_400_000),
        ("w", 604_800_000),
    ];
    let text = text.to_ascii_lowercase().replace([' ', '_'], "");
    let (mut rest, mut millis) = (text.as_str(), 0_u64);
    while !rest.is_empty() {
        let (number, after) = split_decimal(rest);
        let end = after.find(|c: char| c.is_ascii_digit());
        let (word, after) = after.split_at(end.unwrap_or(after.len()));
        let singular = word.strip_suffix('s').filter(|one| one.len() > 1);
        let mut words = WORDS.iter();
        let (_, unit) = words.find(|(name, _)| *name == word || Some(*name) == singular)?;
        millis = millis.checked_add(scaled(number, *unit)?)?;
        rest = after;
    }
    let time = Duration::from_millis(millis);
    (!time.is_zero()).then_some(time)
}

/// The size that people mean by `64k`, `1 MiB` or `1.5m`: in powers of 1024, as NGINX has it.
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase().replace([' ', '_'], "");
    let (number, unit) = split_decimal(&text);
    let unit = match unit {
        "b" | "bytes" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    scaled(number, unit)
}

/// The rate that people mean by `10r/s`, `10 per minute`, `10`, or NGINX's `rate=10r/s burst=20
/// nodelay`.
pub(super) fn rate(text: &str) -> Option<Rate> {
    let text = text
        .to_ascii_lowercase()
        .replace([' ', ',', '=', ':'], "")
        .replace("per", "/");
    let text = text.strip_prefix("rate").unwrap_or(&text);
    let text = text.strip_suffix("nodelay").unwrap_or(text);
    let (text, burst) = match text.split_once("burst") {
        Some((rate, burst)) => {
            let burst = burst.strip_prefix("of").unwrap_or(burst);
            (rate, Some(burst.parse::<NonZeroU32>().ok()?))
        }
        None => (text, None),
    };
    let (events, per) = text.split_once('/').unwrap_or((text, "s"));
    let events = ["requests", "req", "r"]
        .iter()
        .find_map(|word| events.strip_suffix(word))
        .unwrap_or(events);
    let counted = if per.starts_with(|c: char| c.is_ascii_digit()) {
        ""
    } else {
        "1"
    };
    let per = duration(&format!("{counted}{per}"))?;
    let events = events.parse().ok().filter(|events| *events > 0)?;
    Some(Rate { events, per, burst })
}

/// A number with or without a fraction, times a unit, if that is a whole number.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 6 {
        return None;
    }
    let of_fraction = match fraction {
        "" => 0,
        digits => {
            let times = digits.parse::<u64>().ok()?.checked_mul(unit)?;
            let parts = 10_u64.pow(u32::try_from(digits.len()).ok()?);
            times.is_multiple_of(parts).then_some(times / parts)?
        }
    };
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)?
        .checked_add(of_fraction)
}

/// Splits a leading number with or without a fraction from the rest.
fn split_decimal(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}
