//! Whether a request for a TURN credential presents a valid API key.

use std::borrow::Cow;

use super::Routed;
use super::auth_context::context;
use super::reject::Rejection;
use super::turn_form::parameters;
use crate::auth::check_api_keys;
use crate::policy::{ApiKeys, Permit};
use crate::route::{Route, Target};
use crate::turn::STRONG_SECRET;

/// Whether the request presents an API key, valid or not.
pub(super) fn has_key(routed: &Routed, route: &Route) -> bool {
    presented(routed, route).is_some()
}

/// Decides about a request that presents an API key; `None` if it presents none.
pub(super) async fn judge(routed: &Routed, route: &Route) -> Option<Result<Permit, Rejection>> {
    let (keys, presented) = presented(routed, route)?;
    let is_guessable = presented.iter().any(|key| key.len() < STRONG_SECRET);
    let inbound = &routed.normal.inbound;
    let context = context(inbound, route.policy.lists(inbound.client));
    let presented = presented.iter().map(|key| &**key);
    let verdict = check_api_keys(&context, keys, presented, is_guessable).await;
    Some(verdict.map_err(Rejection::from))
}

/// The route's keys, and those that the request presents; `None` if either has none.
fn presented<'r>(routed: &'r Routed, route: &Route) -> Option<(&'r ApiKeys, Vec<Cow<'r, str>>)> {
    let Target::Turn(id) = &route.target else {
        return None;
    };
    let inbound = &routed.normal.inbound;
    let keys = inbound.view.snapshot.turn(*id).api_keys.as_ref()?;
    let values = |name| parameters(inbound, routed.form.as_ref(), name);
    let presented: Vec<Cow<'_, str>> = values("api").chain(values("key")).collect();
    (!presented.is_empty()).then_some((keys, presented))
}
