//! Judges again what is under way: tunnels, and requests that take long. The questions are those of
//! a new request: which route answers for the host and path, whether it is still the same route
//! with the same target, and what its policy decides.

use std::rc::Rc;
use std::sync::Arc;

use super::view::WorkerView;
use crate::addr::ClientAddr;
use crate::clock::UnixTime;
use crate::host::HostName;
use crate::policy::{Denied, Facts, Permit, Policy, Token};
use crate::route::change::{self, Change, Place, Sent};
use crate::route::jitsi::RoomRequest;
use crate::route::{RouteId, RouteTable, passthrough};
use crate::signalling::jitsi::{Refusal, judge};
use crate::telemetry::access::End;
use crate::tls::BadCertificate;
use crate::token::BadToken;
use crate::token::issuer::Verified;
use crate::tunnel::{CloseReason, Grant, RouteTunnelKey, TunnelControl, TunnelKey};

/// Why something that was admitted may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// No route, or another one, answers for its host and path.
    Route,
    /// Its route has another target, or no longer its server.
    Target,
    /// Its messages are judged and were not, or the other way round.
    Messages,
    /// It waits for the events of a Janus session, which it no longer may for this reason.
    Poll(&'static str),
    /// Its name is no longer passed through.
    Passthrough,
    /// The gateway is being stopped, and the time for requests is over.
    Stopped,
    /// Its token has expired.
    Expired,
    /// The policy denies it.
    Denied(Denied),
    /// Its token is not for the room that it was opened for.
    Jitsi(Refusal),
}

impl Withdrawn {
    /// How the access log says that it ended.
    pub(super) fn end(self) -> End {
        match self {
            Self::Stopped => End::Drain,
            _ => End::Policy,
        }
    }

    /// The reason in the close frame of a WebSocket and in the log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Route => "route removed",
            Self::Target => "target changed",
            Self::Messages => "message checks changed",
            Self::Poll(reason) => reason,
            Self::Stopped => CloseReason::GOING_AWAY.reason,
            Self::Passthrough => "no longer passed through",
            Self::Expired | Self::Denied(Denied::Token(BadToken::Expired)) => "token expired",
            Self::Denied(Denied::Token(BadToken::Revoked)) => "token revoked",
            Self::Denied(Denied::NoLogin) => "no longer logged in",
            Self::Denied(Denied::Certificate(BadCertificate::Expired)) => "certificate expired",
            Self::Denied(Denied::Certificate(BadCertificate::Revoked)) => "certificate revoked",
            Self::Denied(_) | Self::Jitsi(_) => "no longer allowed",
        }
    }
}

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'q> {
    /// Its route, and the table that this route is in.
    pub(super) belongs: (&'q RouteTable, RouteId),
    pub(super) host: &'q HostName,
    pub(super) sent: Sent<'q>,
    /// Its query, or of that only what names a room.
    pub(super) query: &'q str,
    pub(super) client: ClientAddr,
}

impl<'q> Question<'q> {
    pub(super) fn of_tunnel(key: &'q RouteTunnelKey, place: &'q Place, client: ClientAddr) -> Self {
        let belongs = (&*place.table, place.route);
        Self {
            belongs,
            host: &key.host,
            sent: Sent {
                path: &key.path,
                is_websocket: true,
                server: Some(&key.server),
            },
            query: key.rooms.as_deref().unwrap_or_default(),
            client,
        }
    }

    fn room(&self) -> RoomRequest<'q> {
        RoomRequest {
            host: self.host,
            path: self.sent.path,
            query: self.query,
            is_websocket: self.sent.is_websocket,
        }
    }
}

impl WorkerView {
    /// Judges a tunnel by this configuration. If it may go on, it gets the permit that a new tunnel
    /// would get; if not, returns the reason to close it.
    pub fn judge(&self, tunnel: &TunnelControl) -> Option<CloseReason> {
        let verdict = match &tunnel.key {
            TunnelKey::Route(key) => self.judge_tunnel(key, tunnel),
            TunnelKey::Passthrough { sni, to } => {
                match passthrough::find(&self.snapshot.passthrough, sni) {
                    Some(entry) if entry.to == *to => Ok(()),
                    Some(_) => Err(Withdrawn::Target),
                    None => Err(Withdrawn::Passthrough),
                }
            }
        };
        verdict
            .err()
            .map(|why| CloseReason::by_policy(why.reason()))
    }

    fn judge_tunnel(&self, key: &RouteTunnelKey, tunnel: &TunnelControl) -> Result<(), Withdrawn> {
        let place = key.place();
        let question = Question::of_tunnel(key, &place, tunnel.client);
        // Expiry is not judged here: what happens to the tunnel then depends on on_expiry.
        let (route, permit) =
            self.ask_again(&question, tunnel.permit().as_ref(), Expiry::Ignored)?;
        let backend = self.websocket_backend(route, &permit).cloned();
        if backend.is_some() != tunnel.is_understood() {
            return Err(Withdrawn::Messages);
        }
        tunnel.replace(Grant {
            permit: Some(permit),
            backend,
        });
        key.set_place(self.place(route));
        Ok(())
    }

