//! The claims of a token, and what is known about its signature without asking for keys.

use ianitor::clock::UnixTime;
use ianitor::config::Config;
use ianitor::policy::Policy;
use ianitor::token::claims::Claims;
use ianitor::token::issuer::Issuer;
use ianitor::token::jws::{self, Parts};
use ianitor::token::{self, BadToken};

use crate::cli::output::{CliError, EXIT_CONFIG, EXIT_USAGE};

/// What is known about a token without asking for keys.
pub(crate) struct Offline {
    /// The claims that messages are judged by; `None` if the policy takes no tokens.
    pub(crate) claims: Option<Claims>,
    /// What there is to say about it, or why the policy would not admit it.
    pub(crate) verdict: Result<String, String>,
}

/// The claims, and whether the policy would admit the token.
///
/// # Errors
/// That it is no token, or the issuers' files cannot be read.
pub(crate) fn offline(token: &str, config: &Config, policy: &Policy) -> Result<Offline, CliError> {
    let token = token.trim_start_matches("Bearer ").trim();
    let usage = |why: BadToken| (EXIT_USAGE, format!("the token: {why}"));
    let parts = jws::split(token).map_err(usage)?;
    let claims = Claims::parse(&parts.payload).map_err(usage)?;
    let issuers = token::load::load_all(&config.issuers).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        (EXIT_CONFIG, lines.join("\n"))
    })?;
    let Some(rule) = policy.token_rule() else {
        return Ok(Offline {
            claims: None,
            verdict: Ok("the policy takes none, so that it does not count".to_owned()),
        });
    };
    let accepted = rule.issuers.iter().map(|accepted| &*issuers[accepted.id.0]);
    let missing = rule.claims.iter().find(|wanted| !wanted.is_met(&claims));
    let judged = |issuer: &Issuer| match (issuer.judge(&claims, UnixTime::now()), missing) {
        (Err(why), _) => Err(why.to_string()),
        (Ok(()), Some(wanted)) => Err(format!("it has no claim {wanted}")),
        (Ok(()), None) => Ok(()),
    };
    let verdict = match signer(accepted.clone(), &parts) {
        Ok(issuer) => judged(issuer).map(|()| format!("signed by {}, and valid", issuer.spec.name)),
        Err(BadToken::KeysUnavailable) => {
            // One that accepts it otherwise is enough.
            let verdicts: Vec<_> = accepted.map(judged).collect();
            let accepts = verdicts.iter().any(Result::is_ok);
            match verdicts.into_iter().find_map(Result::err) {
                Some(why) if !accepts => Err(why),
                _ => Ok(
                    "its signature was not verified, because the keys of its issuer are \
                         published; `ianitor token inspect` fetches them"
                        .to_owned(),
                ),
            }
        }
        Err(why) => Err(why.to_string()),
    };
    Ok(Offline {
        claims: Some(claims),
        verdict,
    })
}

/// The issuer that has signed it, as far as keys are here.
fn signer<'i>(
    issuers: impl Iterator<Item = &'i Issuer>,
    parts: &Parts<'_>,
) -> Result<&'i Issuer, BadToken> {
    let mut reason = BadToken::Issuer;
    for issuer in issuers {
        match issuer.verify(parts, &issuer.key_set()) {
            Ok(_) => return Ok(issuer),
            Err(why) if reason != BadToken::KeysUnavailable => reason = why,
            Err(_) => {}
        }
    }
    Err(reason)
}
