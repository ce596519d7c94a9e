//! Signing out.

use http::Response;

use super::cookie;
use super::fields::Fields;
use super::own_page::require_own_page;
use super::return_to::ReturnTo;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::serve::{Normal, page};

/// A page with one button.
pub(in crate::serve) fn form(normal: &Normal) -> Result<Response<ResponseBody>, Rejection> {
    let query = normal.inbound.request.uri().query().unwrap_or_default();
    let return_to = match query.is_empty() {
        true => None,
        false => Some(ReturnTo::in_query(normal)?),
    };
    Ok(page::sign_out(
        return_to.as_ref().map(|place| &place.to),
        normal.inbound.exchange.id(),
    ))
}

/// Clears the cookies: those of one route, or all of them.
pub(in crate::serve) async fn sign_out(
    normal: &mut Normal,
) -> Result<Response<ResponseBody>, Rejection> {
    require_own_page(normal)?;
    let fields = Fields::read(&mut normal.inbound).await?;
    let return_to = fields
        .one("to")?
        .map(|to| ReturnTo::parse(normal, to))
        .transpose()?;
    let route = return_to
        .as_ref()
        .map(|place| place.route(normal))
        .filter(|route| route.sign_in().is_some());
    let mut response = page::signed_out(
        return_to.as_ref().map(|place| &place.to),
        normal.inbound.exchange.id(),
    );
    let all = &normal.inbound.view.snapshot.routes;
    cookie::sign_out(response.headers_mut(), route, all, &normal.authority.host);
    Ok(response)
}
