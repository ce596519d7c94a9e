//! One probe of one server: what is asked depends on its protocol.
//!
//! | protocol | question |
//! |---|---|
//! | `http` | GET, and the status of the response |
//! | `janus` | GET of `/info`, or by WebSocket `ping` and `info`; whether it accepts sessions |
//! | `janus-admin` | `ping`, by POST or WebSocket |
//! | `kurento` | `ping` |
//! | `jitsi` | a stream by WebSocket, or the page of BOSH |
//! | `whip` | a connection; with `path` or `status` as `http` |

use super::exchange::{AskedServer, NoAnswer};
use super::places::{look, places};
use super::seen::Place;
use super::target::{Failure, Found, ProbeTarget};
use crate::route::health::{HealthSpec, Probed};
use crate::route::upstream::Protocol;

/// Probes one server, and remembers where its API is.
#[derive(Debug, Default)]
pub(super) struct Prober {
    known: Option<Place>,
}

impl Prober {
    /// Asks the server once.
    pub(super) async fn probe(&mut self, target: &ProbeTarget) -> Result<Found, Failure> {
        let time = target.spec.timeout;
        let asked = tokio::time::timeout(time, self.ask(target)).await;
        match asked {
            Err(_) | Ok(Err(Failure::NoAnswer(NoAnswer::Timeout))) => Err(Failure::Late(time)),
            Ok(result) => result,
        }
    }

    async fn ask(&mut self, target: &ProbeTarget) -> Result<Found, Failure> {
        let (server, spec) = (&target.server, &target.spec);
        let has_http = spec.path.is_some() || !spec.statuses.is_empty();
        match target.protocol {
            Protocol::Http => return ask_http(server, spec).await,
            Protocol::Whip if has_http => return ask_http(server, spec).await,
            Protocol::Whip => {
                server.connect().await?;
                return Ok((Probed::Up, "accepts connections".to_owned()));
            }
            Protocol::Janus | Protocol::JanusAdmin | Protocol::Kurento | Protocol::Jitsi => {}
        }
        // Taken out: after a failure, the next probe looks for the API anew.
        let places = match self.known.take() {
            Some(known) => vec![known],
            None => places(target),
        };
        for place in places {
            if let Some(seen) = look(target, place).await? {
                let state = match seen.accepts_sessions {
                    Some(false) => Probed::Full,
                    Some(true) | None => Probed::Up,
                };
                let words = seen.to_string();
                self.known = Some(seen.place);
                return Ok((state, words));
            }
        }
        Err(Failure::NotThe(target.protocol))
    }
}

async fn ask_http(server: &AskedServer, spec: &HealthSpec) -> Result<Found, Failure> {
    let path = spec.path.as_ref().map_or("/", |path| path.as_str());
    let status = server.status(path).await?;
    let is_right = match &spec.statuses[..] {
        [] => status.is_success() || status.is_redirection(),
        right => right.contains(&status),
    };
    match is_right {
        true => Ok((Probed::Up, format!("answers HTTP {}", status.as_u16()))),
        false => Err(Failure::Status(status)),
    }
}
