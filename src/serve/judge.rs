//! Judging again what is under way: tunnels, and requests whose answers take long. The same is
//! asked as on entry: which route answers for the host and path, whether that is still the same one
//! with the same target, and what its policy says.

use std::rc::Rc;
use std::sync::Arc;

use super::view::WorkerView;
use crate::addr::ClientAddr;
use crate::clock::UnixTime;
use crate::host::HostName;
use crate::policy::{Denied, Facts, Permit, Policy, Token};
use crate::route::change::{self, Change, Place};
use crate::route::upstream::ServerAddr;
use crate::route::{RouteId, RouteTable, passthrough};
use crate::token::BadToken;
use crate::token::issuer::Verified;
use crate::tunnel::{CloseReason, RouteTunnelKey, TunnelControl, TunnelKey};

/// Why something that was let in may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// Its route is gone: none, or another one, answers for its host and path.
    Route,
    /// Its route leads elsewhere, or no longer to its server.
    Target,
    /// Its name is no longer passed through.
    Passthrough,
    /// Its token has ended.
    Expired,
    /// The policy says no.
    Denied(Denied),
}

impl Withdrawn {
    /// What the client of a WebSocket is told, and the log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Route => "route removed",
            Self::Target => "target changed",
            Self::Passthrough => "no longer passed through",
            Self::Expired | Self::Denied(Denied::Token(BadToken::Expired)) => "token expired",
            Self::Denied(Denied::Token(BadToken::Revoked)) => "token revoked",
            Self::Denied(_) => "no longer allowed",
        }
    }
}

/// What there is to judge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'q> {
    /// The route that it belongs to, and the table that this route is in.
    pub(super) belongs: (&'q RouteTable, RouteId),
    pub(super) host: &'q HostName,
    /// The path, normalised.
    pub(super) path: &'q str,
    /// The server that it was sent to, where that is known.
    pub(super) server: Option<&'q ServerAddr>,
    pub(super) client: ClientAddr,
}

impl<'q> Question<'q> {
    fn of_tunnel(door: &'q RouteTunnelKey, place: &'q Place, client: ClientAddr) -> Self {
        let belongs = (&*place.table, place.route);
        Self {
            belongs,
            host: &door.host,
            path: &door.path,
            server: Some(&door.server),
            client,
        }
    }
}

impl WorkerView {
    /// Whether a tunnel would be let in today. If so, its permit is the one of today. If not, how
    /// it is to be closed.
    pub fn judge(&self, tunnel: &TunnelControl) -> Option<CloseReason> {
        let verdict = match &tunnel.key {
            TunnelKey::Route(door) => self.judge_tunnel(door, tunnel),
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

    fn judge_tunnel(&self, door: &RouteTunnelKey, tunnel: &TunnelControl) -> Result<(), Withdrawn> {
        let place = door.place();
        let question = Question::of_tunnel(door, &place, tunnel.client);
        // That its time is up is not asked here: what then becomes of a tunnel is said by
        // on_expiry.
        let (route, permit) =
            self.ask_again(&question, tunnel.permit().as_ref(), Expiry::Ignored)?;
        tunnel.renew(permit);
        door.set_place(self.place(route));
        Ok(())
    }

    /// A route of the configuration in force.
    pub(super) fn place(&self, route: RouteId) -> Place {
        Place {
            table: Arc::clone(&self.snapshot.routes),
            route,
        }
    }

    /// By what right a tunnel would go on with another token, if by any.
    pub fn judge_anew(
        &self,
        tunnel: &TunnelControl,
        new: &Rc<Verified>,
        now: UnixTime,
    ) -> Option<Permit> {
        let TunnelKey::Route(door) = &tunnel.key else {
            return None;
        };
        let place = door.place();
        self.ask_anew(&Question::of_tunnel(door, &place, tunnel.client), new, now)
    }

    /// By what right something would go on with another token, if by any.
    pub(super) fn ask_anew(
        &self,
        question: &Question<'_>,
        new: &Rc<Verified>,
        now: UnixTime,
    ) -> Option<Permit> {
        let (route, target) = self.find_again(question).ok()?;
        target.ok()?;
        let policy = &self.snapshot.routes.route(route).policy;
        let permit = self.ask_policy(policy, question.client, new, now).ok()?;
        (!permit.has_ended(now)).then_some(permit)
    }

    /// The route that answers today, and the permit that its policy gives today. Of two reasons
    /// against it, what the policy says goes before what the target has become.
    pub(super) fn ask_again(
        &self,
        question: &Question<'_>,
        permit: Option<&Permit>,
        expiry: Expiry,
    ) -> Result<(RouteId, Permit), Withdrawn> {
        let (route, target) = self.find_again(question)?;
        let (policy, client) = (&self.snapshot.routes.route(route).policy, question.client);
        let permit = if let Some(permit) = permit.filter(|permit| permit.is_by_api_key()) {
            // The key was asked about in the place of the policy.
            Ok(permit.clone())
        } else if let Some(verified) = permit.and_then(Permit::token) {
            self.ask_policy(policy, client, verified, expiry.clock(verified))
        } else {
            policy.authorize(&Facts {
                client,
                now: UnixTime::now(),
                token: Token::None,
            })
        };
        let permit = permit.map_err(Withdrawn::Denied)?;
        target.map(|()| (route, permit))
    }

    /// The route that answers today, if it is still the same one, and whether its target is.
    fn find_again(
        &self,
        question: &Question<'_>,
    ) -> Result<(RouteId, Result<(), Withdrawn>), Withdrawn> {
        let routes = &self.snapshot.routes;
        let route = routes
            .find(question.host, question.path)
            .map_err(|_| Withdrawn::Route)?;
        match change::compare(
            question.belongs,
            (routes, route),
            question.path,
            question.server,
        ) {
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
            // A key is withdrawn because others have it.
            Some(issuer) if !issuer.key_set().has_key(verified.key) => Token::Bad(BadToken::NoKey),
            Some(issuer) => Token::Signed(issuer, verified),
        };
        policy.authorize_again(&Facts { client, now, token })
    }
}

/// Whether a token whose time is up is refused when it is judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// Its permit says when it ends.
    Ignored,
    /// As on entry: once the issuer's leeway is over.
    Asked,
}

impl Expiry {
    fn clock(self, verified: &Verified) -> UnixTime {
        let now = UnixTime::now();
        match self {
            Self::Ignored => now.min(UnixTime(verified.claims.exp.0.saturating_sub(1))),
            Self::Asked => now,
        }
    }
}
