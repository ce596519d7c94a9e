//! Certificates: those in service, and what becomes of those that are ordered.

use std::collections::BTreeMap;

use super::family::{Labels, Numbers};
use super::unix;
use crate::acme::CertStatus;
use crate::deploy::DeployStatus;
use crate::status::board::Board;

impl Numbers {
    pub(super) fn certificates(&mut self, board: &Board) {
        let snapshot = board.snapshot();
        // Two of one name and file can only be the same; a label set must not come twice.
        let mut ends = BTreeMap::new();
        // When a placeholder ends says nothing of when its host is out of service.
        for info in snapshot
            .certificates
            .entries()
            .filter(|info| !info.is_placeholder())
        {
            let name = info
                .names
                .first()
                .map_or_else(String::new, ToString::to_string);
            ends.insert(
                (name, info.file.display().to_string()),
                unix(info.not_after),
            );
        }
        let samples = ends
            .into_iter()
            .map(|((name, file), end)| (vec![("name", name), ("file", file)], end));
        self.gauge(
            "certificate_expiry_timestamp_seconds",
            "When a certificate ends, in Unix time",
            samples,
        );
    }

    pub(super) fn orders(&mut self, orders: &[CertStatus]) {
        let labels = |of: &CertStatus| -> Labels { vec![("certificate", of.name.to_string())] };
        let results = orders.iter().flat_map(|of| {
            let with = |result: &str| [labels(of), vec![("result", result.to_owned())]].concat();
            [(with("ok"), of.issued), (with("failed"), of.failed)]
        });
        self.counter(
            "certificate_orders",
            "Orders of a certificate, by what came of them",
            results,
        );
        let failures = orders.iter().map(|of| (labels(of), f64::from(of.failures)));
        let help = "Orders that failed since the last one that did not";
        self.gauge("certificate_order_failures", help, failures);
        let next = orders
            .iter()
            .filter_map(|of| Some((labels(of), of.next?.0 as f64)));
        self.gauge(
            "certificate_next_order_timestamp_seconds",
            "When it is ordered next, in Unix time",
            next,
        );
    }
    pub(super) fn deploys(&mut self, deploys: &[DeployStatus]) {
        let labels = |of: &DeployStatus| -> Labels {
            let DeployStatus {
                config_key,
                certificate,
                to,
                ..
            } = of;
            vec![
                ("deploy", config_key.clone()),
                ("certificate", certificate.to_string()),
                ("to", to.name().to_owned()),
            ]
        };
        let results = deploys.iter().flat_map(|of| {
            let with = |result: &str| [labels(of), vec![("result", result.to_owned())]].concat();
            [(with("ok"), of.succeeded), (with("failed"), of.failed)]
        });
        self.counter(
            "deploys",
            "Certificates brought to other servers, by what came of it",
            results,
        );
        let in_sync = deploys
            .iter()
            .map(|of| (labels(of), f64::from(u8::from(of.in_sync))));
        self.gauge(
            "deploy_in_sync",
            "1 if a server has the certificate that it should have",
            in_sync,
        );
        let last = deploys
            .iter()
            .map(|of| (labels(of), of.done.map_or(0, |at| at.0) as f64));
        let help =
            "When a certificate was last brought there, in Unix time; 0 is not since the start";
        self.gauge("deploy_last_success_timestamp_seconds", help, last);
    }
}
