//! Forwards a request to its upstream.

use http::{Response, Version};

use super::context::Forwarding;
use crate::proxy;
use crate::proxy::body::ClientRequest;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::serve::unread_body::close_after;

/// The upstream's answer, whose body is streamed.
pub(super) async fn forward(
    request: ClientRequest,
    forwarding: &Forwarding<'_>,
) -> Result<Response<ResponseBody>, Rejection> {
    if proxy::declares_more_than(&request, forwarding.body_limit) {
        return Err(proxy::Error::BodyTooLarge.into());
    }
    let is_h1 = request.version() < Version::HTTP_2;
    let body = request.body().progress();
    let answer = proxy::forward(request, &forwarding.context()).await?;
    let mut response = answer.map(ResponseBody::upstream);
    forwarding
        .cleaning
        .apply(response.headers_mut(), &forwarding.exchange);
    let under_way = &forwarding.conn.worker.under_way;
    under_way.answers(forwarding.key, response.body().server());
    // The upstream has answered before it had the whole body, whose rest may never come.
    if is_h1 && body.is_some_and(|body| !body.has_ended()) {
        close_after(&mut response, &forwarding.conn.control);
    }
    Ok(response)
}
