//! When a newer token may take the place of an older one on an open connection.

use crate::token::issuer::Verified;

/// Why a token does not continue another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSuccessor {
    /// Another issuer signed it.
    #[error("the newer token is from another issuer")]
    Issuer,
    /// It is about another subject, or the older one names none.
    #[error("the newer token has another subject")]
    Subject,
    /// It does not expire later.
    #[error("the newer token does not expire later")]
    NotLater,
}

/// Checks that a token continues another: same issuer, same subject, later expiry. Otherwise, an
/// attacker who puts a token into another user's browser would take over that browser's
/// connections.
///
/// # Errors
/// What differs.
pub fn successor(old: &Verified, new: &Verified) -> Result<(), NotSuccessor> {
    let subject = old.claims.subject().filter(|subject| !subject.is_empty());
    if new.issuer != old.issuer {
        Err(NotSuccessor::Issuer)
    } else if subject.is_none() || new.claims.subject() != subject {
        Err(NotSuccessor::Subject)
    } else if new.claims.exp <= old.claims.exp {
        Err(NotSuccessor::NotLater)
    } else {
        Ok(())
    }
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
    fn same_issuer_same_subject_later_expiry() {
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
        ] {
            assert_eq!(successor(&old, &token(issuer, claims)), want, "{claims}");
        }
        let nameless = token("staff", r#"{"sub":"","exp":10}"#);
        let later = token("staff", r#"{"sub":"","exp":11}"#);
        assert_eq!(successor(&nameless, &later), Err(NotSuccessor::Subject));
    }
}
