//! Explains, rule by rule, why a policy would admit a token or not.

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use ianitor::addr::ClientAddr;
use ianitor::clock::UnixTime;
use ianitor::policy::{
    AcceptedIssuer, Conditions, Denied, Facts, Networks, Policy, Requirement, Rule, Token,
    TokenRule,
};
use ianitor::token::claims::Claims;
use ianitor::token::issuer::{Audience, Issuer, Verified};
use ianitor::token::jws::{self, Parts};
use ianitor::token::{ALGORITHMS, Algorithm, BadToken};

use super::keys::KeyFetches;

/// A request to explain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'q> {
    /// The policy.
    pub(super) policy: &'q Policy,
    /// The gateway's issuers, with their keys.
    pub(super) issuers: &'q [Arc<Issuer>],
    /// What came of fetching the keys that are published.
    pub(super) fetches: &'q KeyFetches,
    /// The token as a client sends it; `None` for a client without one.
    pub(super) token: Option<&'q str>,
    /// The address of the client.
    pub(super) client: ClientAddr,
    /// The time of the request.
    pub(super) now: UnixTime,
}

/// The explanation: a line for each rule, and whether the request would be admitted.
#[derive(Debug)]
pub(super) struct Inspection {
    /// Aligned text with a newline at its end.
    pub(super) text: String,
    /// Whether the request would be admitted.
    pub(super) passes: bool,
}

/// Explains how the policy decides.
pub(super) fn inspect(question: &Question<'_>) -> Inspection {
    let mut report = Report::default();
    let Rule::Conditions(conditions) = question.policy.rule() else {
        report.rule(true, "the policy lets everybody in");
        return report.end(Ok(()));
    };
    report.addresses(conditions, question.client);
    let (Some(rule), Some(token)) = (question.policy.token_rule(), question.token) else {
        let token = if question.token.is_some() {
            "the policy takes no tokens"
        } else {
            "there is no token"
        };
        report.note(token);
        return report.end(question.decide(Token::None));
    };
    let parts = match jws::split(token) {
        Ok(parts) => parts,
        Err(why) => {
            report.rule(false, &format!("the token's form: {why}"));
            return report.end(question.decide(Token::Bad(why)));
        }
    };
    report.shows(&parts);
    let found = rule
        .issuers
        .iter()
        .map(|accepted| report.issuer(accepted, &parts, question))
        .collect::<Vec<_>>();
    let token = match signer(&found, question.now) {
        Ok((issuer, verified)) => {
            report.claims(rule, &verified.claims);
            Token::Signed(issuer, verified)
        }
        Err(why) => Token::Bad(why),
    };
    report.end(question.decide(token))
}

/// An issuer that signed the token, and the token as it has verified it; or why it did not.
type Verification = Result<(Arc<Issuer>, Rc<Verified>), BadToken>;

/// Of several issuers, the one that the gateway would choose: one that accepts the token now. If
/// none signed it, the reason that says most.
fn signer(found: &[Verification], now: UnixTime) -> Result<&(Arc<Issuer>, Rc<Verified>), BadToken> {
    let mut signers = found.iter().flatten();
    let accepts = |(issuer, verified): &&(Arc<Issuer>, Rc<Verified>)| {
        issuer.judge(&verified.claims, now).is_ok()
    };
    if let Some(signer) = signers.clone().find(accepts).or_else(|| signers.next()) {
        return Ok(signer);
    }
    let rank = |why: &BadToken| match why {
        BadToken::KeysUnavailable => 2,
        BadToken::Algorithm | BadToken::NoKey => 0,
        _ => 1,
    };
    let reasons = found.iter().filter_map(|verdict| verdict.as_ref().err());
    // Of equals, the first.
    let why = reasons.copied().rev().max_by_key(rank);
    Err(why.unwrap_or(BadToken::Issuer))
}

impl Question<'_> {
    fn decide(&self, token: Token<'_>) -> Result<(), Denied> {
        self.policy
            .authorize(&Facts {
                client: self.client,
                now: self.now,
                token,
            })
            .map(drop)
    }
}

#[derive(Debug, Default)]
struct Report(String);

impl Report {
    fn rule(&mut self, is_met: bool, what: &str) {
        self.line(if is_met { "ok" } else { "no" }, what);
    }

