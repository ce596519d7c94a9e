//! Routes whose policy or limits are about messages, where there are none that can be judged.

use super::messages::Protocols;
use super::names::Names;
use super::upstreams::Upstream;
use crate::config::problem::Spanned;
use crate::config::tables::RawRoute;
use crate::policy::Policy;
use crate::route::upstream::{Protocol, UpstreamSpec};

/// Where Kurento has its WebSockets by default. It compares the whole path.
const KURENTO_PATH: &str = "/kurento";

impl Names<'_> {
    /// What the policy and the upstreams of a route say about messages.
    pub(super) fn note_messages(
        &self,
        raw: &RawRoute,
        judges: Option<Protocols>,
        upstreams: &[&Upstream],
    ) {
        self.note_unjudged(raw, judges, upstreams);
        self.note_one_secret(raw, upstreams);
    }

    /// A policy with rules for messages, where they would not be judged, or all be refused.
    fn note_unjudged(&self, raw: &RawRoute, protocols: Option<Protocols>, upstreams: &[&Upstream]) {
        let (Some(policy), Some(protocols)) = (&raw.policy, protocols) else {
            return;
        };
        // A protocol that is wrong is a problem of its own.
        let upstreams = upstreams.iter().filter(|upstream| upstream.has_protocol);
        for upstream in upstreams {
            let (name, spoken) = (&upstream.name.value, upstream.protocol.name());
            let text = match (upstream.protocol, upstream.protocol.of_messages()) {
                (_, Some(protocol)) if protocols.has(protocol) => continue,
                (_, Some(_)) => format!(
                    "allows no message of upstream \"{name}\", which speaks {spoken}; write \
                     messages or rules for that in the policy, or name another"
                ),
                (Protocol::Http, None) => format!(
                    "has rules for messages, and those of upstream \"{name}\" are not judged, for \
                     it speaks http; write protocol = \"{}\" there, or name a policy without them",
                    if protocols.are_kurento() {
                        "kurento"
                    } else {
                        "janus"
                    }
                ),
                (_, None) => format!(
                    "has rules for messages, and those of upstream \"{name}\" are not judged, for \
                     it speaks {spoken}; name a policy without them"
                ),
            };
            self.diag
                .problem(&policy.place, format!("\"{}\" {text}", policy.value));
        }
    }

    /// Presets and rules that are for another protocol than every route of their policy.
    pub(super) fn note_other_protocol(&self, routes: &[&RawRoute]) {
        for policy in self.context.policies {
            let Some(judged) = &policy.judged else {
                continue;
            };
            let is_used = |name: &Option<Spanned<String>>| {
                let name = name.as_ref();
                name.is_some_and(|name| name.value == policy.name.value)
            };
            let mut used = Protocols::default();
            for route in routes.iter().filter(|route| is_used(&route.policy)) {
                for name in [&route.upstream, &route.websocket].into_iter().flatten() {
                    let mut upstreams = self.context.upstreams.iter();
                    let upstream = upstreams.find(|upstream| upstream.name.value == name.value);
                    let protocol = upstream.and_then(|upstream| upstream.protocol.of_messages());
                    protocol
                        .into_iter()
                        .for_each(|protocol| used.add(protocol.into()));
                }
            }
            // Where nothing is for it at all, the route has a problem.
            if !judged.protocols.meet(used) {
                continue;
            }
            for part in judged
                .parts
                .iter()
                .filter(|part| !part.protocols.meet(used))
            {
                let text = "is for messages of another protocol than those of the upstreams that \
                            routes with this policy lead to; take it out";
                self.diag.problem(&part.place, text);
            }
        }
    }

    /// A route whose requests get Janus' secret, and whose WebSockets do not, or the other way
    /// round: Janus has one secret for both.
    fn note_one_secret(&self, raw: &RawRoute, upstreams: &[&Upstream]) {
        let (Some(place), [first, second]) = (&raw.websocket, upstreams) else {
            return;
        };
        let (Some(of_first), Some(of_second)) = (&first.spec, &second.spec) else {
            return;
        };
        let is_janus = |upstream: &Upstream| upstream.protocol == Protocol::Janus;
        let (with, without) = match (has_secret(of_first), has_secret(of_second)) {
            (true, false) => (first, second),
            (false, true) => (second, first),
            _ => return,
        };
        if is_janus(first) && is_janus(second) {
            let text = format!(
                "upstream \"{}\" has a secret of Janus and \"{}\" has none; one Janus wants the \
                 same for both, so write it there too",
                with.name.value, without.name.value
            );
            self.diag.warning(&place.place, text);
        }
    }

    /// A route that puts Janus' secret into the messages of everybody, whatever they say.
    pub(super) fn note_secret_for_everybody(&self, raw: &RawRoute, upstreams: &[&Upstream]) {
        let has_secret = |upstream: &&&Upstream| upstream.spec.as_ref().is_some_and(has_secret);
        let (Some(policy), Some(upstream)) = (&raw.policy, upstreams.iter().find(has_secret))
        else {
            return;
        };
        let text = format!(
            "\"{}\" admits everybody and has no rules for messages, and the gateway puts the \
             secret of upstream \"{}\" into each message: anybody gets what the secret protected; \
             write a policy with messages = […], and name it here",
            policy.value, upstream.name.value
        );
        self.diag.warning(&policy.place, text);
    }

    /// A route to Kurento whose messages are not judged.
    pub(super) fn note_unjudged_kurento(&self, raw: &RawRoute, upstreams: &[&Upstream]) {
        let is_kurento = |upstream: &&&Upstream| upstream.protocol == Protocol::Kurento;
        let (Some(policy), Some(upstream)) = (&raw.policy, upstreams.iter().find(is_kurento))
        else {
            return;
        };
        let text = format!(
            "\"{}\" has no rules for messages, so that its clients can have Kurento read and write \
             files, contact any host from there, and release the objects of all others (upstream \
             \"{}\"); write messages = [\"kurento-app\"] in the policy",
            policy.value, upstream.name.value
        );
        self.diag.warning(&policy.place, text);
    }

    /// A path at which no Kurento has its WebSockets, unless its own configuration has another.
    /// `judges`: whether messages are judged, so that no path below the route's is forwarded.
    pub(super) fn note_kurento_path(
        &self,
        raw: &RawRoute,
        at_server: &str,
        judges: bool,
        upstreams: &[&Upstream],
    ) {
        let is_kurento = |upstream: &&&Upstream| upstream.protocol == Protocol::Kurento;
        let (Some(path), Some(upstream)) = (&raw.path, upstreams.iter().find(is_kurento)) else {
            return;
        };
        if at_server == KURENTO_PATH || (at_server == "/" && !judges) {
            return;
        }
        let above = path.value.front().as_str().strip_suffix(KURENTO_PATH);
        let write = match (above, &raw.strip_prefix, &raw.rewrite) {
            _ if upstreams.len() > 1 => format!("a route with path = \"{KURENTO_PATH}\" for it"),
            (_, Some(_), _) => format!("rewrite = \"{KURENTO_PATH}\" in place of strip_prefix"),
            (Some(above), None, None) => format!("strip_prefix = \"{above}\""),
            (None, None, None) if at_server == "/" => format!("path = \"{KURENTO_PATH}\""),
            _ => format!("rewrite = \"{KURENTO_PATH}\""),
        };
        let text = format!(
            "arrives at upstream \"{}\" as \"{at_server}\", and Kurento has its WebSockets at \
             \"{KURENTO_PATH}\" only, unless its mediaServer.net.websocket.path says otherwise; \
             write {write}",
            upstream.name.value
        );
        self.diag.warning(&path.place, text);
    }

    /// A limit for messages, where the gateway forwards them as they are.
    pub(super) fn note_message_size(
        &self,
        raw: &RawRoute,
        policy: &Policy,
        upstreams: &[&Upstream],
    ) {
        let Some(size) = &raw.message_size else {
            return;
        };
        let understands = |upstream: &&Upstream| {
            let spec = upstream.spec.as_ref();
            upstream.protocol.of_messages().is_some()
                && (policy.messages().is_some() || spec.is_none_or(|spec| spec.changes_messages()))
        };
        if upstreams.is_empty() || upstreams.iter().any(understands) {
            return;
        }
        let text = match upstreams
            .iter()
            .all(|upstream| upstream.protocol.of_messages().is_none())
        {
            true => {
                "is for messages of Janus and Kurento, which upstreams with protocol = \"janus\", \
                 \"janus-admin\" or \"kurento\" have; take it out"
            }
            false => {
                "is for messages that the gateway reads, and these it forwards as they are; write \
                 messages or rules in the policy, or secret_file in the upstream, or take it out"
            }
        };
        self.diag.problem(&size.place, text);
    }
}

/// Whether the gateway puts a secret into messages to this upstream.
fn has_secret(spec: &UpstreamSpec) -> bool {
    spec.secret_file.is_some() || spec.token_auth_secret_file.is_some()
}
