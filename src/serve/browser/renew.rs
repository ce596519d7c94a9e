//! Replaces the token that a browser signed in with by a newer one. Its open sockets continue.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, Uri};

use super::cookie;
use super::fields::Fields;
use super::own_page::require_own_page;
use super::return_to::ReturnTo;
use crate::auth::{self, NotSuccessor, Signed};
use crate::clock::UnixTime;
use crate::host::Authority;
use crate::policy::{AcceptedIssuer, Denied, Facts, IssuerId, OnExpiry, Token, TokenRule};
use crate::route::Route;
use crate::serve::auth_context::context;
use crate::serve::authorize::note_user;
use crate::serve::detail;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::serve::{Inbound, Normal};
use crate::token::issuer::Issuer;
use crate::token::location::{self, COOKIE, Located, Source};

/// Accepts a newer token of the same issuer and subject. The current one, in the gateway's own
/// cookie, may have expired.
pub(in crate::serve) async fn renew(
    normal: &mut Normal,
) -> Result<Response<ResponseBody>, Rejection> {
    require_own_page(normal)?;
    let fields = Fields::read(&mut normal.inbound).await?;
    let (inbound, now) = (&normal.inbound, UnixTime::now());
    let old = old(inbound, now).await?;
    let located = newer(inbound, &fields)?;
    let new = newer_of(inbound, old.issuer, &located, now).await?;
    note_user(&inbound.exchange, &new);
    auth::successor(&old.verified, &new.verified)?;
    let return_to = fields
        .one("to")?
        .map(|to| ReturnTo::parse(normal, to))
        .transpose()?;
    let at = match &return_to {
        Some(place) => {
            let route = place.route(normal);
            may_pass(inbound, route, &new, now).map_err(|denied| {
                let rejection = Rejection::from(denied);
                let rule = route.policy.token_rule();
                detail::note(&inbound.exchange, &rejection, rule, || None);
                rejection
            })?;
            Some(route)
        }
        None => came_from(normal).filter(|route| may_pass(inbound, route, &new, now).is_ok()),
    };
    let renewed = inbound
        .conn
        .worker
        .shared
        .renewals
        .renew(old.verified.tag, &new.verified)
        .await;
    let expires = new.verified.claims.exp;
    let mut response = Response::new(ResponseBody::text(format!(
        "{{\"renewed\":{renewed},\"expires\":{}}}\n",
        expires.0
    )));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let at = at.filter(|route| route.sign_in().is_some());
    let all = &inbound.view.snapshot.routes;
    cookie::renew(
        headers,
        &located.text,
        now.until(expires).as_secs(),
        at,
        all,
        &normal.authority.host,
    );
    Ok(response)
}

/// The token that the browser has signed in with. It may have expired: the sockets stay open if
/// their policies say `on_expiry = "keep"` or grant a grace period.
async fn old(inbound: &Inbound, now: UnixTime) -> Result<Signed<'_>, Rejection> {
    let request = &inbound.request;
    let sources = [Source::Cookie(COOKIE.into())];
    let located = location::find(request.headers(), request.uri(), &sources)
        .map_err(|_| Rejection::TwoTokens)?;
    let located = located.ok_or(Denied::NoToken)?;
    let rule = rule(inbound, |issuer| issuer.spec.sources.contains(&sources[0]));
    let old = proved(inbound, &rule, &located).await?;
    let last = UnixTime(old.verified.claims.exp.0.saturating_sub(1));
    old.issuer
        .judge(&old.verified.claims, now.min(last))
        .map_err(Denied::Token)?;
    Ok(old)
}

/// The newer token's text: in `Authorization`, or in a form field.
fn newer<'a>(inbound: &'a Inbound, fields: &'a Fields) -> Result<Located<'a>, Rejection> {
    let request = &inbound.request;
    let located = location::find(request.headers(), request.uri(), &[Source::Header])
        .map_err(|_| Rejection::TwoTokens)?;
    let located = match (located, fields.one("token")?.map(str::trim)) {
        (Some(located), None) => located,
        (None, Some(text)) => Located {
            text: text.into(),
            places: 1,
        },
        (Some(located), Some(text)) if *located.text == *text => located,
        (Some(_), Some(_)) => return Err(Rejection::TwoTokens),
        (None, None) => return Err(Rejection::Form),
    };
    if located.text.len() > cookie::LONGEST_TOKEN {
        Err(Rejection::TokenForCookie)
    } else {
        Ok(located)
    }
}

async fn newer_of<'s>(
    inbound: &'s Inbound,
    issuer: &Issuer,
    located: &Located<'_>,
    now: UnixTime,
) -> Result<Signed<'s>, Rejection> {
    let rule = rule(inbound, |other| other.spec.name == issuer.spec.name);
    let new = proved(inbound, &rule, located).await?;
    new.issuer
        .judge(&new.verified.claims, now)
        .map_err(Denied::Token)?;
    Ok(new)
}

async fn proved<'s>(
    inbound: &'s Inbound,
    rule: &TokenRule,
    located: &Located<'_>,
) -> Result<Signed<'s>, Rejection> {
    // No policy is asked yet, so the client counts as unlisted.
    let context = context(inbound, false);
    auth::verify(&context, located, rule)
        .await
        .map_err(|failure| {
            let rejection = Rejection::from(failure);
            detail::note(&inbound.exchange, &rejection, Some(rule), || {
                Some((&*located.text).into())
            });
            rejection
        })
}

/// Accepts any token of these issuers: the policies decide about claims.
fn rule(inbound: &Inbound, is_accepted: impl Fn(&Issuer) -> bool) -> TokenRule {
    let issuers = inbound.view.snapshot.issuers.iter().enumerate();
    let accepted = |(at, issuer): (usize, &Arc<Issuer>)| AcceptedIssuer {
        id: IssuerId(at),
        name: issuer.spec.name.clone(),
        places: 1,
    };
    let issuers = issuers.filter(|(_, issuer)| is_accepted(issuer));
    TokenRule {
        issuers: issuers.map(accepted).collect(),
        sources: [Source::Cookie(COOKIE.into())].into(),
        claims: [].into(),
        on_expiry: OnExpiry::Keep,
    }
}

impl From<NotSuccessor> for Rejection {
    fn from(why: NotSuccessor) -> Self {
        match why {
            NotSuccessor::Issuer | NotSuccessor::Subject => Self::OtherSubject,
            NotSuccessor::NotLater => Self::NotLater,
        }
    }
}

fn may_pass(
    inbound: &Inbound,
    route: &Route,
    new: &Signed<'_>,
    now: UnixTime,
) -> Result<(), Denied> {
    let token = Token::Signed(new.issuer, &new.verified);
    route
        .policy
        .authorize(&Facts {
            client: inbound.client,
            now,
            token,
        })
        .map(drop)
}

/// The route of the page that sends the request.
fn came_from(normal: &Normal) -> Option<&Route> {
    let headers: &HeaderMap = normal.inbound.request.headers();
    let page: Uri = headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
    let authority: Authority = page.authority()?.as_str().parse().ok()?;
    let is_own = page.scheme_str() == Some("https") && authority == *normal.authority;
    let place = is_own.then(|| ReturnTo::parse(normal, page.path()).ok())??;
    Some(place.route(normal))
}
