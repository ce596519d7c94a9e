//! Signing in.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::cookie;
use super::fields::Fields;
use super::offer::{SignIn, message};
use super::own_page::require_own_page;
use super::return_to::ReturnTo;
use crate::clock::UnixTime;
use crate::policy::{Denied, Facts, Permit, Token};
use crate::route::{NoRoute, Route};
use crate::serve::authorize::judge;
use crate::serve::reject::Rejection;
use crate::serve::reply::Served;
use crate::serve::response_body::ResponseBody;
use crate::serve::{Normal, page, rescue};
use crate::token::BadToken;
use crate::token::location::Located;

const TOO_LONG: &str = "This token is too long: browsers keep cookies of 4096 bytes at most.";

/// The form on a page of its own, for a browser that opens its URL.
pub(in crate::serve) fn form(normal: &Normal) -> Result<Response<ResponseBody>, Rejection> {
    let return_to = ReturnTo::in_query(normal)?;
    return_to.route(normal).sign_in().ok_or(NoRoute::Path)?;
    let form = SignIn {
        to: return_to.to,
        message: None,
    };
    Ok(page::sign_in(
        StatusCode::OK,
        &form,
        normal.inbound.exchange.id(),
    ))
}

/// Accepts the form: the policy of the URL that the browser returns to decides, as if the token had
/// come there in its cookie.
pub(in crate::serve) async fn sign_in(normal: &mut Normal) -> Served {
    require_own_page(normal)?;
    let fields = Fields::read(&mut normal.inbound).await?;
    let return_to = ReturnTo::parse(normal, fields.one("to")?.unwrap_or("/"))?;
    let token = fields.one("token")?.unwrap_or_default().trim();
    match signed_in(normal, &return_to, token).await? {
        Ok(response) => Ok(response.into()),
        Err(rejection) => again(normal, rejection, return_to),
    }
}

/// The answer to a browser that has signed in. The inner error is one that the form may be shown
/// again for.
async fn signed_in(
    normal: &Normal,
    return_to: &ReturnTo,
    token: &str,
) -> Result<Result<Response<ResponseBody>, Rejection>, Rejection> {
    let route = return_to.route(normal);
    let permit = match permit(normal, route, token).await {
        Ok(permit) => permit,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    if let Some(verified) = permit.token() {
        let left = UnixTime::now()
            .at_earliest()
            .until(verified.claims.exp)
            .as_secs();
        if left == 0 {
            return Ok(Err(Denied::Token(BadToken::Expired).into()));
        }
        set_cookies(headers, normal, route, token, left);
    }
    let to = route.after_sign_in.as_ref().unwrap_or(&return_to.to);
    // A URL has no characters that a header could not have.
    let to = HeaderValue::try_from(to.as_str()).map_err(|_| Rejection::Form)?;
    headers.insert(header::LOCATION, to);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Ok(response))
}

fn set_cookies(headers: &mut HeaderMap, normal: &Normal, route: &Route, token: &str, seconds: u64) {
    let all = &normal.inbound.view.snapshot.routes;
    cookie::sign_in(headers, token, seconds, route, all, &normal.authority.host);
}

async fn permit(normal: &Normal, route: &Route, token: &str) -> Result<Permit, Rejection> {
    let (inbound, policy) = (&normal.inbound, &route.policy);
    let (rule, place) = route.sign_in().ok_or(NoRoute::Path)?;
    if policy.asks_for_token(inbound.client).is_none() || token.is_empty() {
        return Ok(policy.authorize(&Facts {
            client: inbound.client,
            now: UnixTime::now(),
            token: Token::None,
        })?);
    }
    if token.len() > cookie::LONGEST_TOKEN {
        return Err(Rejection::TokenForCookie);
    }
    let located = Located {
        text: token.into(),
        places: place,
    };
    judge(inbound, policy, rule, &located).await
}

/// The form again, where another token may help.
fn again(normal: &Normal, rejection: Rejection, return_to: ReturnTo) -> Served {
    let message = match rejection {
        Rejection::TokenForCookie => Some(Some(TOO_LONG)),
        _ => message(&rejection),
    };
    let exchange = &normal.inbound.exchange;
    match message {
        Some(message) => {
            let form = SignIn {
                to: return_to.to,
                message,
            };
            Ok(rescue::page(exchange, &rejection, Some(&form)))
        }
        None if rejection.is_of_policy() => Ok(rescue::page(exchange, &rejection, None)),
        None => Err(rejection),
    }
}
