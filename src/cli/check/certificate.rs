//! Whether a policy would admit the client of a certificate, and its claims.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use ianitor::clock::{self, UnixTime};
use ianitor::config::Config;
use ianitor::policy::{Policy, certificate_claims};
use ianitor::telemetry::Chain;
use ianitor::tls::{CertFacts, ClientAuthority, ClientCertificate, Date};
use ianitor::token::claims::Claims;

use crate::cli::output::{CliError, EXIT_CONFIG, EXIT_USAGE};

/// The claims that messages are judged by, and what there is to say of the certificate, or why the
/// policy would not admit it.
pub(super) type Offline = (Option<Claims>, Result<String, String>);

/// Judges a certificate as a handshake would show it.
///
/// # Errors
/// That the file has none, or that the files of `[tls]` cannot be read.
pub(super) fn offline(file: &Path, config: &Config, policy: &Policy) -> Result<Offline, CliError> {
    let usage = |why: String| (EXIT_USAGE, format!("{} {why}", file.display()));
    let shown = ClientCertificate::read(file).map_err(|why| usage(Chain(&why).to_string()))?;
    let facts = shown
        .facts()
        .map_err(|why| usage(format!("is no use: {why}")))?;
    let Some(spec) = &config.tls.client_auth else {
        return Ok((None, Err("there is no tls.client_ca".to_owned())));
    };
    let (authority, _) = ClientAuthority::load(spec, clock::wall()).map_err(|errors| {
        let lines: Vec<String> = errors
            .iter()
            .map(|error| Chain(error).to_string())
            .collect();
        (EXIT_CONFIG, lines.join("\n"))
    })?;
    let Some(claims) = claims(&facts) else {
        return Err(usage("is no use: its names cannot be claims".to_owned()));
    };
    let verdict = match authority.verify(&shown, UnixTime::now()) {
        Err(why) => Err(why.to_string()),
        Ok(_) => admits(policy, &facts, &claims),
    };
    Ok((Some(claims), verdict))
}

fn admits(policy: &Policy, facts: &CertFacts, claims: &Claims) -> Result<String, String> {
    let login = policy.login();
    let (Some(login), Some(rule)) = (login, login.and_then(|login| login.certificate())) else {
        return Err("the policy asks for no certificate".to_owned());
    };
    if !rule.admits(facts) {
        let wanted = rule.to_string();
        return Err(format!("it is that of {}, and not {wanted}", facts.subject));
    }
    if let Some(wanted) = login.claims.iter().find(|wanted| !wanted.is_met(claims)) {
        return Err(format!("it has no claim {wanted}"));
    }
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(facts.not_after.0);
    Ok(format!("{}, valid until {}", facts.subject, Date(until)))
}

fn claims(facts: &CertFacts) -> Option<Claims> {
    let mut claims = certificate_claims(facts);
    claims.insert("exp".to_owned(), u32::MAX.into());
    claims.insert("sub".to_owned(), facts.user().into());
    Claims::parse(Value::Object(claims).to_string().as_bytes()).ok()
}
