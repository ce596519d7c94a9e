use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::addr::ClientAddr;
use crate::clock::UnixTime;
use crate::token::claims::{ClaimRule, Claims, Wanted};
use crate::token::issuer::{Audience, Issuer, IssuerSpec, KeySource, Keys, Verified};
use crate::token::keys::KeyPrint;
use crate::token::location::Source;
use crate::token::revoked::Revoked;
use crate::token::{Algorithm, BadToken};

const NOW: UnixTime = UnixTime(1_800_000_000);

fn networks(list: &[&str]) -> Networks {
    Networks::new(list.iter().map(|net| net.parse().unwrap()).collect()).unwrap()
}

fn policy(deny: Option<&[&str]>, requirement: Requirement) -> Policy {
    Policy::new(
        "operators",
        Rule::Conditions(Conditions {
            deny: deny.map(networks),
            requirement,
        }),
    )
}

fn client(ip: &str) -> ClientAddr {
    ClientAddr::new(ip.parse().unwrap())
}

fn decide(policy: &Policy, ip: &str, token: Token<'_>) -> Result<Permit, Denied> {
    policy.authorize(&Facts {
        client: client(ip),
        now: NOW,
        token,
    })
}

fn issuer(revoked: &str) -> Issuer {
    let spec = IssuerSpec {
        name: "staff".into(),
        algorithms: [Algorithm::RS256].into(),
        keys: KeySource::File("key.pem".into()),
        issuers: Some(["https://login.example.com".into()].into()),
        audience: Audience::OneOf(["ianitor".into()].into()),
        sources: [Source::Header].into(),
        leeway: Duration::from_secs(30),
        max_lifetime: Duration::from_secs(3600),
        revoked_file: None,
    };
    Issuer {
        spec: spec.into(),
        keys: Keys::Fixed(Arc::default()),
        revoked: Revoked::parse(revoked).unwrap(),
    }
}

fn verified(claims: &str) -> Rc<Verified> {
    let claims = Claims::parse(claims.as_bytes()).unwrap();
    Rc::new(Verified {
        issuer: "staff".into(),
        key: KeyPrint::default(),
        claims,
        tag: [0; 32],
    })
}

fn rule(on_expiry: OnExpiry) -> TokenRule {
    TokenRule {
        issuers: [AcceptedIssuer {
            id: IssuerId(0),
            name: "staff".into(),
            places: 1,
        }]
        .into(),
        sources: [Source::Header].into(),
        claims: [ClaimRule {
            path: "role".into(),
            one_of: [Wanted::Text("ops".into())].into(),
        }]
        .into(),
        on_expiry,
        is_optional: false,
    }
}

fn good(exp: u64, more: &str) -> Rc<Verified> {
    verified(&format!(
        r#"{{"exp":{exp},"iss":"https://login.example.com","aud":"ianitor","role":"ops"{more}}}"#
    ))
}

#[test]
fn an_allow_list_is_the_only_way_in() {
    let policy = policy(
        None,
        Requirement::Address(networks(&["127.0.0.1", "::1", "10.8.0.0/16"])),
    );
    for ip in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.8.255.255"] {
        assert!(decide(&policy, ip, Token::None).is_ok(), "{ip}");
    }
    for ip in [
        "127.0.0.2",
        "10.9.0.0",
        "::2",
        "::ffff:10.9.0.1",
        "2001:db8::1",
    ] {
        assert_eq!(
            decide(&policy, ip, Token::None).unwrap_err(),
            Denied::Address,
            "{ip}"
        );
    }
}

#[test]
fn no_list_means_nobody_by_accident() {
    assert_eq!(Networks::new(Vec::new()), None);
    assert!(
        decide(
            &Policy::new(Policy::OPEN, Rule::Open),
            "192.0.2.1",
            Token::None
        )
        .is_ok()
    );
}

#[test]
fn address_and_token_together() {
    let (issuer, token) = (issuer(""), good(NOW.0 + 60, ""));
    let signed = Token::Signed(&issuer, &token);
    let forged = Token::Bad(BadToken::Signature);
    let inside = || networks(&["10.0.0.0/8"]);
    let close = OnExpiry::Close(Duration::ZERO);
    let (either, both) = (
        Requirement::Either(inside(), rule(close)),
        Requirement::Both(inside(), rule(close)),
    );
    let alone = Requirement::Token(rule(close));
    for (requirement, ip, token, want) in [
        (&either, "10.1.1.1", Token::None, None),
        (&either, "10.1.1.1", forged, None),
        (&either, "192.0.2.1", signed, None),
        (&either, "192.0.2.1", Token::None, Some(Denied::NoToken)),
        (
            &either,
            "192.0.2.1",
            forged,
            Some(Denied::Token(BadToken::Signature)),
        ),
        (&both, "10.1.1.1", signed, None),
        (&both, "10.1.1.1", Token::None, Some(Denied::NoToken)),
        (&both, "192.0.2.1", signed, Some(Denied::Address)),
        (&alone, "192.0.2.1", signed, None),
        (&alone, "10.1.1.1", Token::None, Some(Denied::NoToken)),
        // Denied before anything else is asked.
        (&either, "10.66.0.1", signed, Some(Denied::Listed)),
        (&both, "10.66.0.1", signed, Some(Denied::Listed)),
        (&alone, "10.66.0.1", signed, Some(Denied::Listed)),
    ] {
        let policy = policy(Some(&["10.66.0.0/16"]), requirement.clone());
        assert_eq!(
            decide(&policy, ip, token).err(),
            want,
            "{requirement:?} {ip}"
        );
        // What needs no token is not looked for, and what is not looked for is not needed.
        if policy.asks_for_token(client(ip)).is_none() {
            assert_eq!(
                decide(&policy, ip, Token::None).err(),
                decide(&policy, ip, signed).err()
            );
        }
    }
}

