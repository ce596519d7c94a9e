//! Who has a token passes, by whatever key and in whatever place it is, and the server behind never
//! sees it.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::harness::token::{self, HMAC, Keys, claims, forged, hmac, issuer, now, part};
use crate::harness::{Config, TestGateway, Upstream};

const POLICY: &str =
    "[policies.operators]\nissuers = [\"staff\"]\nclaims = { role = [\"ops\", \"admin\"] }\n";

fn config(upstream: &Upstream, more: &str) -> Config {
    let route = format!("policy = \"operators\"\n{more}");
    Config::new()
        .upstream("app", &upstream.url())
        .route_with("/", "app", &route)
        .table(HMAC)
        .table(POLICY)
}

fn good() -> String {
    token::token(json!({ "role": "ops" }))
}

fn bearer(token: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
}

#[test]
fn a_token_opens_and_nothing_else_does() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&config(&upstream, ""));
    let mut client = gateway.client();
    let refused = client.get("/x");
    assert_eq!(refused.status(), 401);
    assert_eq!(
        refused.head.get("www-authenticate"),
        Some("Bearer realm=\"ianitor\"")
    );
    let refused = client.ask(bearer(&token::token(json!({ "role": "guest" }))));
    assert_eq!(refused.status(), 403);
    assert_eq!(
        refused.head.get("www-authenticate"),
        Some("Bearer realm=\"ianitor\", error=\"insufficient_scope\"")
    );
    assert!(upstream.heads().is_empty());
    for _ in 0..3 {
        assert_eq!(client.ask(bearer(&good())).status(), 200);
    }
    let mut h2 = gateway.dial().h2();
    assert_eq!(h2.get("/x").status, 401);
    assert_eq!(h2.get(&format!("/x?token={}", good())).status, 200);
}

#[test]
fn the_server_behind_does_not_see_the_token() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&config(&upstream, ""));
    let t = good();
    let requests = [
        format!("GET /x?a=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {t}\r\n\r\n"),
        format!("GET /x?a=1&token={t} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /x?a=1 HTTP/1.1\r\nHost: localhost\r\nCookie: b=2; ianitor={t}\r\n\r\n"),
        // The same one twice is one.
        format!(
            "GET /x?token={t}&a=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {t}\r\n\r\n"
        ),
    ];
    for request in &requests {
        assert_eq!(gateway.client().ask(request).status(), 200, "{request}");
    }
    for (head, request) in upstream.heads().iter().zip(&requests) {
        assert_eq!(head.target(), "/x?a=1", "{request}");
        assert!(!head.to_string().contains("eyJ"), "{head}");
    }
    assert_eq!(upstream.heads()[2].get("cookie"), Some("b=2"));
    for line in gateway.access.lines(4) {
        assert!(!line.contains("eyJ"), "{line}");
    }
}

#[test]
fn nor_the_token_of_the_page_that_asks() {
    let upstream = Upstream::ok();
    let app = HMAC
        .replace("[issuers.staff]", "[issuers.app]")
        .replace("query:token", "query:jwt");
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(HMAC)
        .table(&app);
    let config = config
        .table("[policies.staff]\nissuers = [\"staff\"]\n[policies.app]\nissuers = [\"app\"]\n");
    let config = config
        .route_with("/admin", "app", "policy = \"staff\"")
        .route_with("/app", "app", "policy = \"app\"")
        .route_with("/jitsi", "app", "policy = \"staff\"\nforward_token = true")
        .route("/open", "app");
    let gateway = TestGateway::start(&config);
    let t = good();
    #[rustfmt::skip]
    let cases = [
        ("/admin", format!("https://localhost/admin?a=%20&token={t}&b"),
         Some("https://localhost/admin?a=%20&b".into())),
        ("/admin", format!("https://localhost/app/x?jwt={t}"),
         Some("https://localhost/app/x".into())),
        ("/admin", format!("https://localhost/%61pp?jwt={t}"),
         Some("https://localhost/%61pp".into())),
        ("/admin", format!("https://localhost/nowhere?token={t}"),
         Some("https://localhost/nowhere".into())),
        ("/admin", format!("https://elsewhere.example/?token={t}"),
         Some("https://elsewhere.example/".into())),
        ("/open", format!("https://localhost/admin?token={t}"),
         Some("https://localhost/admin".into())),
        ("/open", "https://localhost/open?token=theirs".into(),
         Some("https://localhost/open?token=theirs".into())),
        ("/open", format!("https://localhost/app?a=b&jwt={t}#c"), None),
        ("/jitsi", format!("https://localhost/jitsi?token={t}"),
         Some(format!("https://localhost/jitsi?token={t}"))),
    ];
    for (target, referer, want) in cases {
        let lines = format!("Referer: {referer}\r\nAuthorization: Bearer {t}\r\n");
        let answer = gateway.client().ask(format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"
        ));
        assert_eq!(answer.status(), 200, "{target} {referer}");
        assert_eq!(
            upstream
                .heads()
                .last()
                .unwrap()
                .get("referer")
                .map(str::to_owned),
            want,
            "{target} {referer}"
        );
    }
}

