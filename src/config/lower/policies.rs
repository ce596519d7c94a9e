//! `[policies]`: rules about several of their keys.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::claims::claim_rules;
use super::issuers::NamedIssuer;
use super::login::Login;
use super::messages::{self, Clients, Judged, Written};
use super::satisfy;
use super::{note_empty, note_twice};
use crate::addr::Network;
use crate::config::diagnostics::Diagnostics;
use crate::config::everybody;
use crate::config::problem::{Place, Spanned};
use crate::config::read::{List, Named, valid};
use crate::config::suggest;
use crate::config::tables::RawPolicy;
use crate::config::values::{OnExpiryWord, Satisfy};
use crate::policy::{
    AcceptedIssuer, Conditions, IssuerId, Networks, OnExpiry, Policy, Requirement, Rule, TokenRule,
};
use crate::route::upstream::UpstreamSpec;
use crate::token::claims::ClaimRule;
use crate::token::issuer::IssuerSpec;
use crate::token::location::Source;

/// An entry of `[policies]`. Routes can refer to it even if it is invalid.
pub(super) struct NamedPolicy {
    pub(super) name: Spanned<String>,
    pub(super) policy: Option<Arc<Policy>>,
    pub(super) lets_everybody_in: bool,
    /// What it says about messages, if it judges them.
    pub(super) judged: Option<Judged>,
    /// Where it says that tokens are renewed by messages, if it does.
    pub(super) renew_in_band: Option<Place>,
    login: Option<Login>,
}

/// The upstreams by which services of `forward_auth` are asked.
pub(super) fn services(policies: &[NamedPolicy]) -> impl Iterator<Item = Arc<UpstreamSpec>> {
    let logins = policies.iter().filter_map(|policy| policy.login.as_ref());
    logins.filter_map(|login| login.upstream.clone())
}

/// The policies with a login, by their names.
pub(super) fn logins(policies: &[NamedPolicy]) -> impl Iterator<Item = (&str, &Login)> {
    let login = |policy: &'_ NamedPolicy| policy.login.is_some();
    let policies = policies.iter().filter(move |policy| login(policy));
    policies.filter_map(|policy| Some((&*policy.name.value, policy.login.as_ref()?)))
}

/// Where policies with a login by certificate say so.
pub(super) fn certificates(policies: &[NamedPolicy]) -> impl Iterator<Item = &Place> {
    let logins = logins(policies).map(|(_, login)| login);
    logins
        .filter(|login| login.expires())
        .map(|login| &login.place)
}

pub(super) fn lower(
    raw: Named<RawPolicy>,
    issuers: &[NamedIssuer],
    folder: &Path,
    diag: &Diagnostics<'_>,
) -> Vec<NamedPolicy> {
    note_unused(&raw, issuers, diag);
    let policy = |(name, raw): (Spanned<String>, Option<RawPolicy>)| {
        if name.value == Policy::OPEN {
            diag.problem(
                &name.place,
                "this name is built in, for the policy that lets everybody pass; take another",
            );
        }
        let (mut raw, mut judged) = (raw, None);
        let (mut renew_in_band, mut login) = (None, None);
        let has_login = raw.as_ref().is_some_and(RawPolicy::has_login);
        if let Some(raw) = &mut raw {
            judged = judged_messages(raw, diag);
            renew_in_band = in_band(raw).filter(|_| raw.issuers.is_some()).cloned();
            login = Login::take(raw, &name.value, folder, diag);
        }
        let expires = login.as_ref().is_some_and(Login::expires);
        let on_expiry = raw.as_ref().map(|raw| on_expiry(raw, expires, diag));
        if let (Some(login), Some(on_expiry)) = (&mut login, on_expiry) {
            login.set_on_expiry(on_expiry);
        }
        let claims = claims(raw.as_mut(), login.as_ref(), diag);
        let is_any = raw.as_ref().is_some_and(is_any);
        let conditions = raw.and_then(|raw| {
            let place = login.as_ref().map(|login| &login.place);
            let of_tokens = OfTokens {
                claims: claims.clone(),
                on_expiry: on_expiry.unwrap_or(OnExpiry::Keep),
            };
            conditions(raw, of_tokens, (has_login, place), issuers, diag)
        });
        let lets_everybody_in = conditions.as_ref().is_some_and(|(_, everybody)| *everybody);
        let policy = conditions.map(|(rule, _)| {
            let is_enough = is_any || !matches!(rule.requirement, Requirement::Address(_));
            let login = login.as_ref();
            let login = login.map(|login| login.rule(&name.value, claims, is_enough));
            let policy = Policy::new(&name.value, Rule::Conditions(rule)).with_login(login);
            Arc::new(match &judged {
                Some(judged) => {
                    let rules = judged.rules.clone();
                    policy.with_messages(rules.with_renewal_in_band(renew_in_band.is_some()))
                }
                None => policy,
            })
        });
        NamedPolicy {
            name,
            policy,
            lets_everybody_in,
            judged,
            renew_in_band,
            login,
        }
    };
    raw.into_iter().map(policy).collect()
}

