//! Backup servers: those that get requests only while no other server is up.

use super::note_twice;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::Spanned;
use crate::config::tables::RawUpstream;
use crate::route::upstream::ServerAddr;

/// Reports a list that is empty, that stands beside `bridges`, or that repeats a server.
pub(super) fn note(raw: &RawUpstream, diag: &Diagnostics<'_>) {
    let Some(backup) = &raw.backup else {
        return;
    };
    if backup.value.is_empty() {
        let text = "is empty; write the server that is to wait, [\"http://127.0.0.1:8089\"], or \
                    take it out";
        diag.problem(&backup.place, text);
    }
    if raw.bridges.is_some() {
        let text = "has no use beside bridges: the path names the server; take it out";
        diag.problem(&backup.place, text);
        return;
    }
    let servers: Vec<_> = raw.backup_servers().collect();
    note_twice(&servers, diag);
    for server in servers {
        note_ordinary(server, raw, diag);
    }
}

/// Reports a server that is in `servers` too.
fn note_ordinary(server: &Spanned<ServerAddr>, raw: &RawUpstream, diag: &Diagnostics<'_>) {
    let mut ordinary = raw.ordinary_servers();
    if let Some(first) = ordinary.find(|ordinary| ordinary.value == server.value) {
        let text = format!(
            "{} is an ordinary server too, by {} ({}); take one of them out",
            server.value,
            first.place.key,
            diag.line(&first.place)
        );
        diag.problem(&server.place, text);
    }
}