#[test]
fn nor_where_the_address_alone_is_enough() {
    let upstream = Upstream::ok();
    let policy =
        "[policies.either]\nallow = [\"127.0.0.1\"]\nissuers = [\"staff\"]\nsatisfy = \"any\"\n";
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(HMAC)
        .table(policy);
    let gateway = TestGateway::start(&config.route_with("/", "app", "policy = \"either\""));
    let t = good();
    for lines in [
        format!("Authorization: Basic eA==\r\nAuthorization: Bearer {t}\r\n"),
        format!("Authorization: Bearer\t{t}\r\n"),
        format!("Sec-WebSocket-Protocol: bearer.{t}, x\u{e4}\r\n"),
    ] {
        let answer = gateway
            .client()
            .ask(format!("GET /x HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"));
        assert_eq!(answer.status(), 200, "{lines}");
    }
    let heads = upstream.heads();
    assert_eq!(
        (heads.len(), heads[0].get("authorization")),
        (3, Some("Basic eA=="))
    );
    assert!(
        heads.iter().all(|head| !head.to_string().contains("eyJ")),
        "{heads:#?}"
    );
}

#[test]
fn the_gateways_cookie_reaches_no_server_at_all() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nCookie: ianitor=t; a=1\r\n\
                   Authorization: Bearer theirs\r\n\r\n";
    assert_eq!(gateway.client().ask(request).status(), 200);
    let head = &upstream.heads()[0];
    assert_eq!(
        (head.get("cookie"), head.get("authorization")),
        (Some("a=1"), Some("Bearer theirs"))
    );
}

#[test]
fn a_route_may_forward_the_token() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&config(&upstream, "forward_token = true"));
    let t = good();
    assert_eq!(
        gateway
            .client()
            .get(&format!("/x?room=a&token={t}"))
            .status(),
        200
    );
    assert_eq!(
        upstream.only_request().head.target(),
        format!("/x?room=a&token={t}")
    );
}

#[test]
fn what_is_forwarded_is_a_token_of_the_routes_own_rule() {
    let upstream = Upstream::ok();
    // `app` takes tokens from another place than the gateway's own cookie, `staff` from that too.
    let app = HMAC
        .replace("[issuers.staff]", "[issuers.app]")
        .replace("\"cookie:ianitor\", ", "\"cookie:theirs\", ");
    let policies = "[policies.app]\nissuers = [\"app\"]\n[policies.staff]\nissuers = [\"staff\"]\n";
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(HMAC)
        .table(&app)
        .table(policies);
    let config = config
        .route_with("/app", "app", "policy = \"app\"\nforward_token = true")
        .route_with("/staff", "app", "policy = \"staff\"\nforward_token = true");
    let gateway = TestGateway::start(&config);
    let t = good();
    for (target, sent, want) in [
        (
            "/app",
            format!("theirs={t}; ianitor=another; a=1"),
            format!("theirs={t}; a=1"),
        ),
        (
            "/staff",
            format!("ianitor={t}; a=1"),
            format!("ianitor={t}; a=1"),
        ),
    ] {
        let ask = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nCookie: {sent}\r\n\r\n");
        assert_eq!(gateway.client().ask(ask).status(), 200, "{target}");
        assert_eq!(
            upstream.heads().last().unwrap().get("cookie"),
            Some(&*want),
            "{target}"
        );
    }
}

