//! Requests that waited for a connection to a server, and those that were sent again.

use super::super::board::Board;
use super::family::Numbers;
use crate::telemetry::metrics::{Count, UpstreamCounts};

impl Numbers {
    pub(super) fn retries(&mut self, board: &Board) {
        let help = "Requests that were sent again, or to another server, and that were not";
        self.by_outcome(board, "upstream_retries", help, |counts| {
            let retries = &counts.retries;
            vec![
                ("repeated", &retries.repeated),
                ("moved", &retries.moved),
                ("over_budget", &retries.over_budget),
            ]
        });
        let help = "Requests that found a server with all its max_connections and had to wait";
        self.by_outcome(board, "upstream_queued", help, |counts| {
            let queued = &counts.queued;
            vec![
                ("served", &queued.served),
                ("late", &queued.late),
                ("left", &queued.left),
                ("refused", &queued.refused),
            ]
        });
    }

    fn by_outcome(
        &mut self,
        board: &Board,
        family: &'static str,
        help: &'static str,
        outcomes: impl Fn(&UpstreamCounts) -> Vec<(&'static str, &Count)>,
    ) {
        let none = UpstreamCounts::default();
        let mut samples = Vec::new();
        for (name, counts) in board.upstreams() {
            for (at, (outcome, _)) in outcomes(&none).into_iter().enumerate() {
                let labels = vec![
                    ("upstream", name.to_string()),
                    ("outcome", outcome.to_owned()),
                ];
                let sum = counts.total(|counts| outcomes(counts)[at].1.get());
                samples.push((labels, sum));
            }
        }
        self.counter(family, help, samples);
    }
}
