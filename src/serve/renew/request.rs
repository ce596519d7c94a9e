//! Reads a request for a renewal, and decides who sent it.

use http::Response;

use super::{browser, program};
use crate::serve::browser::fields::Fields;
use crate::serve::browser::own_page::require_own_page;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::serve::{Inbound, Normal};
use crate::token::location::{self, COOKIE, Source};

/// Renews what was opened with an older token.
pub(in crate::serve) async fn renew(
    normal: &mut Normal,
) -> Result<Response<ResponseBody>, Rejection> {
    let is_browser = has_cookie(&normal.inbound);
    if is_browser {
        require_own_page(normal)?;
    }
    let fields = Fields::read(&mut normal.inbound).await?;
    if is_browser {
        browser::renew(normal, &fields).await
    } else {
        program::renew(&normal.inbound, &fields).await
    }
}

/// Whether the request has a cookie of the gateway's, or several.
fn has_cookie(inbound: &Inbound) -> bool {
    let request = &inbound.request;
    let sources = [Source::Cookie(COOKIE.into())];
    !matches!(
        location::find(request.headers(), request.uri(), &sources),
        Ok(None)
    )
}