    /// A route of the configuration in force.
    pub(super) fn place(&self, route: RouteId) -> Place {
        Place {
            table: Arc::clone(&self.snapshot.routes),
            route,
        }
    }

    /// The permit by which a tunnel would go on with another token.
    ///
    /// # Errors
    /// Why it would not.
    pub fn judge_anew(
        &self,
        tunnel: &TunnelControl,
        new: &Rc<Verified>,
        now: UnixTime,
    ) -> Result<Permit, Withdrawn> {
        let TunnelKey::Route(key) = &tunnel.key else {
            return Err(Withdrawn::Route);
        };
        let place = key.place();
        self.ask_anew(&Question::of_tunnel(key, &place, tunnel.client), new, now)
    }

    /// The same for anything that is under way.
    pub(super) fn ask_anew(
        &self,
        question: &Question<'_>,
        new: &Rc<Verified>,
        now: UnixTime,
    ) -> Result<Permit, Withdrawn> {
        let (route, target) = self.find_again(question)?;
        target?;
        let policy = &self.snapshot.routes.route(route).policy;
        let permit = self.ask_policy(policy, question.client, new, now);
        let permit = permit.map_err(Withdrawn::Denied)?;
        self.judge_room(route, question, &permit)?;
        Ok(permit)
    }

    /// The policy that decides now, if route and target are still the same.
    pub(super) fn policy_again(&self, question: &Question<'_>) -> Result<&Policy, Withdrawn> {
        let (route, target) = self.find_again(question)?;
        target.map(|()| &*self.snapshot.routes.route(route).policy)
    }

    /// The route that answers now, and the permit that its policy gives now. If the policy denies
    /// it and the target has changed as well, the error is that of the policy.
    pub(super) fn ask_again(
        &self,
        question: &Question<'_>,
        permit: Option<&Permit>,
        expiry: Expiry,
    ) -> Result<(RouteId, Permit), Withdrawn> {
        let (route, target) = self.find_again(question)?;
        let (policy, client) = (&self.snapshot.routes.route(route).policy, question.client);
        let permit = if let Some(permit) = permit.filter(|permit| permit.is_by_api_key()) {
            // The API key was checked in place of the policy.
            Ok(permit.clone())
        } else if let Some(verified) = permit.and_then(Permit::token) {
            self.ask_policy(policy, client, verified, expiry.clock(verified))
        } else if let Some(login) = permit.and_then(Permit::login) {
            self.judge_login(policy, client, login)
        } else {
            policy.authorize(&Facts {
                client,
                now: UnixTime::now(),
                token: Token::None,
            })
        };
        let permit = permit.map_err(Withdrawn::Denied)?;
        self.judge_room(route, question, &permit)?;
        target.map(|()| (route, permit))
    }

    /// Whether the token of a permit is for the room.
    fn judge_room(
        &self,
        route: RouteId,
        question: &Question<'_>,
        permit: &Permit,
    ) -> Result<(), Withdrawn> {
        let Some(token) = permit.token() else {
            return Ok(());
        };
        let route = self.snapshot.routes.route(route);
        match self.snapshot.asked_room(route, question.room()) {
            Some(asked) => judge(&asked, Some(&token.claims)).map_err(Withdrawn::Jitsi),
            None => Ok(()),
        }
    }

    /// The route that answers now, if it is still the same, and whether its target is the same.
    fn find_again(
        &self,
        question: &Question<'_>,
    ) -> Result<(RouteId, Result<(), Withdrawn>), Withdrawn> {
        let routes = &self.snapshot.routes;
        let route = routes
            .find(question.host, question.sent.path)
            .map_err(|_| Withdrawn::Route)?;
        match change::compare(question.belongs, (routes, route), question.sent) {
            Ok(()) => Ok((route, Ok(()))),
            Err(Change::Target) => Ok((route, Err(Withdrawn::Target))),
            Err(Change::Route) => Err(Withdrawn::Route),
        }
    }

    fn ask_policy(
        &self,
        policy: &Policy,
        client: ClientAddr,
        verified: &Rc<Verified>,
        now: UnixTime,
    ) -> Result<Permit, Denied> {
        let token = match self.issuer(&verified.issuer) {
            None => Token::Bad(BadToken::Issuer),
            // An issuer withdraws a key because it has been leaked.
            Some(issuer) if !issuer.key_set().has_key(verified.key) => Token::Bad(BadToken::NoKey),
            Some(issuer) => Token::Signed(issuer, verified),
        };
        policy.authorize_again(&Facts { client, now, token })
    }
}

/// Whether a token that has expired is rejected when it is judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It is not: the permit has an end of its own.
    Ignored,
    /// As for a new request: after the issuer's leeway.
    Checked,
}

impl Expiry {
    fn clock(self, verified: &Verified) -> UnixTime {
        let now = UnixTime::now();
        match self {
            Self::Ignored => now.min(UnixTime(verified.claims.exp.0.saturating_sub(1))),
            Self::Checked => now,
        }
    }
}
