//! Conditions of one rule that no message meets together.

mod janus;
mod kurento;
mod params;

use super::Clients;
use super::protocols::Keys;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned};
use crate::config::read::List;
use crate::config::tables::RawRule;

/// Checks a rule.
pub(super) fn note(raw: &RawRule, clients: Clients, diag: &Diagnostics<'_>) {
    note_claims(raw, clients, diag);
    match Keys::of(raw) {
        Keys::Both { janus, kurento } => note_both(janus, kurento, diag),
        Keys::Kurento => {
            kurento::note(raw, diag);
            params::note(raw, diag);
        }
        Keys::Janus | Keys::Common => janus::note(raw, diag),
    }
}

fn place<T>(key: &Option<Spanned<T>>) -> Option<&Place> {
    key.as_ref().map(|key| &key.place)
}

/// The valid elements of a list that may not be there.
fn each<T>(list: &Option<Spanned<List<T>>>) -> impl Iterator<Item = &Spanned<T>> {
    list.iter().flat_map(|list| list.value.iter().flatten())
}

fn note_claims(raw: &RawRule, clients: Clients, diag: &Diagnostics<'_>) {
    if clients.have_tokens {
        return;
    }
    let of_tokens = [
        place(&raw.claims),
        place(&raw.room_claims),
        place(&raw.host_claim),
    ];
    for place in of_tokens.into_iter().flatten() {
        let text = "is about tokens, and the policy takes none; write issuers, or take it out";
        diag.problem(place, text);
    }
}

/// A rule with keys for messages of both servers.
fn note_both(janus: &Place, kurento: &Place, diag: &Diagnostics<'_>) {
    let name = |place: &Place| place.key.rsplit('.').next().unwrap_or_default().to_owned();
    let (later, text) = if kurento.at > janus.at {
        let text = format!(
            "is about messages of Kurento, and {} about those of Janus; write a rule for each",
            name(janus)
        );
        (kurento, text)
    } else {
        let text = format!(
            "is about messages of Janus, and {} about those of Kurento; write a rule for each",
            name(kurento)
        );
        (janus, text)
    };
    diag.problem(later, text);
}
