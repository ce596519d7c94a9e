//! The claims of a token, and what is known about its signature without asking for keys.

use ianitor::clock::UnixTime;
use ianitor::config::Config;
use ianitor::policy::Policy;
use ianitor::token::claims::Claims;
use ianitor::token::issuer::Issuer;
use ianitor::token::jws::{self, Parts};
use ianitor::token::{self, BadToken};

use crate::cli::output::{CliError, EXIT_CONFIG, EXIT_USAGE};

/// The claims, and whether the policy would admit the token, in words.
///
/// # Errors
/// That it is no token, or the issuers' files cannot be read.
pub(crate) fn offline(
    token: &str,
    config: &Config,
    policy: &Policy,
) -> Result<(Claims, String), CliError> {
    let token = token.trim_start_matches("Bearer ").trim();
    let usage = |why: BadToken| (EXIT_USAGE, format!("the token: {why}"));
    let parts = jws::split(token).map_err(usage)?;
    let claims = Claims::parse(&parts.payload).map_err(usage)?;
    let issuers = token::load::load_all(&config.issuers).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        (EXIT_CONFIG, lines.join("\n"))
    })?;
    let Some(rule) = policy.token_rule() else {
        return Ok((claims, "the policy takes no tokens".to_owned()));
    };
    let accepted = rule.issuers.iter().map(|accepted| &*issuers[accepted.id.0]);
    let note = match signer(accepted, &parts) {
        Ok(issuer) => {
            let missing = rule.claims.iter().find(|wanted| !wanted.is_met(&claims));
            match (issuer.judge(&claims, UnixTime::now()), missing) {
                (Err(why), _) => Err(why.to_string()),
                (Ok(()), Some(wanted)) => Err(format!("it has no claim {wanted}")),
                (Ok(()), None) => Ok(&issuer.spec.name),
            }
        }
        Err(BadToken::KeysUnavailable) => Err("its signature was not verified, because the keys \
                                               of its issuer are published; `ianitor token \
                                               inspect` fetches them"
            .to_owned()),
        Err(why) => Err(why.to_string()),
    };
    let note = match note {
        Ok(issuer) => format!("signed by {issuer}, and valid"),
        Err(why) => format!("{why}; its claims are taken as they are"),
    };
    Ok((claims, note))
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
