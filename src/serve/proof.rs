//! Who signed a token, and what has to be waited for before that is known, or is told.

use std::sync::Arc;
use std::time::Duration;

use super::Inbound;
use super::guesses::Guesser;
use super::reject::Rejection;
use super::tokens::{Signed, Unproven};
use crate::policy::{Denied, TokenRule};
use crate::token::BadToken;
use crate::token::issuer::Fetched;
use crate::token::location::Located;

/// Why there is no permit.
pub(super) enum Hindrance {
    /// There will be none.
    Refused(Rejection),
    /// The key of the token may be had by looking for it.
    Key { keys: Arc<Fetched>, kid: Option<Box<str>> },
    /// There will be none, but that is told so much later: the token looks like a guess.
    Guess(Denied, Duration),
}

impl<E: Into<Rejection>> From<E> for Hindrance {
    fn from(rejection: E) -> Self {
        Self::Refused(rejection.into())
    }
}

/// Whether the token's key has been looked for. It is once, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Unsought,
    /// The issuer has been asked.
    Sought,
    /// The issuer could not be asked: that the key is not there says nothing against the token.
    Away,
}

/// Finds out which of the rule's issuers signed the token. `is_listed`: the client's address is on the policy's list.
pub(super) fn prove<'s>(
    inbound: &'s Inbound,
    is_listed: bool,
    rule: &TokenRule,
    located: &Located<'_>,
    key: Key,
) -> Result<Signed<'s>, Hindrance> {
    let (snapshot, worker) = (&inbound.local.snapshot, &inbound.conn.worker);
    if let Some(signed) = worker.tokens.known(located, rule, snapshot) {
        return Ok(signed);
    }
    let (limits, guesses) = (&snapshot.limits, &worker.guesses);
    let (who, rate) = (Guesser::new(inbound.client, is_listed, limits), limits.bad_tokens_per_client);
    guesses.check(who, rate).map_err(Rejection::BadTokens)?;
    match worker.tokens.verify(located, rule, snapshot) {
        Ok(signed) => Ok(signed),
        Err(Unproven { look: Some((keys, kid)), .. }) if key == Key::Unsought => Err(Hindrance::Key { keys, kid }),
        Err(Unproven { look: Some(_), .. }) if key == Key::Away => Err(Denied::Token(BadToken::KeysAway).into()),
        Err(Unproven { why, .. }) if why.is_forged() => {
            Err(Hindrance::Guess(Denied::Token(why), guesses.count(who, rate)))
        }
        Err(Unproven { why, .. }) => Err(Denied::Token(why).into()),
    }
}

/// Waits for what there is to wait for, and tries again where that may help.
pub(super) async fn overcome<T>(
    hindrance: Hindrance,
    again: impl FnOnce(Key) -> Result<T, Hindrance>,
) -> Result<T, Rejection> {
    let hindrance = match hindrance {
        Hindrance::Key { keys, kid } => {
            let key = if keys.look_for(kid).await { Key::Sought } else { Key::Away };
            match again(key) {
                Ok(found) => return Ok(found),
                Err(hindrance) => hindrance,
            }
        }
        hindrance => hindrance,
    };
    match hindrance {
        Hindrance::Refused(rejection) => Err(rejection),
        Hindrance::Guess(denied, wait) => {
            tokio::time::sleep(wait).await;
            Err(denied.into())
        }
        // It has been looked for.
        Hindrance::Key { .. } => Err(Denied::Token(BadToken::NoKey).into()),
    }
}
