//! Numbers and durations for the status page.

/// A duration by its two largest units.
pub(super) fn spoken(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = parts
        .iter()
        .position(|(n, _)| *n > 0)
        .unwrap_or(parts.len() - 1);
    let said: Vec<String> = parts[first..]
        .iter()
        .take(2)
        .map(|(n, unit)| format!("{n} {unit}"))
        .collect();
    said.join(" ")
}

/// A number with separated thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // A narrow no-break space.
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A number of bytes with a unit.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut value, mut unit) = (number as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if unit == 0 || value >= 100.0 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (seconds, want) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (7200, "2 h 0 min"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(spoken(seconds), want);
        }
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(12), "12");
        assert_eq!(
            [0, 1023, 1024, 1_234_567, 500 << 20].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.2 MiB", "500 MiB"]
        );
    }
}