#[test]
fn two_tokens_are_refused() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&config(&upstream, ""));
    let (one, other) = (good(), token::token(json!({ "role": "ops", "sub": "eve" })));
    for lines in [
        format!("Authorization: Bearer {one}\r\nAuthorization: Bearer {other}\r\n"),
        format!("Authorization: Bearer {one}\r\nAuthorization: Basic eA==\r\n"),
        format!("Authorization: Bearer {one}\r\nCookie: ianitor={other}\r\n"),
        format!("Cookie: ianitor={one}; ianitor={other}\r\n"),
    ] {
        let answer = gateway
            .client()
            .ask(format!("GET /x HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"));
        assert_eq!(answer.status(), 400, "{lines}");
        assert!(
            answer
                .head
                .get("www-authenticate")
                .unwrap()
                .contains("invalid_request")
        );
    }
    assert_eq!(
        gateway
            .client()
            .get(&format!("/x?token={one}&token={other}"))
            .status(),
        400
    );
    assert!(upstream.heads().is_empty());
}

#[test]
fn every_kind_of_key() {
    let upstream = Upstream::ok();
    let folder = tempfile::tempdir().unwrap();
    let (rsa, p256, p384, ed) = (Keys::rsa(), Keys::ec(256), Keys::ec(384), Keys::ed25519());
    let jwks = json!({ "keys": [
        { "kty": "unheard-of", "kid": "x" }, rsa.jwk("r"), p256.jwk("e"), ed.jwk("d"),
        { "kty": "RSA", "use": "enc", "kid": "enc", "n": "AQ", "e": "AQAB" },
    ] });
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let names = |algorithms: &[Algorithm]| {
        algorithms
            .iter()
            .map(|a| format!("{a:?}"))
            .collect::<Vec<_>>()
    };
    for (key, signer, kid, algorithms) in [
        (
            rsa.pem().into_bytes(),
            &rsa,
            None,
            &[RS256, RS384, RS512, PS256, PS384, PS512][..],
        ),
        (rsa.pkcs1_pem().into_bytes(), &rsa, Some("any"), &[RS512]),
        (rsa.pkcs1().to_vec(), &rsa, None, &[RS512]),
        (p256.pem().into_bytes(), &p256, None, &[ES256]),
        (p384.pem().into_bytes(), &p384, None, &[ES384]),
        (ed.pem().into_bytes(), &ed, None, &[EdDSA]),
        (
            rsa.jwk("r").to_string().into_bytes(),
            &rsa,
            Some("r"),
            &[RS256],
        ),
        (jwks.to_string().into_bytes(), &p256, Some("e"), &[ES256]),
        (jwks.to_string().into_bytes(), &ed, None, &[EdDSA]),
    ] {
        let names = names(algorithms);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let config = Config::to(&upstream)
            .text()
            .replace("\"open\"", "\"operators\"");
        let config = format!("{config}{}{POLICY}", issuer(folder.path(), &names, key));
        let gateway = TestGateway::start_text(&config);
        for algorithm in algorithms {
            let token = signer.sign(*algorithm, kid, &claims(json!({ "role": ["x", "admin"] })));
            assert_eq!(
                gateway.client().ask(bearer(&token)).status(),
                200,
                "{algorithm:?} {kid:?}"
            );
        }
        let other = Keys::ec(256).sign(ES256, kid, &claims(json!({ "role": "ops" })));
        assert_eq!(gateway.client().ask(bearer(&other)).status(), 401);
    }
}

#[test]
fn of_two_issuers_with_one_key_the_one_that_fits_counts() {
    let upstream = Upstream::ok();
    let other = HMAC
        .replace("[issuers.staff]", "[issuers.other]")
        .replace("[\"ianitor\"]", "[\"other\"]");
    let policy = "[policies.both]\nissuers = [\"staff\", \"other\"]\n[policies.one]\n\
                  issuers = [\"staff\"]\n";
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(HMAC)
        .table(&other)
        .table(policy);
    let config = config
        .route_with("/both", "app", "policy = \"both\"")
        .route_with("/one", "app", "policy = \"one\"");
    let gateway = TestGateway::start(&config);
    let ask = |path: &str, token: &str| {
        gateway
            .client()
            .ask(bearer(token).replace("/x", path))
            .status()
    };
    let (ours, theirs) = (
        token::token(json!({})),
        token::token(json!({ "aud": "other" })),
    );
    for _ in 0..2 {
        assert_eq!((ask("/both", &ours), ask("/both", &theirs)), (200, 200));
        assert_eq!((ask("/one", &ours), ask("/one", &theirs)), (200, 401));
    }
    assert_eq!(ask("/both", &token::token(json!({ "aud": "third" }))), 401);
}

