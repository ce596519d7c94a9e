//! Who signed a token, and what has to be waited for before that is known, or is told.

use std::sync::Arc;
use std::time::Duration;

use super::Inbound;
use super::auth_failures::FailureKey;
use super::reject::Rejection;
use super::tokens::{Signed, Unverified};
use crate::policy::{Denied, TokenRule};
use crate::token::BadToken;
use crate::token::issuer::{Asker, Fetched, Looked};
use crate::token::location::Located;

/// Why there is no permit.
pub(super) enum Pending {
    /// There will be none.
    Refused(Rejection),
    /// The key of the token may be had by looking for it.
    Key {
        keys: Arc<Fetched>,
        kid: Option<Box<str>>,
        asker: Asker,
    },
    /// There will be none, but that is told so much later: the token looks like a guess.
    Guess(Denied, Duration),
}

impl<E: Into<Rejection>> From<E> for Pending {
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
    /// The issuer was not asked, as this client has made it be asked too often.
    TooOften,
}

impl From<Looked> for Key {
    fn from(looked: Looked) -> Self {
        match looked {
            Looked::Asked => Self::Sought,
            Looked::Away => Self::Away,
            Looked::TooOften => Self::TooOften,
        }
    }
}

/// Finds out which of the rule's issuers signed the token. `is_listed`: the client's address is on
/// the policy's list.
///
/// The signature is looked at whatever the client has sent before, so that nobody is locked out by
/// others behind the same address. That costs tens of microseconds, which is less than a handshake,
/// and `limits.requests_per_client` bounds how often. Only what proves nothing is held back. A
/// secret that is short enough to be guessed is the exception: beyond the rate it is not tried, or
/// it could be found by trying.
pub(super) fn prove<'s>(
    inbound: &'s Inbound,
    is_listed: bool,
    rule: &TokenRule,
    located: &Located<'_>,
    key: Key,
) -> Result<Signed<'s>, Pending> {
    let (snapshot, worker) = (&inbound.local.snapshot, &inbound.conn.worker);
    if let Some(signed) = worker.tokens.known(located, rule, snapshot) {
        return Ok(signed);
    }
    let (limits, guesses) = (&snapshot.limits, &worker.guesses);
    let (who, rate) = (
        FailureKey::new(inbound.client, is_listed, limits),
        limits.bad_tokens_per_client,
    );
    let too_many = guesses.check(who, rate).err();
    let Unverified { why, look } =
        match worker
            .tokens
            .verify(located, rule, snapshot, too_many.is_none())
        {
            Ok(signed) => return Ok(signed),
            Err(unproven) => unproven,
        };
    let guess = |why| match too_many {
        Some(wait) => Rejection::BadTokens(wait).into(),
        None => Pending::Guess(Denied::Token(why), guesses.count(who, rate)),
    };
    match (look, key) {
        (Some((keys, kid)), Key::Unsought) => Err(Pending::Key {
            keys,
            kid,
            asker: Asker {
                group: inbound.client.group(),
                is_listed,
            },
        }),
        (Some(_), Key::Away) => Err(Denied::Token(BadToken::KeysAway).into()),
        // Nobody knows whether there is such a key, but it is this client that asks for one after
        // the other.
        (Some(_), Key::TooOften) => Err(guess(BadToken::KeysAway)),
        _ if why.is_forged() => Err(guess(why)),
        _ => Err(Denied::Token(why).into()),
    }
}

/// Waits for what there is to wait for, and tries again where that may help.
pub(super) async fn resolve<T>(
    hindrance: Pending,
    again: impl FnOnce(Key) -> Result<T, Pending>,
) -> Result<T, Rejection> {
    let hindrance = match hindrance {
        Pending::Key { keys, kid, asker } => {
            let key = keys.look_for(kid, asker).await.into();
            match again(key) {
                Ok(found) => return Ok(found),
                Err(hindrance) => hindrance,
            }
        }
        hindrance => hindrance,
    };
    match hindrance {
        Pending::Refused(rejection) => Err(rejection),
        Pending::Guess(denied, wait) => {
            tokio::time::sleep(wait).await;
            Err(denied.into())
        }
        // It has been looked for.
        Pending::Key { .. } => Err(Denied::Token(BadToken::NoKey).into()),
    }
}
