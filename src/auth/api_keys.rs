//! API keys: a wrong one counts as a forged token does.

use super::context::{Context, Failure};
use crate::policy::{ApiKeys, Denied, Permit};

/// Checks the keys that a request presents. A right key is accepted whatever other clients behind
/// the same address have sent. Keys that are short enough to be guessed (`is_guessable`) are the
/// exception: once the client is over its limit they are not tried.
///
/// # Errors
/// If a key is wrong, or two differ.
pub async fn check_api_keys<'k>(
    context: &Context<'_>,
    keys: &ApiKeys,
    presented: impl IntoIterator<Item = &'k str>,
    is_guessable: bool,
) -> Result<Permit, Failure> {
    let too_many = context.too_many();
    let verdict = if is_guessable && too_many.is_some() {
        Err(Denied::ApiKey)
    } else {
        keys.authorize(presented)
    };
    match verdict {
        Ok(permit) => Ok(permit),
        Err(denied) => Err(context.forged(denied, too_many).await),
    }
}
