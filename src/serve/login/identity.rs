//! Who a client is by its login: a name, and claims that policies and message rules can ask for.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::policy::{
    CertificateField, CertificateLogin, ForwardAuth, LoggedIn, LoginRule, USERS, certificate_claims,
};
use crate::token::claims::Claims;
use crate::token::issuer::{Tag, Verified};

/// Logins have no expiry of their own: a second of the year 2106.
const NEVER: u32 = u32::MAX;

/// Headers that are the user's groups, the first of them that is there.
const GROUPS: [&str; 3] = [
    "remote-groups",
    "x-auth-request-groups",
    "x-authentik-groups",
];

/// Claims that have a type, which no header can have.
const TYPED: [&str; 7] = ["exp", "nbf", "iat", "iss", "sub", "aud", "jti"];

/// A user of a file of passwords.
pub(super) fn of_name(rule: &Arc<LoginRule>, name: &str, tag: Tag) -> Option<LoggedIn> {
    new(rule, Map::new(), Some(name), tag)
}

/// A client with a certificate.
pub(super) fn of_certificate(
    rule: &Arc<LoginRule>,
    shown: CertificateLogin,
    tag: Tag,
) -> Option<LoggedIn> {
    let facts = &shown.facts;
    let claims = certificate_claims(facts);
    let user = facts.user();
    let user = (!user.is_empty()).then_some(&*user);
    let mut login = new(rule, claims, user, tag)?;
    let headers = rule.certificate().map_or(&[][..], |rule| &rule.headers);
    // A name with control characters cannot be in a header.
    let header = |(name, field): &(HeaderName, CertificateField)| {
        let value = HeaderValue::from_bytes(field.of(facts).as_bytes()).ok()?;
        Some((name.clone(), value))
    };
    login.headers = headers.iter().filter_map(header).collect();
    login.certificate = Some(shown);
    Some(login)
}

/// A client of which the service has said this.
pub(super) fn of_answer(
    rule: &Arc<LoginRule>,
    service: &ForwardAuth,
    answer: &HeaderMap,
    tag: Tag,
) -> Option<LoggedIn> {
    let mut claims = Map::new();
    for name in &service.copy_headers {
        if let Some(value) = claim(name.as_str(), answer)
            && !TYPED.contains(&name.as_str())
        {
            claims.insert(name.as_str().to_owned(), value);
        }
    }
    if let Some(groups) = GROUPS.iter().find_map(|name| claim(name, answer)) {
        claims.insert("groups".to_owned(), groups);
    }
    let text = |name: &HeaderName| text(answer.get(name)?);
    let user = match &service.subject {
        Some(name) => text(name),
        None => USERS.iter().find_map(text),
    };
    let mut login = new(rule, claims, user, tag)?;
    let copied = service.copy_headers.iter();
    login.headers = copied
        .flat_map(|name| answer.get_all(name).iter().map(move |value| (name, value)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Some(login)
}

fn text(value: &HeaderValue) -> Option<&str> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?.trim();
    (!text.is_empty()).then_some(text)
}

/// A header of the answer as a claim. Groups and roles are a list; elsewhere a comma may be part of
/// a name.
fn claim(name: &str, answer: &HeaderMap) -> Option<Value> {
    let values = answer.get_all(name).iter().filter_map(text);
    let is_list = ["groups", "roles", "entitlements"]
        .iter()
        .any(|kind| name.ends_with(kind));
    if is_list {
        let each = values
            .flat_map(|text| text.split([',', '|']))
            .map(str::trim);
        let each: Vec<Value> = each
            .filter(|one| !one.is_empty())
            .map(Value::from)
            .collect();
        return (!each.is_empty()).then_some(Value::Array(each));
    }
    let mut values = values;
    let value = values.next()?;
    values.next().is_none().then(|| Value::from(value))
}

fn new(
    rule: &Arc<LoginRule>,
    mut claims: Map<String, Value>,
    user: Option<&str>,
    tag: Tag,
) -> Option<LoggedIn> {
    claims.insert("exp".to_owned(), NEVER.into());
    if let Some(user) = user {
        claims.insert("sub".to_owned(), user.into());
    }
    let claims = Claims::parse(Value::Object(claims).to_string().as_bytes()).ok()?;
    let verified = Verified {
        issuer: Arc::clone(&rule.name),
        key: Default::default(),
        claims,
        tag,
    };
    Some(LoggedIn::new(rule, verified))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_a_list_and_names_are_not() {
        let mut answer = HeaderMap::new();
        for (name, value) in [
            ("remote-groups", "ops, dev"),
            ("x-authentik-groups", "a|b"),
            ("remote-name", "Lovelace, Ada"),
            ("x-twice", "a"),
            ("x-twice", "b"),
            ("x-empty", " "),
        ] {
            answer.append(name, HeaderValue::from_static(value));
        }
        for (name, want) in [
            ("remote-groups", r#"["ops","dev"]"#),
            ("x-authentik-groups", r#"["a","b"]"#),
            ("remote-name", r#""Lovelace, Ada""#),
            ("x-twice", ""),
            ("x-empty", ""),
            ("x-none", ""),
        ] {
            let claim = claim(name, &answer);
            let claim = claim.map(|claim| claim.to_string()).unwrap_or_default();
            assert_eq!(claim, want, "{name}");
        }
    }
}