#[test]
fn tokens_of_the_field() {
    let upstream = Upstream::ok();
    let folder = tempfile::tempdir().unwrap();
    let rsa = Keys::rsa();
    let sfu = issuer(folder.path(), &["RS512"], rsa.pkcs1()).replace("\"any\"", "\"webrtc_auth\"");
    let tables = format!(
        "{sfu}[issuers.jitsi]\nalgorithms = [\"HS256\"]\nsecret = \"my_jitsi_app_secret\"\n\
         issuer = \"my_app\"\n\
         audience = \"jitsi\"\nsources = [\"query:token\", \"query:jwt\"]\n\
         [policies.sfu]\nissuers = [\"staff\"]\nclaims = {{ join_hub = true, room_ids = [\"123\"] \
         }}\n\
         [policies.jitsi]\nissuers = [\"jitsi\"]\n\
         claims = {{ room = \"standup\", moderator = true, context.user.name = [\"Ada\"], sub = \
         [\"meet.example.com\"] }}\n"
    );
    let config = Config::new().upstream("app", &upstream.url());
    let config = config
        .route_with("/sfu", "app", "policy = \"sfu\"")
        .table(&tables);
    let config = config.route_with(
        "/http-bind",
        "app",
        "policy = \"jitsi\"\nforward_token = true",
    );
    let gateway = TestGateway::start(&config);
    let sfu = json!({ "aud": "webrtc_auth", "sub": "anon", "kick_users": false, "join_hub": true,
        "room_ids": ["123"], "exp": now() + 300 });
    let sfu = bearer(&rsa.sign(Algorithm::RS512, None, &sfu)).replace("/x", "/sfu");
    assert_eq!(gateway.client().ask(sfu).status(), 200);
    let jitsi = |room: &str, exp: u64| {
        let claims = json!({ "aud": "jitsi", "iss": "my_app", "sub": "meet.example.com",
            "room": room, "exp": exp, "moderator": true,
            "context": { "user": { "name": "Ada", "id": "1" } } });
        let key = jsonwebtoken::EncodingKey::from_secret(b"my_jitsi_app_secret");
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        gateway
            .client()
            .get(&format!("/http-bind?room={room}&token={token}"))
            .status()
    };
    assert_eq!(jitsi("*", now() + 300), 200);
    assert_eq!(jitsi("standup", now() + 300), 200);
    assert_eq!(jitsi("other", now() + 300), 403);
    // As published: a permanent master key.
    assert_eq!(jitsi("*", 98_753_496_345_768), 401);
}

/// PHP's lcobucci/jwt writes microseconds; Keycloak, Auth0 and Entra write scopes as one text.
#[test]
fn times_may_have_fractions_and_scopes_may_be_one_text() {
    let upstream = Upstream::ok();
    let policies = "[policies.scope]\nissuers = [\"staff\"]\nclaims = { scope = \"calls\" }\n\
                    [policies.scp]\nissuers = [\"staff\"]\nclaims = { scp = [\"x\", \"calls\"] }\n";
    let config = Config::new()
        .upstream("app", &upstream.url())
        .table(HMAC)
        .table(policies)
        .route_with("/scope", "app", "policy = \"scope\"")
        .route_with("/scp", "app", "policy = \"scp\"");
    let gateway = TestGateway::start(&config);
    let now = now() as f64;
    let with = |more: Value| {
        let mut claims = json!({
            "exp": now + 60.123_456, "nbf": now - 1.876_544, "iat": now - 1.876_544
        });
        let members = claims.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        token::token(claims)
    };
    for (path, more, status) in [
        ("/scope", json!({ "scope": "openid calls" }), 200),
        ("/scope", json!({ "scope": ["openid", "calls"] }), 200),
        ("/scope", json!({ "scope": "openid recalls" }), 403),
        ("/scp", json!({ "scp": "calls openid" }), 200),
        ("/scp", json!({ "scope": "openid calls" }), 403),
    ] {
        let request = bearer(&with(more.clone())).replace("/x", path);
        assert_eq!(
            gateway.client().ask(request).status(),
            status,
            "{path} {more}"
        );
    }
}

/// Signed by the right key, over a header that says something else.
fn over_header(header: &str, claims: &Value, key: &Keys) -> String {
    let signed = format!("{}.{}", part(header), part(claims.to_string()));
    let real = key.sign(Algorithm::RS256, Some("r"), claims);
    format!("{signed}.{}", real.rsplit_once('.').unwrap().1)
}

