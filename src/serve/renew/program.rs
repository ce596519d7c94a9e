//! Renews what a program has opened: both tokens are in its request, and no cookie is.

use http::Response;

use super::tokens::{self, response, verify_newer, verify_old};
use crate::clock::UnixTime;
use crate::policy::Denied;
use crate::serve::Inbound;
use crate::serve::browser::fields::Fields;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::token::location::Located;

/// Accepts a newer token in place of the one in the field `old`, which any issuer may have
/// signed, wherever it stood when it opened something.
pub(super) async fn renew(
    inbound: &Inbound,
    fields: &Fields,
) -> Result<Response<ResponseBody>, Rejection> {
    let now = UnixTime::now();
    let old = tokens::field(fields, "old")?.ok_or(Denied::NoToken)?;
    if fields.one("to")?.is_some() {
        // There are no cookies to set for a page.
        return Err(Rejection::Form);
    }
    let old = Located {
        text: old.into(),
        places: 1,
    };
    let newer = tokens::newer(inbound, fields)?;
    let old = verify_old(inbound, &old, |_| true, now).await?;
    let new = verify_newer(inbound, &old, &newer, now).await?;
    Ok(response(inbound, &old, &new).await)
}
