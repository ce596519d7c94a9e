//! Certificates: those in service, and what becomes of those that are ordered.

use std::collections::BTreeMap;

use super::family::{Labels, Numbers};
use super::unix;
use crate::acme::CertSeen;
use crate::status::board::Board;

impl Numbers {
    pub(super) fn certificates(&mut self, board: &Board) {
        let snapshot = board.snapshot();
        // Two of one name and file can only be the same; a label set must not come twice.
        let mut ends = BTreeMap::new();
        // When a placeholder ends says nothing of when its host is out of service.
        for info in snapshot.certificates.entries().filter(|info| !info.is_placeholder()) {
            let name = info.names.first().map_or_else(String::new, ToString::to_string);
            ends.insert((name, info.file.display().to_string()), unix(info.not_after));
        }
        let samples = ends.into_iter().map(|((name, file), end)| (vec![("name", name), ("file", file)], end));
        self.gauge("certificate_expiry_timestamp_seconds", "When a certificate ends, in Unix time", samples);
    }

    pub(super) fn orders(&mut self, orders: &[CertSeen]) {
        let labels = |of: &CertSeen| -> Labels { vec![("certificate", of.name.to_string())] };
        let results = orders.iter().flat_map(|of| {
            let with = |result: &str| [labels(of), vec![("result", result.to_owned())]].concat();
            [(with("ok"), of.issued), (with("failed"), of.failed)]
        });
        self.counter("certificate_orders", "Orders of a certificate, by what came of them", results);
        let failures = orders.iter().map(|of| (labels(of), f64::from(of.failures)));
        let help = "Orders that failed since the last one that did not";
        self.gauge("certificate_order_failures", help, failures);
        let next = orders.iter().filter_map(|of| Some((labels(of), of.next?.0 as f64)));
        self.gauge("certificate_next_order_timestamp_seconds", "When it is ordered next, in Unix time", next);
    }
}
