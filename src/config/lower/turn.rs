//! `[turn]`: the source of the secret, and URIs that Janus cannot use.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::note_twice;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned};
use crate::config::read::{List, Named, valid};
use crate::config::tables::RawTurn;
use crate::secret::{Secret, SecretSource};
use crate::turn::uri::TurnUri;
use crate::turn::{Secrets, TurnSpec};

/// Longer lifetimes cause a warning, because a credential stays valid when the client's permission
/// ends.
const LONG: Duration = Duration::from_secs(86_400);

/// An entry of `[turn]`. Routes can refer to it even if it is invalid.
pub(super) struct NamedTurn {
    pub(super) name: Spanned<String>,
    pub(super) spec: Option<Arc<TurnSpec>>,
}

pub(super) fn lower(raw: Named<RawTurn>, folder: &Path, diag: &Diagnostics<'_>) -> Vec<NamedTurn> {
    let turn = |(name, raw): (Spanned<String>, Option<RawTurn>)| {
        let spec = raw
            .and_then(|raw| spec(&name.value, raw, folder, diag))
            .map(Arc::new);
        NamedTurn { name, spec }
    };
    raw.into_iter().map(turn).collect()
}

fn spec(name: &str, raw: RawTurn, folder: &Path, diag: &Diagnostics<'_>) -> Option<TurnSpec> {
    let secrets = secrets(&raw, folder, diag);
    let uris = raw
        .uris
        .map(|uris| self::uris(uris, raw.api_keys_file.is_some(), diag));
    let ttl = raw.ttl.map_or(TurnSpec::TTL, |ttl| lower_ttl(&ttl, diag));
    let api_keys_file = raw.api_keys_file.map(|path| folder.join(path));
    Some(TurnSpec {
        name: name.into(),
        secrets: secrets?,
        uris: uris?,
        ttl,
        api_keys_file,
    })
}

/// `None` with a problem if they are missing or invalid. Of several sources, which is a problem,
/// the first.
fn secrets(raw: &RawTurn, folder: &Path, diag: &Diagnostics<'_>) -> Option<Secrets> {
    let one = |signing| {
        Some(Secrets {
            signing,
            former: None,
        })
    };
    let all = [
        raw.secret_file
            .as_ref()
            .map(|files| (&files.place, secret_files(files, folder, diag))),
        raw.secret_env.as_ref().map(|name| {
            (
                &name.place,
                one(SecretSource::Env(name.value.as_str().into())),
            )
        }),
        raw.secret.as_ref().map(|text| {
            (
                &text.place,
                one(SecretSource::Inline(Secret::new(
                    text.value.as_str().into(),
                ))),
            )
        }),
    ];
    let mut all = all.into_iter().flatten();
    let (first, secrets) = all.next()?;
    for (other, _) in all {
        let text = format!(
            "the secret comes from one place, and {} says another; take one out",
            first.key
        );
        diag.problem(other, text);
    }
    secrets
}

fn secret_files(
    files: &Spanned<List<PathBuf>>,
    folder: &Path,
    diag: &Diagnostics<'_>,
) -> Option<Secrets> {
    let all: Vec<&Spanned<PathBuf>> = files.value.iter().flatten().collect();
    if files.value.is_empty() {
        diag.problem(
            &files.place,
            "is empty; write the file that has coturn's static-auth-secret",
        );
    }
    if let Some(third) = all.get(2) {
        diag.problem(
            &third.place,
            "is one too many: the first file has the secret in use, the second the former one",
        );
    }
    if let [first, second, ..] = &all[..]
        && first.value == second.value
    {
        diag.problem(&second.place, "is in the list already; take one out");
    }
    let source = |path: &&Spanned<PathBuf>| SecretSource::File(folder.join(&path.value));
    Some(Secrets {
        signing: source(all.first()?),
        former: all.get(1).map(source),
    })
}

fn uris(
    list: Spanned<List<TurnUri>>,
    has_api_keys: bool,
    diag: &Diagnostics<'_>,
) -> Box<[TurnUri]> {
    let is_whole = list.value.iter().all(Option::is_some);
    let uris = valid(list.value);
    note_twice(&uris, diag);
    if is_whole {
        note_no_relay(&uris, &list.place, diag);
    }
    for uri in uris
        .iter()
        .filter(|uri| has_api_keys && uri.value.relays() && uri.value.is_ipv6_literal())
    {
        let text = "will not be given to who comes with an API key: an IPv6 address here ends \
         Janus; write a name";
        diag.warning(&uri.place, text);
    }
    uris.into_iter().map(|uri| uri.value).collect()
}

fn note_no_relay(uris: &[Spanned<TurnUri>], place: &Place, diag: &Diagnostics<'_>) {
    if uris.is_empty() {
        diag.problem(
            place,
            "is empty; write where the TURN server is, \
             [\"turn:turn.example.com:3478?transport=udp\"]",
        );
    } else if !uris.iter().any(|uri| uri.value.relays()) {
        diag.problem(
            place,
            "has no turn: or turns:, and only these take a credential; write \
             where the TURN server is",
        );
    }
}

fn lower_ttl(ttl: &Spanned<Duration>, diag: &Diagnostics<'_>) -> Duration {
    if ttl.value > LONG {
        let text = "is more than a day, for which a credential stays valid; \"10m\" is usual";
        diag.warning(&ttl.place, text);
    }
    ttl.value
}
