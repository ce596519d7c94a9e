//! Signing in.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::fields::Fields;
use super::{ReturnTo, SignIn, asked_goal, cookie, from_own_page, message};
use crate::clock::UnixTime;
use crate::policy::{Denied, Facts, Permit, Token};
use crate::proxy::body::ResponseBody;
use crate::route::{NoRoute, Route};
use crate::serve::authorize::judge;
use crate::serve::reject::Rejection;
use crate::serve::{Normal, page};
use crate::token::BadToken;
use crate::token::location::Located;

const TOO_LONG: &str = "This token is too long: browsers keep cookies of 4096 bytes at most.";

/// The form alone, for whoever comes here by himself.
pub(in crate::serve) fn form(normal: &Normal) -> Result<Response<ResponseBody>, Rejection> {
    let goal = asked_goal(normal)?;
    goal.route(normal).sign_in().ok_or(NoRoute::Path)?;
    let form = SignIn {
        to: goal.to,
        message: None,
    };
    Ok(page::sign_in(
        StatusCode::OK,
        &form,
        normal.inbound.exchange.id(),
    ))
}

/// Takes the form: the policy of where the browser wants to go is asked, as if the token had come
/// there in its cookie.
pub(in crate::serve) async fn sign_in(
    normal: &mut Normal,
) -> Result<Response<ResponseBody>, Rejection> {
    from_own_page(normal)?;
    let fields = Fields::read(&mut normal.inbound).await?;
    let goal = ReturnTo::parse(normal, fields.one("to")?.unwrap_or("/"))?;
    let route = goal.route(normal);
    let token = fields.one("token")?.unwrap_or_default().trim();
    let permit = match permit(normal, route, token).await {
        Ok(permit) => permit,
        Err(rejection) => return Err(on_form(rejection, goal)),
    };
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    if let Some(verified) = permit.token() {
        let left = UnixTime::now().until(verified.claims.exp).as_secs();
        if left == 0 {
            return Err(on_form(Denied::Token(BadToken::Expired).into(), goal));
        }
        give(headers, normal, route, token, left);
    }
    let to = route.after_sign_in.as_ref().unwrap_or(&goal.to);
    // Made of what a target is made of.
    headers.insert(
        header::LOCATION,
        HeaderValue::try_from(to.as_str()).map_err(|_| Rejection::Form)?,
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn give(headers: &mut HeaderMap, normal: &Normal, route: &Route, token: &str, seconds: u64) {
    let all = &normal.inbound.local.snapshot.routes;
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
    if token.len() > cookie::MOST {
        return Err(Rejection::TokenForCookie);
    }
    let located = Located {
        text: token.into(),
        places: place,
    };
    judge(inbound, policy, rule, &located).await
}

/// The same page again, where another token may help.
fn on_form(rejection: Rejection, goal: ReturnTo) -> Rejection {
    let message = match rejection {
        Rejection::TokenForCookie => Some(Some(TOO_LONG)),
        _ => message(&rejection),
    };
    match message {
        Some(message) => Rejection::OnPage(
            Box::new(rejection),
            Some(Box::new(SignIn {
                to: goal.to,
                message,
            })),
        ),
        None if rejection.is_of_policy() => Rejection::OnPage(Box::new(rejection), None),
        None => rejection,
    }
}
