//! Tokens (JWT) in messages: a newer one of the same issuer and subject renews the permit.

use std::fmt;
use std::rc::Rc;

use super::Worker;
use super::judge::{Question, Withdrawn};
use super::under_way::Key;
use super::view::WorkerView;
use crate::addr::ClientAddr;
use crate::auth::{self, Failure, NotRenewed, NotSuccessor};
use crate::clock::UnixTime;
use crate::policy::{Denied, Permit, Policy};
use crate::route::RouteId;
use crate::signalling::{RejectedToken, RenewalFault};
use crate::token::BadToken;
use crate::token::issuer::Verified;
use crate::token::location::Located;
use crate::tunnel::{TokenResult, TokenVerifier, TunnelControl, TunnelKey, Verification};

/// Why a token in a message does not renew a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenFault {
    /// It is not verified, or does not continue the one in force.
    NotRenewed(NotRenewed),
    /// The permit would not be given now.
    Withdrawn(Withdrawn),
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRenewed(NotRenewed::Failure(Failure::Denied(denied)))
            | Self::Withdrawn(Withdrawn::Denied(denied)) => denied.fmt(f),
            Self::NotRenewed(NotRenewed::Failure(Failure::TooMany(_))) => {
                f.write_str("the client has sent too many bad tokens")
            }
            Self::NotRenewed(NotRenewed::NotSuccessor(why)) => why.fmt(f),
            Self::Withdrawn(why) => f.write_str(why.reason()),
        }
    }
}

impl From<TokenFault> for RejectedToken {
    fn from(fault: TokenFault) -> Self {
        let detail = fault.to_string().into();
        let fault = match fault {
            TokenFault::NotRenewed(NotRenewed::NotSuccessor(why)) => match why {
                NotSuccessor::Issuer => RenewalFault::Issuer,
                NotSuccessor::Subject => RenewalFault::Subject,
                NotSuccessor::NotLater => RenewalFault::NotLater,
            },
            TokenFault::NotRenewed(NotRenewed::Failure(Failure::TooMany(_))) => {
                RenewalFault::TooMany
            }
            TokenFault::NotRenewed(NotRenewed::Failure(Failure::Denied(denied)))
            | TokenFault::Withdrawn(Withdrawn::Denied(denied))
                if denied == Denied::Token(BadToken::Expired) =>
            {
                RenewalFault::Expired
            }
            TokenFault::NotRenewed(_) | TokenFault::Withdrawn(_) => RenewalFault::NotAccepted,
        };
        Self { fault, detail }
    }
}

impl From<NotRenewed> for TokenFault {
    fn from(why: NotRenewed) -> Self {
        Self::NotRenewed(why)
    }
}

impl From<NotSuccessor> for TokenFault {
    fn from(why: NotSuccessor) -> Self {
        Self::NotRenewed(NotRenewed::NotSuccessor(why))
    }
}

impl From<Withdrawn> for TokenFault {
    fn from(why: Withdrawn) -> Self {
        Self::Withdrawn(why)
    }
}

impl TokenVerifier for Worker {
    fn present(self: Rc<Self>, tunnel: &Rc<TunnelControl>, token: &str) -> Verification {
        let tag = self.tokens.tag(token);
        match tunnel.token() {
            Some(current) if !tunnel.has_had(&tag) => {
                let tunnel = Rc::clone(tunnel);
                let token = token.to_owned();
                Verification::Waits(Box::pin(renew_tunnel(self, tunnel, current, token)))
            }
            Some(current) if current.tag != tag && tunnel.renews_by_request() => {
                Verification::Settled(Err(TokenFault::from(NotSuccessor::NotLater).into()))
            }
            // It is the one in force, or was before a renewal: janus.js sends the token that it
            // was made with for as long as it runs. Or what permits the tunnel is no token, and
            // none renews it.
            _ => Verification::Settled(Ok(())),
        }
    }
}

