//! The two tokens of a renewal: where they stand, and whether the newer one continues the older.

use std::sync::Arc;

use http::Response;
use http::header::{self, HeaderValue};

use crate::auth::{self, NotSuccessor, Signed};
use crate::clock::UnixTime;
use crate::policy::{AcceptedIssuer, Denied, IssuerId, OnExpiry, TokenRule};
use crate::serve::Inbound;
use crate::serve::auth_context::context;
use crate::serve::authorize::note_user;
use crate::serve::browser::fields::Fields;
use crate::serve::detail;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::token::issuer::Issuer;
use crate::token::location::{self, COOKIE, Located, Source};

/// The token in a field; `None` if the field is missing or empty.
pub(super) fn field<'f>(fields: &'f Fields, name: &str) -> Result<Option<&'f str>, Rejection> {
    let text = fields.one(name)?.map(str::trim);
    Ok(text.filter(|text| !text.is_empty()))
}

/// The newer token's text: in `Authorization`, or in the field `token`.
pub(super) fn newer<'a>(
    inbound: &'a Inbound,
    fields: &'a Fields,
) -> Result<Located<'a>, Rejection> {
    let request = &inbound.request;
    let located = location::find(request.headers(), request.uri(), &[Source::Header])
        .map_err(|_| Rejection::TwoTokens)?;
    match (located, field(fields, "token")?) {
        (Some(located), None) => Ok(located),
        (None, Some(text)) => Ok(Located {
            text: text.into(),
            places: 1,
        }),
        (Some(located), Some(text)) if *located.text == *text => Ok(located),
        (Some(_), Some(_)) => Err(Rejection::TwoTokens),
        (None, None) => Err(Rejection::Form),
    }
}

/// Verifies the older token, of one of these issuers. It may have expired: what it opened is still
/// there if policies say `on_expiry = "keep"` or grant a grace period.
pub(super) async fn verify_old<'s>(
    inbound: &'s Inbound,
    old: &Located<'_>,
    is_accepted: impl Fn(&Issuer) -> bool,
    now: UnixTime,
) -> Result<Signed<'s>, Rejection> {
    let old = verify(inbound, &rule(inbound, is_accepted), old).await?;
    let last = UnixTime(old.verified.claims.exp.0.saturating_sub(1));
    old.issuer
        .judge(&old.verified.claims, now.min(last))
        .map_err(Denied::Token)?;
    Ok(old)
}

/// Verifies the newer token, which has to continue the older one.
pub(super) async fn verify_newer<'s>(
    inbound: &'s Inbound,
    old: &Signed<'_>,
    newer: &Located<'_>,
    now: UnixTime,
) -> Result<Signed<'s>, Rejection> {
    let rule = rule(inbound, |other| other.spec.name == old.issuer.spec.name);
    let new = verify(inbound, &rule, newer).await?;
    new.issuer
        .judge(&new.verified.claims, now)
        .map_err(Denied::Token)?;
    note_user(&inbound.exchange, &new);
    auth::successor(&old.verified, &new.verified)?;
    Ok(new)
}

/// Renews on all workers, and answers with what became of it.
pub(super) async fn response(
    inbound: &Inbound,
    old: &Signed<'_>,
    new: &Signed<'_>,
) -> Response<ResponseBody> {
    let renewals = &inbound.conn.worker.shared.renewals;
    let renewed = renewals.renew(old.verified.tag, &new.verified).await;
    let expires = new.verified.claims.exp.0;
    let body = format!("{{\"renewed\":{renewed},\"expires\":{expires}}}\n");
    let mut response = Response::new(ResponseBody::text(body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn verify<'s>(
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
        is_optional: false,
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
