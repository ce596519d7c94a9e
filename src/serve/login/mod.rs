//! Logins that a policy accepts: `forward_auth`, `basic` and `client_certificate`.
//!
//! ```text
//! authorize ─ the policy needs a login, or one would help
//!    ▼
//! forward ─ cached? ─ request ─▶ the service ─▶ answer ─▶ identity ─▶ Permit
//! basic ─── name and password ─▶ auth::passwords ──────▶ identity ─▶ Permit
//! certificate ─ that of the connection ─▶ tls ─────────▶ identity ─▶ Permit
//!
//! recheck ─ each tick: what is open is judged again by the service
//! ```

mod answer;
mod basic;
mod certificate;
mod client_cert;
mod failure;
mod forward;
mod identity;
mod identity_headers;
mod judge;
mod outcome;
mod recheck;
mod request;
mod state;

use std::sync::Arc;

use super::reject::Rejection;
use super::{Routed, origin};
use crate::policy::{Denied, LoginRule, LoginService, Permit};
use crate::route::Route;
use outcome::{Cookies, Outcome};

pub(super) use client_cert::ClientCert;
pub(super) use failure::LoginFailure;
pub(super) use identity_headers::replace_identity_headers;
pub(super) use outcome::Outcome as LoginOutcome;
pub use state::Logins;

/// Decides about a request whose policy accepts logins. `decided` is what everything else says.
pub(super) async fn decide(
    routed: &Routed,
    route: &Route,
    rule: &Arc<LoginRule>,
    decided: Result<Permit, Rejection>,
) -> Outcome {
    let rejection = match decided {
        Ok(permit) => return Outcome::Permit(permit, Cookies::default()),
        Err(rejection) if !may_help(&rejection, rule) => return Outcome::Rejected(rejection),
        Err(rejection) => rejection,
    };
    let outcome = match &rule.service {
        LoginService::Forward(service) => forward::decide(routed, route, rule, service).await,
        LoginService::Basic(basic) => basic::decide(routed, route, rule, basic).await,
        LoginService::Certificate(_) => certificate::decide(routed, route, rule, rejection),
    };
    match outcome {
        Outcome::Permit(permit, _) if !origin::may_use(routed, route, &permit) => {
            Outcome::Rejected(Rejection::Origin)
        }
        outcome => outcome,
    }
}

/// Whether a login could change the answer.
fn may_help(rejection: &Rejection, rule: &LoginRule) -> bool {
    match rejection {
        Rejection::Denied(Denied::NoLogin) => true,
        Rejection::Denied(
            Denied::Address | Denied::NoToken | Denied::Token(_) | Denied::Claim(_),
        ) => rule.is_enough,
        _ => false,
    }
}