/// What the policy says about messages, which is taken out of it.
fn judged_messages(raw: &mut RawPolicy, diag: &Diagnostics<'_>) -> Option<Judged> {
    let written = Written {
        presets: raw.messages.take(),
        rules: raw.rules.take(),
        uris: raw.uris.take(),
    };
    let is_any = is_any(raw);
    let have_tokens = raw.issuers.is_some() || raw.has_login();
    let clients = Clients {
        have_tokens,
        may_have_none: is_optional(raw) || (raw.allow.is_some() && (is_any || !have_tokens)),
    };
    messages::lower(written, clients, diag)
}

fn is_any(raw: &RawPolicy) -> bool {
    let satisfy = raw.satisfy.as_ref();
    satisfy.is_some_and(|satisfy| satisfy.value == Satisfy::Any)
}

/// The claims that a policy asks for, which are taken out of it, unless nothing could have any.
fn claims(
    raw: Option<&mut RawPolicy>,
    login: Option<&Login>,
    diag: &Diagnostics<'_>,
) -> Box<[ClaimRule]> {
    let Some(raw) = raw.filter(|raw| raw.issuers.is_some() || login.is_some()) else {
        return Box::default();
    };
    let claims = raw.claims.take().map(|claims| claims.value);
    let claims = claims.unwrap_or_default();
    if let Some(login) = login.filter(|_| raw.issuers.is_none()) {
        let names = claims.iter();
        login.note_claims(names.map(|(name, wanted)| (&**name, &wanted.place)), diag);
    }
    claim_rules(claims)
}

/// Where a policy says that tokens are renewed by messages, if it does.
fn in_band(raw: &RawPolicy) -> Option<&Place> {
    let written = raw.renew_in_band.as_ref()?;
    written.value.then_some(&written.place)
}

fn note_unused(raw: &Named<RawPolicy>, issuers: &[NamedIssuer], diag: &Diagnostics<'_>) {
    let named = raw
        .iter()
        .filter_map(|(_, policy)| policy.as_ref()?.issuers.as_ref());
    let used: Vec<&str> = named
        .flat_map(|list| list.value.iter().flatten())
        .map(|name| name.value.as_str())
        .collect();
    for issuer in issuers
        .iter()
        .filter(|issuer| !used.contains(&issuer.name.value.as_str()))
    {
        diag.warning(&issuer.name.place, "no policy names this issuer");
    }
}

/// What a policy says of tokens, beside their issuers.
struct OfTokens {
    claims: Box<[ClaimRule]>,
    on_expiry: OnExpiry,
}

