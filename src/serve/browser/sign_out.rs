//! Signing out.

use http::Response;

use super::fields::Fields;
use super::{ReturnTo, asked_goal, cookie, from_own_page};
use crate::proxy::body::ResponseBody;
use crate::serve::reject::Rejection;
use crate::serve::{Normal, page};

/// A page with one button.
pub(in crate::serve) fn form(normal: &Normal) -> Result<Response<ResponseBody>, Rejection> {
    let query = normal.inbound.request.uri().query().unwrap_or_default();
    let goal = if query.is_empty() {
        None
    } else {
        Some(asked_goal(normal)?)
    };
    Ok(page::sign_out(
        goal.as_ref().map(|goal| &goal.to),
        normal.inbound.exchange.id(),
    ))
}

/// Takes the cookies back: those of one place, or of all.
pub(in crate::serve) async fn sign_out(
    normal: &mut Normal,
) -> Result<Response<ResponseBody>, Rejection> {
    from_own_page(normal)?;
    let fields = Fields::read(&mut normal.inbound).await?;
    let goal = fields
        .one("to")?
        .map(|to| ReturnTo::parse(normal, to))
        .transpose()?;
    let route = goal
        .as_ref()
        .map(|goal| goal.route(normal))
        .filter(|route| route.sign_in().is_some());
    let mut response = page::signed_out(
        goal.as_ref().map(|goal| &goal.to),
        normal.inbound.exchange.id(),
    );
    let all = &normal.inbound.local.snapshot.routes;
    cookie::sign_out(response.headers_mut(), route, all, &normal.authority.host);
    Ok(response)
}
