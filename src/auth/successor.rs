//! When a newer token may take the place of an older one on an open connection.

use super::cache::Signed;
use super::context::{Context, Failure};
use super::verify::verify;
use crate::policy::TokenRule;
use crate::token::issuer::Verified;
use crate::token::location::Located;

/// Why a token does not continue another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSuccessor {
    /// Another issuer signed it.
    #[error("the newer token is from another issuer")]
    Issuer,
    /// It is about another subject or user, or the older one names no subject.
    #[error("the newer token has another subject")]
    Subject,
    /// It does not expire later.
    #[error("the newer token does not expire later")]
    NotLater,
}

/// Checks that a token continues another: same issuer (the entry of `[issuers]` and `iss`), same
/// subject and user, later expiry. Otherwise, an attacker who puts a token into another user's
/// browser would take over that browser's connections.
///
/// # Errors
/// What differs.
pub fn successor(old: &Verified, new: &Verified) -> Result<(), NotSuccessor> {
    let subject = old.claims.subject();
    if new.issuer != old.issuer || new.claims.iss() != old.claims.iss() {
        Err(NotSuccessor::Issuer)
    } else if subject.is_none() || new.claims.subject() != subject {
        Err(NotSuccessor::Subject)
    } else if new.claims.user_id() != old.claims.user_id() {
        // The subject of Jitsi's tokens is the domain, the same for all users.
        Err(NotSuccessor::Subject)
    } else if new.claims.exp <= old.claims.exp {
        Err(NotSuccessor::NotLater)
    } else {
        Ok(())
    }
}

/// The same for tokens in messages, where one that expires at the same time continues the other as
/// well: a page may have two that were issued in one second.
///
/// # Errors
/// What differs.
pub fn successor_in_message(old: &Verified, new: &Verified) -> Result<(), NotSuccessor> {
    match successor(old, new) {
        Err(NotSuccessor::NotLater) if new.claims.exp == old.claims.exp => Ok(()),
        result => result,
    }
}

/// Why a token that was to continue another does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRenewed {
    /// It is not verified.
    Failure(Failure),
    /// It does not continue the other.
    NotSuccessor(NotSuccessor),
}

/// Verifies a token in a message that is to continue another on an open connection. One that does
/// not continue it is counted and delayed as a forged one is: the client may be trying tokens of
/// other clients.
///
/// # Errors
/// Why it does not.
pub async fn verify_successor<'c>(
    context: &Context<'c>,
    token: &Located<'_>,
    rule: &TokenRule,
    old: &Verified,
) -> Result<Signed<'c>, NotRenewed> {
    let signed = verify(context, token, rule).await;
    let signed = signed.map_err(NotRenewed::Failure)?;
    let Err(why) = successor_in_message(old, &signed.verified) else {
        return Ok(signed);
    };
    Err(match context.count(context.too_many()).await {
        Ok(()) => NotRenewed::NotSuccessor(why),
        Err(wait) => NotRenewed::Failure(Failure::TooMany(wait)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::claims::Claims;

    fn token(issuer: &str, claims: &str) -> Verified {
        Verified {
            issuer: issuer.into(),
            key: Default::default(),
            claims: Claims::parse(claims.as_bytes()).unwrap(),
            tag: Default::default(),
        }
    }

    #[test]
    fn same_issuer_same_subject_same_user_later_expiry() {
        let old = token("staff", r#"{"sub":"ada","exp":10}"#);
        for (issuer, claims, want) in [
            ("staff", r#"{"sub":"ada","exp":11}"#, Ok(())),
            (
                "staff",
                r#"{"sub":"ada","exp":10}"#,
                Err(NotSuccessor::NotLater),
            ),
            (
                "staff",
                r#"{"sub":"eve","exp":11}"#,
                Err(NotSuccessor::Subject),
            ),
            ("staff", r#"{"exp":11}"#, Err(NotSuccessor::Subject)),
            (
                "guests",
                r#"{"sub":"ada","exp":11}"#,
                Err(NotSuccessor::Issuer),
            ),
            // One entry of `[issuers]` may accept several `iss`.
            (
                "staff",
                r#"{"iss":"b","sub":"ada","exp":11}"#,
                Err(NotSuccessor::Issuer),
            ),
        ] {
            assert_eq!(successor(&old, &token(issuer, claims)), want, "{claims}");
        }
        // With Jitsi, the subject is the domain.
        let user = |id: &str, exp: u32| {
            let context = format!(r#"{{"user":{{"id":{id}}}}}"#);
            let claims = format!(r#"{{"sub":"d","context":{context},"exp":{exp}}}"#);
            token("staff", &claims)
        };
        let (ada, nobody) = (user("\"ada\"", 10), user("null", 11));
        let faked = r#"{"sub":"d","exp":11,"context.user.id":"ada"}"#;
        assert_eq!(successor(&ada, &user("\"ada\"", 11)), Ok(()));
        for (old, new) in [
            (&ada, &user("\"eve\"", 11)),
            (&ada, &nobody),
            (&nobody, &user("\"ada\"", 12)),
            (&ada, &token("staff", faked)),
        ] {
            assert_eq!(successor(old, new), Err(NotSuccessor::Subject), "{new:?}");
        }
        let same = token("staff", r#"{"sub":"ada","exp":10}"#);
        assert_eq!(successor_in_message(&old, &same), Ok(()));
        let earlier = token("staff", r#"{"sub":"ada","exp":9}"#);
        let not_later = Err(NotSuccessor::NotLater);
        assert_eq!(successor_in_message(&old, &earlier), not_later);
        let nameless = token("staff", r#"{"sub":"","exp":10}"#);
        let later = token("staff", r#"{"sub":"","exp":11}"#);
        assert_eq!(successor(&nameless, &later), Err(NotSuccessor::Subject));
    }
}
