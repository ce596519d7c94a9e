//! Metrics of certificates, ACME orders and deployments.

use std::collections::BTreeMap;

use super::family::{Labels, Numbers};
use super::unix;
use crate::acme::CertStatus;
use crate::deploy::DeployStatus;
use crate::status::board::Board;

impl Numbers {
    pub(super) fn certificates(&mut self, board: &Board) {
        let snapshot = board.snapshot();
        // The same certificate may be configured twice, but a label set must be unique.
        let mut ends = BTreeMap::new();
        // The expiry of a placeholder does not matter.
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
            "When a certificate expires, in Unix time",
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
            "Orders of a certificate, by result",
            results,
        );
        let failures = orders.iter().map(|of| (labels(of), f64::from(of.failures)));
        let help = "Failed orders since the last successful one";
        self.gauge("certificate_order_failures", help, failures);
        let next = orders
            .iter()
            .filter_map(|of| Some((labels(of), of.next?.0 as f64)));
        self.gauge(
            "certificate_next_order_timestamp_seconds",
            "When the next order is due, in Unix time",
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
            "Deployments of certificates to other servers, by result",
            results,
        );
        let in_sync = deploys
            .iter()
            .map(|of| (labels(of), f64::from(u8::from(of.in_sync))));
        self.gauge(
            "deploy_in_sync",
            "1 if a server has the current certificate",
            in_sync,
        );
        let last = deploys
            .iter()
            .map(|of| (labels(of), of.done.map_or(0, |at| at.0) as f64));
        let help = "When a certificate was last deployed, in Unix time; 0 if not since the start";
        self.gauge("deploy_last_success_timestamp_seconds", help, last);
    }
}
