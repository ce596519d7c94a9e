//! `renew_in_band` of a policy: it is for messages that are judged, and for Kurento's.

use super::names::Names;
use crate::config::problem::Spanned;
use crate::config::tables::RawRoute;
use crate::route::upstream::Protocol;

impl Names<'_> {
    /// Policies that say so, and whose messages are not judged or not Kurento's.
    pub(super) fn note_renewal_in_band(&self, routes: &[&RawRoute]) {
        for policy in self.context.policies {
            let Some(place) = &policy.renew_in_band else {
                continue;
            };
            let is_used = |name: &Option<Spanned<String>>| {
                let name = name.as_ref();
                name.is_some_and(|name| name.value == policy.name.value)
            };
            let used: Vec<&RawRoute> = routes
                .iter()
                .copied()
                .filter(|route| is_used(&route.policy))
                .collect();
            let upstreams = used
                .iter()
                .flat_map(|route| [&route.upstream, &route.websocket])
                .flatten()
                .filter_map(|name| {
                    let mut upstreams = self.context.upstreams.iter();
                    upstreams.find(|upstream| upstream.name.value == name.value)
                });
            let protocols: Vec<Protocol> = upstreams.map(|upstream| upstream.protocol).collect();
            // A policy without a route is a warning of its own.
            let is_elsewhere = !used.is_empty() && !protocols.contains(&Protocol::Kurento);
            let text = match policy.judged {
                _ if is_elsewhere && protocols.contains(&Protocol::Janus) => {
                    "is for Kurento, and no route with this policy leads to it; clients of Janus \
                     renew without it, by the member token of their messages, so take it out"
                }
                _ if is_elsewhere => {
                    "is for Kurento, and no route with this policy leads to it; name an upstream \
                     with protocol = \"kurento\" in one, or take it out"
                }
                None => {
                    "is about messages that are judged, and the policy has no rules for them; \
                     write messages = [\"kurento-app\"], or take it out"
                }
                Some(_) => continue,
            };
            self.diag.problem(place, text);
        }
    }
}