/// The conditions, and whether every client meets them.
fn conditions(
    raw: RawPolicy,
    of_tokens: OfTokens,
    (has_login, login): (bool, Option<&Place>),
    issuers: &[NamedIssuer],
    diag: &Diagnostics<'_>,
) -> Option<(Conditions, bool)> {
    note_what_needs_a_token(&raw, diag);
    let is_optional = is_optional(&raw);
    let deny = raw.deny.map(|deny| lower_deny(deny, diag));
    let has_token = raw.issuers.is_some();
    let allow = raw
        .allow
        .map(|allow| lower_allow(allow, deny.as_deref().unwrap_or_default(), diag));
    let everybody = allow
        .as_ref()
        .is_some_and(|nets| !everybody::on_the_internet(nets).is_empty());
    let token = raw.issuers.map(|names| {
        let rule = token_rule(names, of_tokens, issuers, diag)?;
        Some(TokenRule {
            is_optional,
            ..rule
        })
    });
    let written = satisfy::Written {
        satisfy: raw.satisfy.as_ref(),
        optional: raw.optional.as_ref().filter(|_| is_optional),
        allow: allow.as_deref(),
        has_token,
        has_login,
        login,
        everybody,
    };
    let any = written.lower(diag);
    let networks = |nets: Option<Vec<Spanned<Network>>>| {
        Networks::new(
            nets.unwrap_or_default()
                .into_iter()
                .map(|net| net.value)
                .collect(),
        )
    };
    let by_address = everybody || allow.is_none();
    let everybody = match has_token || has_login {
        true => (everybody && any == Some(Satisfy::Any)) || (by_address && is_optional),
        false => everybody,
    };
    let requirement = match (networks(allow), token, any) {
        (None, None, _) if has_login => Requirement::Login,
        (Some(allow), None, _) => Requirement::Address(allow),
        (None, Some(token), _) => Requirement::Token(token?),
        (Some(allow), Some(token), Some(Satisfy::Any)) => Requirement::Either(allow, token?),
        (Some(allow), Some(token), Some(Satisfy::All)) => Requirement::Both(allow, token?),
        (Some(_), Some(_), None) | (None, None, _) => return None,
    };
    Some((
        Conditions {
            deny: networks(deny),
            requirement,
        },
        everybody,
    ))
}

const NO_TOKENS: &str = "is about tokens, and the policy takes none; write issuers, or take it out";

/// Whether a client may have no token.
fn is_optional(raw: &RawPolicy) -> bool {
    let optional = raw.optional.as_ref();
    raw.issuers.is_some() && optional.is_some_and(|optional| optional.value)
}

fn note_what_needs_a_token(raw: &RawPolicy, diag: &Diagnostics<'_>) {
    if raw.issuers.is_some() {
        return;
    }
    let claims = raw.claims.as_ref().map(|claims| &claims.place);
    let optional = raw.optional.as_ref().map(|optional| &optional.place);
    let renewal = in_band(raw);
    let places = [claims, optional, renewal];
    for place in places.into_iter().flatten() {
        diag.problem(place, NO_TOKENS);
    }
}

fn lower_deny(deny: Spanned<List<Network>>, diag: &Diagnostics<'_>) -> Vec<Spanned<Network>> {
    note_empty(
        &deny.value,
        &deny.place,
        "denies no address; leave it out",
        diag,
    );
    let networks = valid(deny.value);
    note_twice(&networks, diag);
    for all in everybody::at_all(&networks) {
        diag.problem(
            all.place,
            format!("{all} denies every address, so that no client would ever pass"),
        );
    }
    networks
}

fn lower_allow(
    allow: Spanned<List<Network>>,
    deny: &[Spanned<Network>],
    diag: &Diagnostics<'_>,
) -> Vec<Spanned<Network>> {
    let text = "would let no client in; write the networks, or leave the policy out";
    note_empty(&allow.value, &allow.place, text, diag);
    let networks = valid(allow.value);
    note_twice(&networks, diag);
    let everybody = everybody::on_the_internet(&networks);
    let listed: HashSet<Network> = networks.iter().map(|net| net.value).collect();
    let denied: HashSet<Network> = deny.iter().map(|net| net.value).collect();
    for net in &networks {
        let wider = net.value.wider().find(|wider| listed.contains(wider));
        let mut and_wider = std::iter::once(net.value).chain(net.value.wider());
        if let Some(denied) = and_wider.find(|net| denied.contains(net)) {
            let text = format!(
                "{} lies in {denied}, which is denied first, and so lets no client in",
                net.value
            );
            diag.problem(&net.place, text);
        } else if let Some(everybody) = everybody
            .iter()
            .find(|found| std::ptr::eq(found.place, &net.place))
        {
            let text = format!(
                "{everybody} lets everybody in; say policy = \"open\" in the route if you mean it"
            );
            diag.warning(&net.place, text);
        } else if let Some(wider) = wider {
            diag.warning(
                &net.place,
                format!("{} lies in {wider}, which is in the list too", net.value),
            );
        }
    }
    networks
}

