//! The table: a line for each certificate, and below it the details that fit into no column.

use std::time::Duration;

use ianitor::clock::UnixTime;
use ianitor::store::{Meta, OrderRecord};
use ianitor::telemetry::{Chain, Visible, escape};

use super::look::Row;

/// Lists of hosts are wrapped at this width.
const WIDTH: usize = 100;

const TITLES: [&str; 5] = [
    "CERTIFICATE",
    "ISSUER",
    "ENDS (UTC)",
    "NEXT ORDER (UTC)",
    "CONSUMERS",
];

pub(super) fn text(rows: &[Row<'_>], now: UnixTime) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| columns(row, now).map(|cell| escape::field(&cell)))
        .collect();
    let mut widths = TITLES.map(str::len);
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = line(&TITLES.map(str::to_owned), &widths);
    for (row, cells) in rows.iter().zip(&cells) {
        out += &line(cells, &widths);
        for (title, text) in beneath(row) {
            out += &format!("  {title:<9} {}\n", Visible(text));
        }
    }
    out
}

fn line(cells: &[String; 5], widths: &[usize; 5]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:<width$}"))
        .collect();
    format!("{}\n", padded.join("  ").trim_end())
}

fn columns(row: &Row<'_>, now: UnixTime) -> [String; 5] {
    let none = || "-".to_owned();
    let (issuer, ends) = match &row.stored {
        Ok(Some(stored)) => (
            stored.bundle.meta.issuer.clone(),
            ends(&stored.bundle.meta, now),
        ),
        Ok(None) => (none(), "none yet".to_owned()),
        Err(_) => (none(), "unreadable".to_owned()),
    };
    let next = row
        .progress
        .as_ref()
        .ok()
        .and_then(Option::as_ref)
        .and_then(|progress| progress.next);
    let next = match next {
        None => none(),
        Some(at) if at <= now => "now".to_owned(),
        Some(at) => format!("{} (in {})", minute(at), span(now.until(at))),
    };
    let (all, in_sync) = (
        row.consumers.len(),
        row.consumers.iter().filter(|one| one.is_in_sync()).count(),
    );
    let consumers = if all == 0 {
        none()
    } else {
        format!("{in_sync} of {all} in sync")
    };
    [row.spec.name.to_string(), issuer, ends, next, consumers]
}

fn ends(meta: &Meta, now: UnixTime) -> String {
    let at = minute(meta.not_after);
    match meta.revoked {
        Some(_) => format!("{at} (REVOKED)"),
        None if meta.not_after <= now => {
            format!("{at} (EXPIRED {} ago)", span(meta.not_after.until(now)))
        }
        None => format!("{at} (in {})", span(now.until(meta.not_after))),
    }
}

/// The details below the line of a certificate, each with a title.
fn beneath(row: &Row<'_>) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut say = |title: &str, text: String| lines.push((title.to_owned(), text));
    let hosts: Vec<String> = row
        .spec
        .hosts
        .iter()
        .map(|host| host.as_str().to_owned())
        .collect();
    wrapped(&hosts, "hosts", &mut say);
    match &row.stored {
        Ok(Some(stored)) => {
            let meta = &stored.bundle.meta;
            if meta.hosts != hosts {
                wrapped(&meta.hosts, "still for", &mut say);
            }
            say("serial", meta.serial.clone());
            if let Some(at) = meta.revoked {
                say("revoked", at.to_string());
            }
        }
        Ok(None) => {}
        Err(error) => say("store", Chain(error).to_string()),
    }
    match &row.progress {
        Ok(Some(progress)) => tell(progress, &mut say),
        Ok(None) => say(
            "next",
            "no gateway has looked after it yet; start `ianitor run`".to_owned(),
        ),
        Err(error) => say("store", Chain(error).to_string()),
    }
    for consumer in &row.consumers {
        say(
            consumer.spec.to.name(),
            format!("{} ({})", consumer.state(), consumer.spec.config_key),
        );
    }
    lines
}

fn tell(progress: &OrderRecord, say: &mut impl FnMut(&str, String)) {
    if !progress.why.is_empty() {
        say("next", progress.why.clone());
    }
    if progress.failures > 0 {
        let times = if progress.failures == 1 {
            "once"
        } else {
            &format!("{} times", progress.failures)
        };
        let error = progress
            .error
            .as_deref()
            .unwrap_or("the cause was not kept");
        say("failed", format!("{times}: {error}"));
    }
}

/// A wrapped list; the first line has the title.
fn wrapped(words: &[String], title: &str, say: &mut impl FnMut(&str, String)) {
    let (mut line, mut title) = (String::new(), title);
    for (at, word) in words.iter().enumerate() {
        if !line.is_empty() && line.len() + word.len() > WIDTH {
            say(title, std::mem::take(&mut line).trim_end().to_owned());
            title = "";
        }
        line += word;
        line += if at + 1 < words.len() { ", " } else { "" };
    }
    say(title, line);
}

/// `2026-05-28 20:26`.
fn minute(at: UnixTime) -> String {
    let text = at.to_string();
    text.get(..16)
        .map_or_else(|| text.clone(), |minute| minute.replace('T', " "))
}

/// Rounded to one unit: `61 days`, `5 hours`, `3 minutes`, `20 seconds`.
pub(super) fn span(time: Duration) -> String {
    let units = [("day", 86_400), ("hour", 3600), ("minute", 60)];
    let seconds = time.as_secs();
    let (unit, count) = units
        .into_iter()
        .find(|(_, length)| seconds >= 2 * length)
        .map_or(("second", seconds), |(unit, length)| {
            (unit, seconds / length)
        });
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_the_largest_unit_of_which_there_are_two() {
        let said = [0, 1, 119, 120, 7199, 7200, 172_799, 172_800, 7_776_000]
            .map(|s| span(Duration::from_secs(s)));
        let expected = [
            "0 seconds",
            "1 second",
            "119 seconds",
            "2 minutes",
            "119 minutes",
            "2 hours",
            "47 hours",
            "2 days",
            "90 days",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn long_lists_are_broken_between_words() {
        let words: Vec<String> = (0..20).map(|at| format!("host-{at}.example.com")).collect();
        let mut lines = Vec::new();
        wrapped(&words, "hosts", &mut |title: &str, line: String| {
            lines.push((title.to_owned(), line))
        });
        assert!(
            lines.len() > 2 && lines.iter().all(|(_, line)| line.len() <= WIDTH),
            "{lines:?}"
        );
        assert!(lines.iter().skip(1).all(|(title, _)| title.is_empty()) && lines[0].0 == "hosts");
        let joined: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(joined.join(" "), words.join(", "));
    }

    #[test]
    fn minutes_are_told_without_a_t() {
        assert_eq!(minute(UnixTime(1_780_000_000)), "2026-05-28 20:26");
        assert_eq!(
            minute(UnixTime(u64::MAX)),
            u64::MAX.to_string().replace('T', " ")[..16]
        );
    }
}
