//! Requests for which there was no room at a server. Clients could flood the log with them.

use super::SendError;
use crate::route::upstream::ServerAddr;
use crate::telemetry::summed;

/// Logs that a request was rejected for lack of room, with others in one line.
pub(super) fn log(error: &SendError, server: &ServerAddr) {
    let (kind, advice) = match error {
        SendError::Full => (
            "upstream_sockets",
            "no file descriptor for a connection to the server; raise the limit (systemd: \
             LimitNOFILE=), or see in the access log who holds them",
        ),
        SendError::ServerFull => (
            "upstream_full",
            "the server has as many connections as max_connections of its upstream allows",
        ),
        SendError::OverShare => (
            "upstream_share",
            "their clients have their share of the connections already; the access log names \
             them (reason=upstream_share)",
        ),
        SendError::Connect(_)
        | SendError::Broken(_)
        | SendError::Body(_)
        | SendError::HeadUnanswered { .. }
        | SendError::Late(_) => return,
    };
    let server = server.to_string();
    summed(kind, &server.clone(), move |times| {
        tracing::warn!(%server, times, "requests refused: {advice}");
    });
}
