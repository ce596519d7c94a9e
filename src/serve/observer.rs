//! Counts messages, and writes those into the audit log that have to be accounted for.

use std::rc::Rc;
use std::sync::Arc;

use super::refusal_floods::FloodKey;
use super::shared::SharedState;
use crate::clock;
use crate::host::Authority;
use crate::signalling::audit::{Origin, Transport};
use crate::signalling::{Observer, Outcome, Record, RejectedKey};
use crate::telemetry::access::Exchange;
use crate::telemetry::metrics::{UpstreamCounts, WorkerMetrics};
use crate::telemetry::summed;

/// Sees the messages of a WebSocket or of a request.
#[derive(Debug)]
pub(super) struct MessageObserver {
    pub(super) shared: Arc<SharedState>,
    pub(super) metrics: Arc<WorkerMetrics>,
    /// The request, or the handshake.
    pub(super) exchange: Rc<Exchange>,
    /// The host that was requested.
    pub(super) authority: Rc<Authority>,
    pub(super) transport: Transport,
    /// The counters of the upstream.
    pub(super) counts: Arc<UpstreamCounts>,
    /// The client, if it has to wait for its next WebSocket once too much was refused.
    pub(super) flood_key: Option<FloodKey>,
}

impl Observer for MessageObserver {
    fn judged(&self, record: &Record<'_>) {
        let class = record.class as usize;
        match record.outcome {
            Outcome::Allowed(_) => self.counts.messages_allowed[class].inc(),
            Outcome::Refused { rule, reason, .. } => {
                self.counts.messages_refused[class].inc();
                let policy = record.policy.unwrap_or("none");
                self.metrics.message_refused(policy, rule.unwrap_or(reason));
            }
        }
        if self.shared.audit.is_enabled() && record.is_audited() {
            self.audit(record);
        }
    }

    fn too_many_refused(&self) {
        if let Some(key) = self.flood_key {
            self.shared.refusal_floods.note(key, clock::monotonic());
        }
    }

    fn slowed(&self) {
        self.counts.tunnels_slowed.inc();
        let mut upstream = String::new();
        self.exchange
            .note(|line| upstream = line.upstream.as_deref().unwrap_or_default().to_owned());
        let client = self.exchange.client();
        summed("messages_per_tunnel", &upstream.clone(), move |times| {
            tracing::warn!(
                upstream,
                times,
                %client,
                "a client sends more messages than limits.messages_per_tunnel and is slowed down"
            );
        });
    }

    fn credentials_rejected(&self, RejectedKey { key, setting }: RejectedKey) {
        let mut upstream = String::new();
        self.exchange
            .note(|line| upstream = line.upstream.as_deref().unwrap_or_default().to_owned());
        summed("credentials_rejected", &upstream.clone(), move |times| {
            let advice =
                format!("write {setting} of Janus into the file of upstreams.{upstream}.{key}");
            tracing::warn!(
                upstream,
                times,
                advice,
                "Janus rejects the gateway's secret"
            );
        });
    }
}

impl MessageObserver {
    fn audit(&self, record: &Record<'_>) {
        let (mut user, mut route, mut upstream) = (None, None, None);
        self.exchange.note(|line| {
            user = line.user.as_ref().map(ToString::to_string);
            (route, upstream) = (line.route.clone(), line.upstream.clone());
        });
        let line = record.audit_line(&Origin {
            time: clock::wall(),
            client: &self.exchange.client(),
            user: user.as_deref(),
            host: &self.authority.host,
            route: route.as_deref().unwrap_or_default(),
            upstream: upstream.as_deref().unwrap_or_default(),
            transport: self.transport,
            request: &self.exchange.id(),
            hash: &|id: &str| hash(&self.shared.tagger.tag(&format!("session or handle {id}"))),
        });
        self.shared.audit.log(&line);
    }
}

/// The bytes of a hash: two ids hardly ever have the same one.
const HASH: usize = 8;

fn hash(tag: &[u8]) -> String {
    let bytes = tag.iter().take(HASH);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use crate::signalling::MessageClass;
    use crate::telemetry::metrics::MESSAGE_CLASSES;

    #[test]
    fn each_class_of_messages_has_its_counters() {
        assert_eq!(MessageClass::ALL.map(|(_, label)| label), MESSAGE_CLASSES);
    }
}
