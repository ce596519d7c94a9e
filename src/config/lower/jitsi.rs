//! Routes to upstreams that speak Jitsi's XMPP.

use super::names::Names;
use super::upstreams::Upstream;
use crate::config::tables::RawRoute;
use crate::policy::Policy;
use crate::route::upstream::Protocol;
use crate::token::location::parameters;

impl Names<'_> {
    /// Tokens that are looked for everywhere but where Jitsi Meet puts them.
    pub(super) fn note_sources_of_jitsi(
        &self,
        raw: &RawRoute,
        policy: &Policy,
        upstreams: &[&Upstream],
    ) {
        let (Some(name), Some(rule)) = (&raw.policy, policy.token_rule()) else {
            return;
        };
        let speaks_jitsi = |upstream: &&&Upstream| upstream.protocol == Protocol::Jitsi;
        let Some(upstream) = upstreams.iter().find(speaks_jitsi) else {
            return;
        };
        if parameters(&rule.sources).any(|parameter| parameter == "token") {
            return;
        }
        let issuer = rule.issuers.first().map_or("…", |issuer| &*issuer.name);
        let text = format!(
            "\"{}\" does not look for tokens where Jitsi Meet has them in its requests to upstream \
             \"{}\", the parameter token; write sources = [\"query:token\"] in [issuers.{issuer}]",
            name.value, upstream.name.value
        );
        self.diag.warning(&name.place, text);
    }
}
