//! `uris` of a policy: what Kurento may be asked to open.

use crate::config::diagnostics::Diagnostics;
use crate::config::lower::note_empty;
use crate::config::problem::{Place, Spanned};
use crate::config::read::{List, valid};
use crate::signalling::rules::{Rule, Uris};
use crate::signalling::uri::UriPrefix;

/// The prefixes of a policy, and where they are written.
#[derive(Default)]
pub(super) struct PolicyUris {
    place: Option<Place>,
    prefixes: Vec<UriPrefix>,
}

pub(super) fn lower(raw: Option<Spanned<List<UriPrefix>>>, diag: &Diagnostics<'_>) -> PolicyUris {
    let Some(raw) = raw else {
        return PolicyUris::default();
    };
    note_empty(
        &raw.value,
        &raw.place,
        "allows no URI, and neither does none; take it out",
        diag,
    );
    let prefixes = valid(raw.value);
    note_contained(&prefixes, diag);
    note_all_files(&prefixes, diag);
    PolicyUris {
        place: Some(raw.place),
        prefixes: prefixes.into_iter().map(|prefix| prefix.value).collect(),
    }
}

fn note_contained(prefixes: &[Spanned<UriPrefix>], diag: &Diagnostics<'_>) {
    for (at, prefix) in prefixes.iter().enumerate() {
        let mut others = prefixes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at);
        let wider = others.find(|(other, wider)| {
            let is_same = wider.value == prefix.value;
            wider.value.contains(&prefix.value) && (!is_same || *other < at)
        });
        if let Some((_, wider)) = wider {
            let (key, line) = (&wider.place.key, diag.line(&wider.place));
            let text = format!("every URI below it is below {key} ({line}) too; take one out");
            diag.warning(&prefix.place, text);
        }
    }
}

/// Allowed prefixes that are for every file of the media server.
pub(super) fn note_all_files<'p>(
    prefixes: impl IntoIterator<Item = &'p Spanned<UriPrefix>>,
    diag: &Diagnostics<'_>,
) {
    let prefixes = prefixes.into_iter();
    for prefix in prefixes.filter(|prefix| prefix.value.is_for_all_files()) {
        let text = "is the whole disk of the media server, with its keys and passwords; write the \
                    folder, such as \"file:///var/recordings/\"";
        diag.problem(&prefix.place, text);
    }
}

impl PolicyUris {
    /// The rule with the prefixes, if it is about those of its policy.
    pub(super) fn put_into(&self, rule: Rule) -> Rule {
        let uris = match rule.uris {
            Uris::OfPolicy => Uris::Below(self.prefixes.as_slice().into()),
            uris => uris,
        };
        Rule { uris, ..rule }
    }

    /// Notes that they are written, and no rule is about them. `judges`: whether there are rules.
    pub(super) fn note_unused(&self, judges: bool, diag: &Diagnostics<'_>) {
        let text = match judges {
            false => {
                "is for requests to Kurento that rules judge, and the policy has none; write \
                 messages = [\"kurento-app\"], or take it out"
            }
            true => {
                "is for requests to Kurento, and neither a preset of the policy nor a rule of its \
                 own allows URIs by it; write messages = [\"kurento-app\"], or take it out"
            }
        };
        if let Some(place) = &self.place {
            diag.problem(place, text);
        }
    }
}
