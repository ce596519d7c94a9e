//! What an older process has handed over, put into force here.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::handed::{Late, Sessions};
use crate::auth::HandedToken;
use crate::clock;
use crate::serve::shared::SharedState;
use crate::serve::snapshot::Snapshot;
use crate::tls::challenges::{Challenges, HandedChallenge, Offer};

/// Challenges of orders that are under way in an older process.
pub(super) type OlderOffers = Mutex<HashMap<HandedChallenge, Offer>>;

/// Takes what the process that is replaced hands over last. Returns the tokens for each worker, and
/// its challenges.
pub(super) fn take(
    late: Late,
    snapshot: &Snapshot,
    shared: &SharedState,
) -> (Arc<[HandedToken]>, OlderOffers) {
    for sessions in late.sessions {
        take_sessions(snapshot, sessions);
    }
    shared.auth_failures.take(late.failures);
    let offers = OlderOffers::default();
    offer(&offers, &shared.challenges, late.challenges);
    (late.tokens.into(), offers)
}

/// Takes sessions of an upstream that is still there and has the same protocol.
pub(super) fn take_sessions(snapshot: &Snapshot, handed: Sessions) {
    let mut upstreams = snapshot.upstreams.iter();
    let upstream = upstreams.find(|upstream| *upstream.spec.name == *handed.upstream);
    let Some(owners) = upstream.and_then(|upstream| upstream.owners.as_ref()) else {
        return;
    };
    let now = clock::monotonic();
    for session in handed.sessions {
        owners.take(session, now);
    }
}

/// Answers the challenges of an older process, and no others of it.
pub(super) fn offer(
    offers: &OlderOffers,
    challenges: &Arc<Challenges>,
    handed: Vec<HandedChallenge>,
) {
    let mut offers = offers.lock();
    offers.retain(|known, _| handed.contains(known));
    for challenge in handed {
        if !offers.contains_key(&challenge)
            && let Some(offer) = challenges.offer_handed(&challenge)
        {
            offers.insert(challenge, offer);
        }
    }
}