/// What happens when a token has expired, or a login that `expires`.
fn on_expiry(raw: &RawPolicy, expires: bool, diag: &Diagnostics<'_>) -> OnExpiry {
    let (word, grace) = (raw.on_expiry.as_ref(), raw.expiry_grace.as_ref());
    if raw.issuers.is_none() && !expires {
        let (word, grace) = (
            word.map(|word| &word.place),
            grace.map(|grace| &grace.place),
        );
        for place in [word, grace].into_iter().flatten() {
            diag.problem(place, NO_TOKENS);
        }
        return OnExpiry::Keep;
    }
    match (word.map(|word| word.value), grace) {
        (Some(OnExpiryWord::Keep), Some(grace)) => {
            diag.problem(
                &grace.place,
                "is about tunnels that are closed, and on_expiry keeps them; take one out",
            );
            OnExpiry::Keep
        }
        (Some(OnExpiryWord::Keep), None) => OnExpiry::Keep,
        (_, grace) => OnExpiry::Close(grace.map_or(Duration::ZERO, |grace| grace.value)),
    }
}

/// `None` if the issuer is invalid, or unknown, which is a problem.
fn token_rule(
    names: Spanned<List<String>>,
    of_tokens: OfTokens,
    issuers: &[NamedIssuer],
    diag: &Diagnostics<'_>,
) -> Option<TokenRule> {
    note_empty(
        &names.value,
        &names.place,
        "takes no token; write a name from [issuers], or leave it out",
        diag,
    );
    let names = valid(names.value);
    note_twice(&names, diag);
    let found: Vec<Option<(IssuerId, &Arc<IssuerSpec>)>> = names
        .iter()
        .map(|name| find_issuer(name, issuers, diag))
        .collect();
    let found = found.into_iter().collect::<Option<Vec<_>>>()?;
    let mut sources: Vec<Source> = Vec::new();
    for source in found.iter().flat_map(|(_, spec)| &spec.sources) {
        if !sources.contains(source) {
            sources.push(source.clone());
        }
    }
    if sources.len() > 32 {
        diag.problem(
            &names.first()?.place,
            "its tokens may stand in more than 32 places; take some sources out",
        );
        return None;
    }
    let place = |source| {
        sources
            .iter()
            .position(|other| other == source)
            .map_or(0, |at| 1 << at)
    };
    let accepted = found.iter().map(|(id, spec)| AcceptedIssuer {
        id: *id,
        name: Arc::clone(&spec.name),
        places: spec
            .sources
            .iter()
            .map(place)
            .fold(0, std::ops::BitOr::bitor),
    });
    Some(TokenRule {
        issuers: accepted.collect(),
        claims: of_tokens.claims,
        on_expiry: of_tokens.on_expiry,
        is_optional: false,
        sources: sources.clone().into(),
    })
}

fn find_issuer<'i>(
    name: &Spanned<String>,
    issuers: &'i [NamedIssuer],
    diag: &Diagnostics<'_>,
) -> Option<(IssuerId, &'i Arc<IssuerSpec>)> {
    let Some(at) = issuers
        .iter()
        .position(|issuer| issuer.name.value == name.value)
    else {
        let known: Vec<&str> = issuers
            .iter()
            .map(|issuer| issuer.name.value.as_str())
            .collect();
        diag.problem(&name.place, suggest::unknown("issuer", &name.value, &known));
        return None;
    };
    issuers[at].spec.as_ref().map(|spec| (IssuerId(at), spec))
}
