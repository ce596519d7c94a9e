//! Requests for which there was no room. They are logged once a tick: one line for each would let
//! clients fill the log.

use super::SendError;
use crate::route::upstream::ServerAddr;

/// Requests for which there was no room since the last tick, by reason.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Refused {
    descriptors: usize,
    server: usize,
    client: usize,
}

impl Refused {
    pub(super) fn count(&mut self, error: &SendError) {
        match error {
            SendError::Full => self.descriptors += 1,
            SendError::ServerFull => self.server += 1,
            SendError::OverShare => self.client += 1,
            SendError::Connect(_) | SendError::Http(_) | SendError::Late(_) => {}
        }
    }

    pub(super) fn report(self, server: &ServerAddr) {
        if self.descriptors > 0 {
            tracing::warn!(
                %server,
                times = self.descriptors,
                "requests refused: no file descriptor for a connection to the server; raise the \
                 limit (systemd: LimitNOFILE=), or see in the access log who holds them"
            );
        }
        if self.server > 0 {
            tracing::warn!(
                %server,
                times = self.server,
                "requests refused: the server has as many connections as max_connections of its \
                 upstream allows"
            );
        }
        if self.client > 0 {
            tracing::warn!(
                %server,
                times = self.client,
                "requests refused: their clients have their share of the connections already; \
                 the access log names them (reason=upstream_share)"
            );
        }
    }
}
