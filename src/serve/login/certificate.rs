//! `client_certificate`: who a client is by the certificate that it has shown in the handshake.

use std::rc::Rc;
use std::sync::Arc;

use http::header;

use super::super::Routed;
use super::super::client_addr::is_trusted;
use super::super::detail;
use super::super::reject::Rejection;
use super::failure::LoginFailure;
use super::outcome::{BEARER, Cookies, Outcome, answered, note_claim};
use crate::addr::Kind;
use crate::policy::{Denied, LoginRule, Permit};
use crate::route::Route;
use crate::tls::BadCertificate;

/// Decides by the certificate of the connection. `decided` is why nothing else admits the request.
pub(super) fn decide(
    routed: &Routed,
    route: &Route,
    rule: &Arc<LoginRule>,
    decided: Rejection,
) -> Outcome {
    let rejection = match permit(routed, route, rule) {
        Ok(permit) => return Outcome::Permit(permit, Cookies::default()),
        Err(rejection) => rejection,
    };
    let has_tokens = route.policy.token_rule().is_some();
    match &rejection {
        // Without a certificate it is up to the token, for which a browser gets a form.
        Rejection::Denied(Denied::NoCertificate) if has_tokens => Outcome::Rejected(decided),
        Rejection::NotAsked if has_token(&decided) => Outcome::Rejected(decided),
        Rejection::Denied(denied) => {
            note_claim(routed, rule, denied);
            let bearer = has_tokens.then_some((header::WWW_AUTHENTICATE, BEARER));
            Outcome::Answered(answered(routed, &rejection, bearer))
        }
        _ => Outcome::Rejected(rejection),
    }
}

/// Whether the request has a token, which is why it is rejected.
fn has_token(decided: &Rejection) -> bool {
    matches!(
        decided,
        Rejection::Denied(Denied::Token(_) | Denied::Claim(_))
    )
}

fn permit(routed: &Routed, route: &Route, rule: &Arc<LoginRule>) -> Result<Permit, Rejection> {
    let inbound = &routed.normal.inbound;
    let (conn, snapshot) = (&inbound.conn, &inbound.view.snapshot);
    if is_trusted(conn.client, &snapshot.trusted_proxies) {
        return Err(Denied::Certificate(BadCertificate::OfProxy).into());
    }
    let Some(shown) = &conn.client_cert else {
        return Err(match conn.kind {
            Kind::Https => not_asked(routed),
            Kind::Http | Kind::Plain => Denied::NoCertificate.into(),
        });
    };
    let authority = snapshot.client_authority.as_ref();
    let authority = authority.ok_or(LoginFailure::Changed)?;
    let login = shown.login(rule, authority, &conn.worker.tokens);
    let login = login.ok_or(Denied::NoCertificate)?;
    let permit = login.map_err(Denied::Certificate).and_then(|login| {
        let user = Rc::clone(&login.verified);
        inbound.exchange.note(|line| line.user = Some(user));
        route.policy.authorize_login(inbound.client, &login)
    });
    permit.map_err(|denied| {
        if let (Denied::Certificate(_), Some(subject)) = (denied, shown.described()) {
            let subject = detail::shortened(&subject);
            inbound.exchange.note(|line| line.detail = Some(subject));
        }
        denied.into()
    })
}

/// A new connection for this name is asked. One that was made for it, before a reload, is closed,
/// so that the client makes another.
fn not_asked(routed: &Routed) -> Rejection {
    let conn = &routed.normal.inbound.conn;
    if conn.sni.as_ref() == Some(&routed.normal.authority.host) {
        conn.control.finish();
    }
    Rejection::NotAsked
}