    /// A rule with its outcome: `ok`, `no`, or `?` if it could not be decided.
    fn line(&mut self, outcome: &str, what: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "  {outcome:<4}{what}");
    }

    fn note(&mut self, what: &str) {
        let _ = writeln!(self.0, "{what}");
    }

    fn end(mut self, decision: Result<(), Denied>) -> Inspection {
        let passes = decision.is_ok();
        match decision {
            Ok(()) => self.note("would pass"),
            Err(Denied::Token(BadToken::KeysUnavailable)) => {
                self.note("cannot be decided without the issuer's keys");
            }
            Err(why) => self.note(&format!("would be refused: {why}")),
        }
        Inspection {
            text: self.0,
            passes,
        }
    }

    fn addresses(&mut self, Conditions { deny, requirement }: &Conditions, client: ClientAddr) {
        if let Some(deny) = deny {
            self.rule(
                !deny.contains(client),
                &format!("address {client} is not in deny ({deny})"),
            );
        }
        let mut allow = |nets: &Networks, and: &str| {
            self.rule(
                nets.contains(client),
                &format!("address {client} is in allow ({nets}){and}"),
            );
        };
        match requirement {
            Requirement::Address(nets) => allow(nets, ""),
            Requirement::Either(nets, _) => allow(nets, ", or a token"),
            Requirement::Both(nets, _) => allow(nets, ", and a token"),
            Requirement::Token(_) | Requirement::Login => {}
        }
    }

    fn shows(&mut self, parts: &Parts<'_>) {
        let kid = parts
            .kid
            .as_deref()
            .map_or("no kid".to_owned(), |kid| format!("kid {kid:?}"));
        self.note(&format!("token signed by {}, {kid}", name(parts.algorithm)));
        if let Ok(claims) = ianitor::json::parse_object(&parts.payload) {
            self.note(&format!("claims {}", serde_json::Value::Object(claims)));
        }
    }

    fn issuer(
        &mut self,
        accepted: &AcceptedIssuer,
        parts: &Parts<'_>,
        question: &Question<'_>,
    ) -> Verification {
        let issuer = &question.issuers[accepted.id.0];
        self.note(&format!("issuer {}", accepted.name));
        let spec = &issuer.spec;
        let names: Vec<&str> = spec.algorithms.iter().map(|one| name(*one)).collect();
        self.rule(
            spec.algorithms.contains(&parts.algorithm),
            &format!("algorithm is {}", names.join(" or ")),
        );
        match question.fetches.of(accepted.id) {
            Some(Ok(found)) => self.line("ok", found),
            Some(Err(why)) => self.line("?", why),
            None => {}
        }
        let (key, claims) = match issuer.verify(parts, &issuer.key_set()) {
            Ok(verified) => verified,
            Err(BadToken::KeysUnavailable) => {
                self.line("?", "signature");
                return Err(BadToken::KeysUnavailable);
            }
            Err(why) => {
                self.rule(false, &format!("signature and form: {why}"));
                return Err(why);
            }
        };
        self.rule(true, "signature");
        for (why, is_met) in issuer.checks(&claims, question.now) {
            self.rule(is_met, &words(why, issuer, &claims, question.now));
        }
        let verified = Verified {
            issuer: Arc::clone(&spec.name),
            key,
            claims,
            tag: Default::default(),
        };
        Ok((Arc::clone(issuer), Rc::new(verified)))
    }

    fn claims(&mut self, rule: &TokenRule, claims: &Claims) {
        for wanted in &rule.claims {
            let has = claims
                .find(&wanted.path)
                .map_or("it has none".to_owned(), |value| format!("it has {value}"));
            self.rule(wanted.is_met(claims), &format!("claim {wanted}: {has}"));
        }
    }
}

/// A check in words, with the token's value.
fn words(check: BadToken, issuer: &Issuer, claims: &Claims, now: UnixTime) -> String {
    let spec = &issuer.spec;
    let value = |name: &str| {
        claims
            .find(name)
            .map_or("nothing".to_owned(), ToString::to_string)
    };
    match check {
        BadToken::Issuer => match spec.issuers.as_deref() {
            Some([wanted]) => format!("iss is \"{wanted}\": it is {}", value("iss")),
            Some(ours) => format!("iss is one of {ours:?}: it is {}", value("iss")),
            None => "iss may be anything".to_owned(),
        },
        BadToken::Audience => match &spec.audience {
            Audience::Any => "aud may be anything".to_owned(),
            Audience::OneOf(ours) => format!("aud has one of {ours:?}: it is {}", value("aud")),
        },
        BadToken::Expired => {
            let left = claims
                .exp
                .0
                .cast_signed()
                .saturating_sub(now.0.cast_signed());
            format!(
                "exp is not over: {} ({left} s from now, leeway {:?})",
                claims.exp, spec.leeway
            )
        }
        BadToken::NotYet => match claims.nbf {
            Some(nbf) => format!("nbf has come: {nbf}"),
            None => "there is no nbf".to_owned(),
        },
        BadToken::Lifetime => format!("exp is within max_lifetime ({:?})", spec.max_lifetime),
        BadToken::Revoked => "neither jti nor sub is revoked".to_owned(),
        other => other.to_string(),
    }
}

fn name(algorithm: Algorithm) -> &'static str {
    ALGORITHMS
        .iter()
        .find(|(_, known)| *known == algorithm)
        .map_or("unknown", |(name, _)| name)
}
