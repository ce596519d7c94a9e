//! Certificates, ACME orders and deployments on the status page.

use std::time::{Duration, SystemTime};

use super::table::{Cell, code, mark, number, table, text};
use crate::acme::CertStatus;
use crate::clock::{self, UnixTime};
use crate::deploy::DeployStatus;
use crate::html::Text;
use crate::status::board::Board;
use crate::status::spoken::spoken;
use crate::tls::{CertInfo, Date};

const DAY: u64 = 24 * 60 * 60;

/// Certificates that expire sooner are marked, because automatic renewal should have replaced them.
/// For short lifetimes it is the last quarter.
const ENDS_SOON: Duration = Duration::from_secs(14 * DAY);

/// Certificates in use.
pub(super) fn certificates(out: &mut String, board: &Board) {
    let now = clock::wall();
    let row = |info: &CertInfo| {
        let names: Vec<String> = info.names.iter().map(ToString::to_string).collect();
        vec![
            code(names.join(" ")),
            text(Date(info.not_after)),
            Cell(days_left(info, now), false),
            code(info.file.display()),
        ]
    };
    let rows: Vec<_> = board.snapshot().certificates.entries().map(row).collect();
    table(
        out,
        "Certificates",
        &["Names", "Not after", "Days left", "File"],
        &rows,
    );
}

/// ACME certificates and their orders.
pub(super) fn orders(out: &mut String, board: &Board) {
    let (orders, now) = (board.orders(), UnixTime::now());
    if orders.is_empty() {
        return;
    }
    let rows: Vec<_> = orders.iter().map(|of| order(of, now)).collect();
    table(
        out,
        "Orders",
        &[
            "Certificate",
            "Hosts",
            "Next order",
            "Because",
            "Failures",
            "Last error",
        ],
        &rows,
    );
}

fn order(of: &CertStatus, now: UnixTime) -> Vec<Cell> {
    let next = match of.next {
        _ if of.is_ordering => mark("", "now"),
        None => String::new(),
        Some(at) if at <= now => mark("", "due"),
        Some(at) => {
            format!(
                "in {} <span class=\"soft\">{at}</span>",
                spoken(now.until(at).as_secs())
            )
        }
    };
    let error = of.error.as_ref().map_or_else(String::new, |error| {
        format!("{} {}", mark("bad", "failed"), Text(error))
    });
    let failures = number(u64::from(of.failures));
    vec![
        code(&of.name),
        code(of.hosts.join(" ")),
        Cell(next, false),
        text(&of.why),
        failures,
        Cell(error, false),
    ]
}

/// Deployments to other servers.
pub(super) fn deploys(out: &mut String, board: &Board) {
    let (deploys, now) = (board.deploys(), UnixTime::now());
    if deploys.is_empty() {
        return;
    }
    let rows: Vec<_> = deploys.iter().map(|of| deploy(of, now)).collect();
    table(
        out,
        "Deployments",
        &[
            "Deployment",
            "To",
            "Certificate",
            "State",
            "Failures",
            "Last error",
        ],
        &rows,
    );
}

fn deploy(of: &DeployStatus, now: UnixTime) -> Vec<Cell> {
    let state = match (of.in_sync, of.next) {
        (true, _) => mark("", "in sync"),
        (false, Some(at)) if of.failures > 0 => {
            let wait = spoken(now.until(at).as_secs());
            format!(
                "{} <span class=\"soft\">again in {wait}</span>",
                mark("bad", "failed")
            )
        }
        (false, _) => mark("warn", "pending"),
    };
    let (failures, error) = (
        number(u64::from(of.failures)),
        text(of.error.as_deref().unwrap_or_default()),
    );
    vec![
        code(&of.config_key),
        text(of.to.name()),
        code(&of.certificate),
        Cell(state, false),
        failures,
        error,
    ]
}

fn days_left(info: &CertInfo, now: SystemTime) -> String {
    if info.is_placeholder() {
        // The expiry of a placeholder does not matter.
        return mark("warn", "placeholder");
    }
    let lifetime = info
        .not_after
        .duration_since(info.not_before)
        .unwrap_or(Duration::ZERO);
    left(info.not_after.duration_since(now).ok(), lifetime)
}

fn left(left: Option<Duration>, lifetime: Duration) -> String {
    let days = |time: Duration| time.as_secs() / DAY;
    match left {
        Some(left) if left < ENDS_SOON.min(lifetime / 4) => mark("warn", days(left)),
        Some(left) => mark("", days(left)),
        None => mark("bad", "has ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_marked_before_they_end() {
        let days = |days: u64| Duration::from_secs(days * DAY);
        assert!(left(Some(days(90)), days(365)).contains("mark \">90<"));
        assert!(left(Some(days(13)), days(365)).contains("warn\">13<"));
        assert!(left(Some(days(3)), days(6)).contains("mark \">3<"));
        assert!(left(Some(days(1)), days(6)).contains("warn\">1<"));
        assert!(left(None, days(90)).contains("has ended"));
    }
}
