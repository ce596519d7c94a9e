//! Times, sizes and rates as NGINX writes them.

use std::time::Duration;

/// `90s`, `1h 30m`, `500ms`, or a number of seconds.
pub(super) fn time(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let millis: u64 = match &rest[..letters] {
            "ms" => 1,
            "" | "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "M" => 30 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        let part = Duration::from_millis(number.checked_mul(millis)?);
        total = total.checked_add(part)?;
        rest = rest[letters..].trim_start();
    }
    Some(total)
}

/// `2m`, `64k`, `1g`, or a number of bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1 << 10),
        b'm' | b'M' => (&text[..text.len() - 1], 1 << 20),
        b'g' | b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// A size as `gateway.toml` has it.
pub(super) fn shown_size(bytes: u64) -> String {
    match bytes {
        0 => "0B".to_owned(),
        bytes if bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{}KiB", bytes >> 10),
        bytes => format!("{bytes}B"),
    }
}

/// `rate=10r/s` as `10/s`.
pub(super) fn rate(text: &str) -> Option<String> {
    let (number, unit) = text.split_once("r/")?;
    let number: u32 = number.parse().ok()?;
    (number > 0 && matches!(unit, "s" | "m")).then(|| format!("{number}/{unit}"))
}
