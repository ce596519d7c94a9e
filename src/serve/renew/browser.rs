//! Replaces the token that a browser signed in with by a newer one. What it has opened continues.

use http::header::{self, HeaderMap};
use http::{Response, Uri};

use super::tokens::{self, response, verify_newer, verify_old};
use crate::auth::Signed;
use crate::clock::UnixTime;
use crate::host::Authority;
use crate::policy::{Denied, Facts, Token};
use crate::route::Route;
use crate::serve::browser::cookie;
use crate::serve::browser::fields::Fields;
use crate::serve::browser::return_to::ReturnTo;
use crate::serve::detail;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::serve::{Inbound, Normal};
use crate::token::issuer::Issuer;
use crate::token::location::{self, COOKIE, Located, Source};

/// Accepts a newer token in place of the one in the gateway's own cookie, and replaces the
/// cookies.
pub(super) async fn renew(
    normal: &Normal,
    fields: &Fields,
) -> Result<Response<ResponseBody>, Rejection> {
    let (inbound, now) = (&normal.inbound, UnixTime::now());
    let sources = [Source::Cookie(COOKIE.into())];
    let old = old(inbound, &sources, fields)?;
    let takes_cookie = |issuer: &Issuer| issuer.spec.sources.contains(&sources[0]);
    let old = verify_old(inbound, &old, takes_cookie, now).await?;
    let newer = tokens::newer(inbound, fields)?;
    if newer.text.len() > cookie::LONGEST_TOKEN {
        return Err(Rejection::TokenForCookie);
    }
    let new = verify_newer(inbound, &old, &newer, now).await?;
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
    let mut response = response(inbound, &old, &new).await;
    cookie::renew(
        response.headers_mut(),
        &newer.text,
        now.until(new.verified.claims.exp).as_secs(),
        at.filter(|route| route.sign_in().is_some()),
        &inbound.view.snapshot.routes,
        &normal.authority.host,
    );
    Ok(response)
}

/// The token that the browser has signed in with. Another one in the body is that of something
/// else: which one is meant is unclear.
fn old<'i>(
    inbound: &'i Inbound,
    sources: &[Source],
    fields: &Fields,
) -> Result<Located<'i>, Rejection> {
    let request = &inbound.request;
    let located = location::find(request.headers(), request.uri(), sources)
        .map_err(|_| Rejection::TwoTokens)?;
    let located = located.ok_or(Denied::NoToken)?;
    match tokens::field(fields, "old")? {
        Some(text) if *located.text != *text => Err(Rejection::TwoTokens),
        _ => Ok(located),
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