#[test]
fn a_signed_token_is_judged_at_each_use() {
    let (requirement, issuer) = (Requirement::Token(rule(OnExpiry::Keep)), issuer("jti 7f3"));
    let policy = policy(None, requirement);
    let (now, token) = (NOW.0, |text: &str| verified(&format!("{{{text}}}")));
    let ours = r#""iss":"https://login.example.com","aud":["x","ianitor"],"role":["a","ops"]"#;
    for (token, want) in [
        (token(&format!(r#""exp":{},{ours}"#, now + 1)), None),
        (token(&format!(r#""exp":{},{ours}"#, now - 29)), None),
        (
            token(&format!(r#""exp":{},{ours}"#, now - 30)),
            Some(BadToken::Expired),
        ),
        (token(&format!(r#""exp":{},{ours}"#, now + 3630)), None),
        (
            token(&format!(r#""exp":{},{ours}"#, now + 3631)),
            Some(BadToken::Lifetime),
        ),
        (
            token(&format!(r#""exp":{},{ours}"#, u64::MAX)),
            Some(BadToken::Lifetime),
        ),
        (
            token(&format!(r#""exp":{},"nbf":{},{ours}"#, now + 60, now + 30)),
            None,
        ),
        (
            token(&format!(r#""exp":{},"nbf":{},{ours}"#, now + 60, now + 31)),
            Some(BadToken::NotYet),
        ),
        (
            token(&format!(r#""exp":{},"jti":"7f3",{ours}"#, now + 60)),
            Some(BadToken::Revoked),
        ),
        (good(now + 60, r#","sub":"7f3""#), None),
        (
            token(&format!(r#""exp":{},"aud":"ianitor""#, now + 60)),
            Some(BadToken::Issuer),
        ),
        (
            token(&format!(
                r#""exp":{},"iss":"https://login.example.com""#,
                now + 60
            )),
            Some(BadToken::Audience),
        ),
    ] {
        let got = decide(&policy, "192.0.2.1", Token::Signed(&issuer, &token)).err();
        assert_eq!(got, want.map(Denied::Token), "{:?}", token.claims);
    }
    let plain = verified(&format!(
        r#"{{"exp":{},"iss":"https://login.example.com","aud":"ianitor"}}"#,
        now + 1
    ));
    assert_eq!(
        decide(&policy, "192.0.2.1", Token::Signed(&issuer, &plain)).unwrap_err(),
        Denied::Claim(0)
    );
}

#[test]
fn another_issuers_token_is_none() {
    let policy = policy(None, Requirement::Token(rule(OnExpiry::Keep)));
    let mut other = issuer("");
    Arc::make_mut(&mut other.spec).name = "app".into();
    let token = good(NOW.0 + 60, "");
    let denied = decide(&policy, "192.0.2.1", Token::Signed(&other, &token)).unwrap_err();
    assert_eq!(denied, Denied::Token(BadToken::Issuer));
}

#[test]
fn a_permit_ends_when_no_request_would_be_admitted_any_more_and_the_grace_is_over() {
    let (issuer, leeway) = (issuer(""), 30);
    for (on_expiry, after) in [
        (OnExpiry::Close(Duration::ZERO), Some(0)),
        (OnExpiry::Close(Duration::from_secs(5)), Some(5)),
        (OnExpiry::Keep, None),
    ] {
        for exp in [NOW.0 + 60, NOW.0, NOW.0 - leeway + 1] {
            let (policy, token) = (
                policy(None, Requirement::Token(rule(on_expiry))),
                good(exp, ""),
            );
            let permit = decide(&policy, "192.0.2.1", Token::Signed(&issuer, &token)).unwrap();
            let end = after.map(|after| UnixTime(exp + leeway + after));
            assert_eq!(permit.ends(), end, "{on_expiry:?} {exp}");
            assert!(!permit.has_ended(NOW), "{on_expiry:?} {exp}");
            let is_in_grace = |now| permit.is_in_grace(UnixTime(now));
            assert!(!is_in_grace(exp + leeway - 1), "{on_expiry:?} {exp}");
            assert_eq!(is_in_grace(exp + leeway), after.is_some());
            assert!(
                end.is_none_or(|end| permit.has_ended(end)),
                "{on_expiry:?} {exp}"
            );
        }
    }
}
