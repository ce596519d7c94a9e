//! Messages to upstreams that the gateway understands.

use super::super::board::Board;
use super::family::{Labels, Numbers};
use crate::telemetry::metrics::{MESSAGE_CLASSES, RefusedBy};

impl Numbers {
    pub(super) fn messages(&mut self, board: &Board) {
        let upstreams = board.upstreams();
        let by_class = upstreams.iter().flat_map(|(name, counts)| {
            let class = |(at, class): (usize, &&str)| {
                let labels = |outcome: &str| {
                    vec![
                        ("upstream", name.to_string()),
                        ("class", (*class).to_owned()),
                        ("outcome", outcome.to_owned()),
                    ]
                };
                let allowed = counts.sum(|c| &c.messages_allowed[at]);
                let refused = counts.sum(|c| &c.messages_refused[at]);
                // An upstream has the classes of one protocol, and most upstreams have none.
                let samples = [(labels("allowed"), allowed), (labels("refused"), refused)];
                samples.into_iter().filter(move |_| allowed + refused > 0)
            };
            let classes = MESSAGE_CLASSES.iter().enumerate().flat_map(class);
            classes.collect::<Vec<_>>()
        });
        let help = "Messages of clients that were judged, by class and outcome";
        self.counter("messages", help, by_class);
        let refusals = board.message_refusals().into_iter();
        let refusals = refusals.map(|(RefusedBy { policy, rule }, n)| {
            let labels = vec![("policy", policy.into()), ("rule", rule.into())];
            (labels, n)
        });
        let help = "Messages that were refused, by policy and by rule or reason";
        self.counter("message_refusals", help, refusals);
        self.sessions(board);
        let upstreams = upstreams.iter();
        let renewals =
            upstreams.map(|(name, counts)| (of(name), counts.sum(|c| &c.token_renewals)));
        let renewals = renewals.filter(|(_, n)| *n > 0);
        let help = "Permissions that were renewed by a token in a message";
        self.counter("message_token_renewals", help, renewals);
        let slowed = board.upstreams().into_iter();
        let slowed = slowed.map(|(name, counts)| (of(&name), counts.sum(|c| &c.tunnels_slowed)));
        let help = "WebSockets whose client has sent more messages than it may, and had to wait";
        self.counter("tunnels_slowed", help, slowed.filter(|(_, n)| *n > 0));
    }

    /// What clients have at upstreams, as far as the gateway knows whose it is.
    fn sessions(&mut self, board: &Board) {
        let snapshot = board.snapshot();
        let backends = snapshot.upstreams.iter().filter_map(|upstream| {
            let backend = upstream.backend.as_ref()?;
            Some((&upstream.spec.name, &backend.owners))
        });
        let backends: Vec<_> = backends.collect();
        let sessions = backends
            .iter()
            .map(|(name, owners)| (of(name), owners.sessions() as f64));
        let help = "Sessions that clients have at the upstream";
        self.gauge("upstream_sessions", help, sessions);
        let handles = backends
            .iter()
            .map(|(name, owners)| (of(name), owners.handles() as f64));
        let help = "Handles that clients have in these sessions";
        self.gauge("upstream_handles", help, handles);
    }
}

fn of(upstream: &str) -> Labels {
    vec![("upstream", upstream.to_owned())]
}
