//! Whether a form comes from the gateway's own pages.

use crate::route::initiator::Initiator;
use crate::serve::Normal;
use crate::serve::reject::Rejection;

/// Rejects a form that is not known to come from a page of this host: another site could sign the
/// browser in as another user.
pub(in crate::serve) fn require_own_page(normal: &Normal) -> Result<(), Rejection> {
    match Initiator::of(normal.inbound.request.headers(), &normal.authority) {
        Initiator::OwnPage => Ok(()),
        Initiator::OtherPage(_) | Initiator::Unknown => Err(Rejection::CrossSite),
    }
}