fn with_secret(key: &[u8], claims: &Value) -> String {
    let header = part(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", part(claims.to_string()));
    format!("{signed}.{}", hmac(key, &signed))
}

fn assert_rejected(gateway: &TestGateway, name: &str, token: &str, reason: &str) {
    gateway.access.clear();
    let answer = gateway.client().ask(bearer(token));
    assert_eq!(answer.status(), 401, "{name}");
    let line = gateway.access.lines(1).remove(0);
    assert!(
        line.contains(&format!(" reason={reason} ")),
        "{name}: {line}"
    );
    // The client is not told the reason.
    let challenge = answer.head.get("www-authenticate");
    assert_eq!(
        challenge,
        Some("Bearer realm=\"ianitor\", error=\"invalid_token\""),
        "{name}"
    );
    assert!(
        !answer.text().contains("token_"),
        "{name}: {}",
        answer.text()
    );
}

#[test]
fn no_forged_token_opens_anything() {
    let upstream = Upstream::ok();
    let folder = tempfile::tempdir().unwrap();
    let (rsa, stranger, p256, p384) = (Keys::rsa(), Keys::rsa(), Keys::ec(256), Keys::ec(384));
    let jwks = json!({ "keys": [rsa.jwk("r"), p256.jwk("e")] }).to_string();
    let staff = issuer(folder.path(), &["RS256", "ES256"], jwks);
    let config = Config::to(&upstream).text();
    let config = config.replace("\"open\"", "\"operators\"");
    // The table is longer than what one address may guess.
    let config = config.replace("[limits]\n", "[limits]\nexempt = [\"127.0.0.0/8\"]\n");
    let gateway = TestGateway::start_text(&format!("{config}{staff}{POLICY}"));

    let good = claims(json!({ "role": "ops" }));
    let whole = rsa.sign(Algorithm::RS256, Some("r"), &good);
    let (front, signature) = whole.rsplit_once('.').unwrap();
    let header = |text: &str| over_header(text, &good, &rsa);
    let with_public_key_as_secret = |key: &[u8]| with_secret(key, &good);
    #[rustfmt::skip]
    let table = [
        ("none", format!("{}.{}.", part(r#"{"alg":"none"}"#), part(good.to_string())),
         "token_unsigned"),
        ("None", format!("{}.{}.x", part(r#"{"alg":"None"}"#), part(good.to_string())),
         "token_unsigned"),
        ("nOnE", format!("{}.{}.AA", part(r#"{"alg":"nOnE"}"#), part(good.to_string())),
         "token_unsigned"),
        ("the public key as a secret", with_public_key_as_secret(rsa.pem().as_bytes()),
         "token_algorithm"),
        ("the public key in DER as a secret", with_public_key_as_secret(rsa.pkcs1()),
         "token_algorithm"),
        ("a stranger's key", stranger.sign(Algorithm::RS256, Some("r"), &good), "token_signature"),
        ("a stranger's key without a name", stranger.sign(Algorithm::RS256, None, &good),
         "token_signature"),
        ("another algorithm of the same key", rsa.sign(Algorithm::RS512, Some("r"), &good),
         "token_algorithm"),
        ("PSS in place of PKCS#1", rsa.sign(Algorithm::PS256, Some("r"), &good),
         "token_algorithm"),
        ("another curve", p384.sign(Algorithm::ES384, Some("e"), &good), "token_algorithm"),
        ("the other key's name", rsa.sign(Algorithm::RS256, Some("e"), &good), "token_key"),
        ("a kid that is a path", rsa.sign(Algorithm::RS256, Some("../../dev/null"), &good),
         "token_key"),
        ("a kid that is SQL", rsa.sign(Algorithm::RS256, Some("r' OR '1'='1"), &good), "token_key"),
        ("a psychic signature",
         format!("{}.{}.{}", part(r#"{"alg":"ES256","kid":"e"}"#), part(good.to_string()),
                 part([0; 64])),
         "token_signature"),
        ("jku", header(r#"{"alg":"RS256","kid":"r","jku":"https://evil.example/jwks.json"}"#),
         "token_signature"),
        ("x5u", header(r#"{"alg":"RS256","kid":"r","x5u":"https://evil.example/x.pem"}"#),
         "token_signature"),
        ("jwk", header(&json!({ "alg": "RS256", "jwk": stranger.jwk("r") }).to_string()),
         "token_signature"),
        ("crit", header(r#"{"alg":"RS256","kid":"r","crit":["exp"]}"#), "token_crit"),
        ("b64", header(r#"{"alg":"RS256","kid":"r","b64":false,"crit":["b64"]}"#), "token_crit"),
        ("a type of another use", header(r#"{"alg":"RS256","kid":"r","typ":"logout+jwt"}"#),
         "token_type"),
        ("a header twice", header(r#"{"alg":"none","alg":"RS256","kid":"r"}"#), "token_malformed"),
        ("JWE", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA".to_owned(),
         "token_encrypted"),
        ("cut short", whole[..whole.len() - 1].to_owned(), "token_malformed"),
        ("cut by six", whole[..whole.len() - 6].to_owned(), "token_signature"),
        ("no signature", format!("{front}."), "token_signature"),
        ("no last part", front.to_owned(), "token_malformed"),
        ("padded", format!("{whole}=="), "token_malformed"),
        ("a letter more", format!("{whole}A"), "token_signature"),
        ("base64 of another alphabet", format!("{front}.{}", signature.replace(['-', '_'], "+")),
         "token_malformed"),
        ("a private key's file", rsa.private_pem().lines().next().unwrap().to_owned(),
         "token_malformed"),
        ("empty", String::new(), "token_malformed"),
        ("a word", "token".to_owned(), "token_malformed"),
    ];
    for (name, token, reason) in &table {
        if *name == "base64 of another alphabet" && !signature.contains(['-', '_']) {
            continue;
        }
        assert_rejected(&gateway, name, token, reason);
    }
    assert!(upstream.heads().is_empty());
    assert_eq!(gateway.client().ask(bearer(&whole)).status(), 200);
}

#[test]
fn no_token_with_wrong_claims_opens_anything() {
    let upstream = Upstream::ok();
    let config = config(&upstream, "").limits("exempt = [\"127.0.0.0/8\"]");
    let gateway = TestGateway::start(&config);
    const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
    let payload = |exp: &str, more: &str| {
        forged(
            HEADER,
            &format!(
                "{{\"iss\":\"https://login.example.com\",\"aud\":\"ianitor\",\"role\":\"ops\",\
                 \"exp\":{exp}{more}}}"
            ),
        )
    };
    let (soon, second) = ((now() + 60).to_string(), now());
    let deep = format!(",\"x\":{}{}", "[".repeat(200), "]".repeat(200));
    #[rustfmt::skip]
    let cases = [
        ("no exp", token::token(json!({ "role": "ops", "exp": null })), "token_no_expiry"),
        ("exp is a text", payload(&format!("\"{soon}\""), ""), "token_claim_type"),
        ("exp with a fraction is over", payload(&format!("{}.9", second - 32), ""),
         "token_expired"),
        ("nbf with a fraction is to come", payload(&soon, &format!(",\"nbf\":{}.1", second + 120)),
         "token_not_yet"),
        ("exp is huge", payload("9999999999999999999999", ""), "token_claim_type"),
        ("exp is far away", payload("18446744073709551615", ""), "token_lifetime"),
        ("exp is negative", payload("-1", ""), "token_claim_type"),
        ("exp is null", payload("null", ""), "token_claim_type"),
        ("exp is over", payload(&(second - 31).to_string(), ""), "token_expired"),
        ("exp is beyond max_lifetime", payload(&(second + 40 * 86_400).to_string(), ""),
         "token_lifetime"),
        ("nbf is to come", payload(&soon, &format!(",\"nbf\":{}", second + 120)), "token_not_yet"),
        ("nbf is a text", payload(&soon, ",\"nbf\":\"0\""), "token_claim_type"),
        ("a claim twice", payload(&soon, ",\"role\":\"ops\""), "token_malformed"),
        ("deep", payload(&soon, &deep), "token_malformed"),
        ("not UTF-8", forged_bytes(HEADER, b"{\"exp\":1,\"x\":\"\xff\"}"), "token_malformed"),
        ("no object", forged(HEADER, "[]"), "token_malformed"),
        ("no JSON", forged(HEADER, "exp=1"), "token_malformed"),
        ("another issuer",
         token::token(json!({ "role": "ops", "iss": "https://login.example.com/" })),
         "token_issuer"),
        ("no issuer", token::token(json!({ "role": "ops", "iss": null })), "token_issuer"),
        ("another audience", token::token(json!({ "role": "ops", "aud": "ianitor2" })),
         "token_audience"),
        ("other audiences", token::token(json!({ "role": "ops", "aud": ["a", "b"] })),
         "token_audience"),
        ("no audience", token::token(json!({ "role": "ops", "aud": null })), "token_audience"),
        ("an audience that is a number", token::token(json!({ "role": "ops", "aud": 1 })),
         "token_claim_type"),
        ("8 KiB", token::token(json!({ "role": "ops", "x": "x".repeat(8192) })), "token_too_long"),
    ];
    for (name, token, reason) in cases {
        gateway.access.clear();
        let answer = gateway.client().ask(bearer(&token));
        assert_eq!(answer.status(), 401, "{name}");
        let line = gateway.access.lines(1).remove(0);
        assert!(
            line.contains(&format!(" reason={reason} ")),
            "{name}: {line}"
        );
    }
    let huge = gateway
        .client()
        .ask(bearer(&token::token(json!({ "x": "x".repeat(1 << 20) }))));
    assert_eq!(huge.status(), 431);
    assert!(upstream.heads().is_empty());
    for more in ["", ",\"nbf\":0", ",\"aud2\":1"] {
        assert_eq!(
            gateway.client().ask(bearer(&payload(&soon, more))).status(),
            200,
            "{more}"
        );
    }
}

fn forged_bytes(header: &str, payload: &[u8]) -> String {
    let signed = format!("{}.{}", part(header), part(payload));
    format!("{signed}.{}", hmac(token::SECRET.as_bytes(), &signed))
}

#[test]
fn address_and_token_go_together_as_the_policy_says() {
    let upstream = Upstream::ok();
    let policy = |satisfy: &str| {
        format!(
            "[policies.operators]\nallow = [\"127.0.0.1\"]\ndeny = [\"127.0.0.3\"]\n\
             issuers = [\"staff\"]\nsatisfy = \"{satisfy}\"\n"
        )
    };
    let base = || Config::new().upstream("app", &upstream.url()).table(HMAC);
    for (satisfy, table) in [
        (
            "any",
            [
                ("127.0.0.1", false, 200),
                ("127.0.0.2", false, 401),
                ("127.0.0.2", true, 200),
                ("127.0.0.3", true, 403),
            ],
        ),
        (
            "all",
            [
                ("127.0.0.1", false, 401),
                ("127.0.0.1", true, 200),
                ("127.0.0.2", true, 403),
                ("127.0.0.3", true, 403),
            ],
        ),
    ] {
        let config = base()
            .route_with("/", "app", "policy = \"operators\"")
            .table(&policy(satisfy));
        let gateway = TestGateway::start(&config);
        for (from, with_token, status) in table {
            let request = if with_token {
                bearer(&good())
            } else {
                bearer("").replace("Authorization: Bearer \r\n", "")
            };
            let answer = gateway.dial().from(from).h1().ask(request);
            assert_eq!(answer.status(), status, "{satisfy} {from} {with_token}");
        }
    }
    // The token is for the gateway, also where the address was enough.
    assert!(
        upstream
            .heads()
            .iter()
            .all(|head| head.get("authorization").is_none())
    );
}

/// Whoever knows that a secret is nothing can sign.
#[test]
fn a_secret_of_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "\n\n").unwrap();
    let jwk = folder.path().join("jwk");
    std::fs::write(&jwk, r#"{"kty":"oct","k":""}"#).unwrap();
    let upstream = Upstream::ok();
    for keys in [
        format!("secret_file = {file:?}\nsecret_base64 = true"),
        "secret = \"   \"\nsecret_base64 = true".to_owned(),
        format!("key_file = {jwk:?}"),
    ] {
        let issuer =
            format!("[issuers.staff]\nalgorithms = [\"HS256\"]\naudience = \"any\"\n{keys}\n");
        let config = config(&upstream, "").text().replace(HMAC, &issuer);
        let config = ianitor::config::parse(&folder.path().join("gateway.toml"), &config)
            .unwrap()
            .config;
        let refused = ianitor::gateway::Gateway::bind(config).unwrap_err();
        assert!(refused.to_string().contains("issuers.staff."), "{refused}");
    }
}
