//! What probes say of the servers of upstreams.

use super::super::board::Board;
use super::family::{Labels, Numbers};
use crate::route::health::{LastProbe, Probed, ServerState};

impl Numbers {
    pub(super) fn health(&mut self, board: &Board) {
        let snapshot = board.snapshot();
        let probed = snapshot
            .upstreams
            .iter()
            .filter(|up| up.spec.health.is_some());
        let servers = probed.flat_map(|upstream| {
            let labels = upstream.spec.server_names().map(|server| {
                let upstream = upstream.spec.name.to_string();
                vec![("upstream", upstream), ("server", server)]
            });
            labels.zip(upstream.states.iter().map(|state| &**state))
        });
        let servers: Vec<(Labels, &ServerState)> = servers.collect();
        let states = servers.iter().flat_map(|(labels, server)| {
            let now = server.probed();
            Probed::NAMES.map(|(name, state)| {
                let mut labels = labels.clone();
                labels.push(("state", name.to_owned()));
                (labels, f64::from(u8::from(state == now)))
            })
        });
        let help = "1 for the state that the probes of a server have found";
        self.gauge("upstream_server_health", help, states);
        let last = |of: fn(&LastProbe) -> f64| {
            let servers = servers.iter();
            let samples = servers
                .filter_map(move |(labels, server)| Some((labels.clone(), of(&server.last()?))));
            samples.collect::<Vec<_>>()
        };
        let ages = last(|probe| probe.at.elapsed().as_secs_f64());
        let help = "Time since the last probe of a server ended";
        self.gauge("upstream_server_probe_age_seconds", help, ages);
        let durations = last(|probe| probe.took.as_secs_f64());
        let help = "Time that the last probe of a server took";
        self.gauge("upstream_server_probe_duration_seconds", help, durations);
    }
}