/// Renews a tunnel's permit. Meanwhile configuration, keys and permit may change: what is in force
/// when the token has been verified decides.
async fn renew_tunnel(
    worker: Rc<Worker>,
    tunnel: Rc<TunnelControl>,
    current: Rc<Verified>,
    token: String,
) -> TokenResult {
    let renewed = async {
        let view = worker.view();
        let new = view.verify_for_tunnel(&worker, &tunnel, &current, &token);
        let new = new.await?;
        let permit = worker.view().judge_anew(&tunnel, &new, UnixTime::now())?;
        match tunnel.token() {
            Some(current) if current.tag == new.tag => return Ok(()),
            Some(current) => auth::successor_in_message(&current, &new)?,
            // By now it needs none.
            None => return Ok(()),
        }
        tunnel.renew(permit);
        let view = worker.view();
        if let TunnelKey::Route(key) = &tunnel.key
            && let Ok(route) = view.snapshot.routes.find(&key.host, &key.path)
        {
            view.count_renewal(route, true);
        }
        Ok::<_, TokenFault>(())
    };
    renewed.await.map_err(RejectedToken::from)
}

/// The permit of a request whose message has this token, and whether the message may go on with
/// it. A newer token is in force for the rest of the request.
pub(super) async fn permit_of_request(
    worker: &Worker,
    key: Key,
    permit: Permit,
    token: &str,
) -> (Permit, TokenResult) {
    let current = permit.token();
    let Some(current) = current.filter(|it| it.tag != worker.tokens.tag(token)) else {
        return (permit, Ok(()));
    };
    match renew_request(worker, key, current, token).await {
        Ok(renewed) => (renewed, Ok(())),
        Err(fault) => (permit, Err(fault.into())),
    }
}

async fn renew_request(
    worker: &Worker,
    key: Key,
    current: &Verified,
    token: &str,
) -> Result<Permit, TokenFault> {
    let (view, route, client) = worker.under_way.place(key).ok_or(Withdrawn::Route)?;
    let policy = &view.snapshot.routes.route(route).policy;
    let new = view
        .verify_newer(worker, (policy, client), current, token)
        .await?;
    let (now, current_view) = (UnixTime::now(), worker.view());
    let permit = worker
        .under_way
        .renew_request(key, &new, &current_view, now)?;
    view.count_renewal(route, false);
    Ok(permit)
}

impl WorkerView {
    fn count_renewal(&self, route: RouteId, is_websocket: bool) {
        if let Some(to) = self.forward(route) {
            let upstream = self.upstream(to.upstream_of(is_websocket));
            upstream.counts().token_renewals.inc();
        }
    }

    async fn verify_for_tunnel(
        &self,
        worker: &Worker,
        tunnel: &TunnelControl,
        current: &Verified,
        token: &str,
    ) -> Result<Rc<Verified>, TokenFault> {
        let TunnelKey::Route(key) = &tunnel.key else {
            return Err(Withdrawn::Route.into());
        };
        let place = key.place();
        let policy = self.policy_again(&Question::of_tunnel(key, &place, tunnel.client))?;
        self.verify_newer(worker, (policy, tunnel.client), current, token)
            .await
    }

    /// Verifies a token that is to take the place of the current one. The policy has not decided
    /// about it yet.
    async fn verify_newer(
        &self,
        worker: &Worker,
        (policy, client): (&Policy, ClientAddr),
        current: &Verified,
        token: &str,
    ) -> Result<Rc<Verified>, TokenFault> {
        let rule = policy
            .token_rule()
            .ok_or(Withdrawn::Denied(Denied::NoToken))?;
        let context = auth::Context {
            cache: &worker.tokens,
            failures: &worker.shared.auth_failures,
            issuers: &self.snapshot.issuers,
            limits: &self.snapshot.limits,
            client,
            is_listed: policy.lists(client),
        };
        // Tokens of any issuer of the policy may stand in a message.
        let located = Located {
            text: token.into(),
            places: u32::MAX,
        };
        let signed = auth::verify_successor(&context, &located, rule, current).await?;
        Ok(signed.verified)
    }
}
