//! `ianitor token`: what it makes passes, and what does not pass is explained.

use std::path::Path;
use std::process::{Command, Output};

use crate::harness::issuer::{KeyServer, Says, Signer, asap_path};
use crate::harness::token::{HMAC, Keys, issuer};
use crate::harness::{Config, Upstream};

fn token(config: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command
        .arg("token")
        .arg(args[0])
        .arg("--config")
        .arg(config)
        .args(&args[1..])
        .output()
        .unwrap()
}

#[track_caller]
fn said(output: &Output, status: i32) -> String {
    let text = [&output.stdout[..], &output.stderr]
        .map(String::from_utf8_lossy)
        .concat();
    assert_eq!(output.status.code(), Some(status), "{text}");
    text
}

fn configuration(folder: &Path, issuer: &str) -> std::path::PathBuf {
    configuration_with(folder, issuer, "role = \"ops\"")
}

fn configuration_with(folder: &Path, issuer: &str, claims: &str) -> std::path::PathBuf {
    let upstream = Upstream::ok();
    let config =
        Config::new()
            .upstream("app", &upstream.url())
            .route_with("/", "app", "policy = \"ops\"");
    let policy = &format!("[policies.ops]\nissuers = [\"staff\"]\nclaims = {{ {claims} }}\n");
    let file = folder.join("gateway.toml");
    std::fs::write(&file, config.table(issuer).table(policy).text()).unwrap();
    file
}

#[test]
fn what_is_minted_passes() {
    let folder = tempfile::tempdir().unwrap();
    let (rsa, ec, ed) = (Keys::rsa(), Keys::ec(384), Keys::ed25519());
    let private = folder.path().join("private.pem");
    for (issuer, key) in [
        (HMAC.to_owned(), None),
        (issuer(folder.path(), &["PS256"], rsa.pem()), Some(&rsa)),
        (issuer(folder.path(), &["ES384"], ec.pem()), Some(&ec)),
        (issuer(folder.path(), &["EdDSA"], ed.pem()), Some(&ed)),
    ] {
        // What is minted is looked at before the next issuer's file takes the place of this one.
        if let Some(key) = key {
            std::fs::write(folder.path().join("staff.key"), key.pem()).unwrap();
            std::fs::write(&private, key.private_pem()).unwrap();
        }
        let config = configuration(folder.path(), &issuer);
        let mut args = vec![
            "mint",
            "--issuer",
            "staff",
            "--sub",
            "ada",
            "--claim",
            "role=[\"x\",\"ops\"]",
        ];
        if key.is_some() {
            args.extend(["--key", private.to_str().unwrap()]);
        }
        let minted = said(&token(&config, &args), 0);
        let report = said(
            &token(&config, &["inspect", "--policy", "ops", minted.trim()]),
            0,
        );
        assert!(report.ends_with("would pass\n"), "{report}");
    }
}

#[test]
fn what_does_not_pass_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), HMAC);
    let minted = |claim: &str| {
        said(
            &token(&config, &["mint", "--issuer", "staff", "--claim", claim]),
            0,
        )
    };
    for (token_text, why) in [
        (
            minted("role=guest"),
            "no  claim role is \"ops\": it has \"guest\"",
        ),
        (
            minted("aud=other"),
            "no  aud has one of [\"ianitor\"]: it is \"other\"",
        ),
        (minted("exp=1"), "no  exp is not over: 1970-01-01T00:00:01Z"),
        (
            minted("exp=\"1\""),
            "no  signature and form: a registered claim is not of its type",
        ),
        ("a.b.c".to_owned(), "no  the token's form: not a token"),
    ] {
        let report = said(
            &token(&config, &["inspect", "--policy", "ops", token_text.trim()]),
            1,
        );
        assert!(report.contains(why), "{why}\n{report}");
        assert!(report.contains("would be refused: "), "{report}");
    }
}

#[test]
fn a_claim_inside_another_can_be_minted() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = "realm_access.roles = \"ops\", \"https://example.com/role\" = \"ops\", \
                  resource_access.\"my.app\".level = 3";
    let config = configuration_with(folder.path(), HMAC, wanted);
    let mut args = vec!["mint", "--issuer", "staff"];
    for claim in [
        "realm_access.roles=[\"ops\"]",
        r"https://example\.com/role=ops",
        r"resource_access.my\.app.level=3",
    ] {
        args.extend(["--claim", claim]);
    }
    let minted = said(&token(&config, &args), 0);
    let report = said(
        &token(&config, &["inspect", "--policy", "ops", minted.trim()]),
        0,
    );
    assert!(
        report.contains(r#""https://example.com/role":"ops""#)
            && report.contains(r#""realm_access":{"roles":["ops"]}"#),
        "{report}"
    );
    let args = [
        "mint", "--issuer", "staff", "--claim", "sub.x=1", "--sub", "ada",
    ];
    let error = said(&token(&config, &args), 64);
    assert!(
        error.contains("\"sub\" is \"ada\", which cannot have"),
        "{error}"
    );
}

#[test]
fn keys_that_an_issuer_publishes_are_fetched_for_an_explanation() {
    let (folder, keys) = (tempfile::tempdir().unwrap(), KeyServer::start());
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    keys.publish(&[&one]);
    keys.says(&asap_path("one"), Says::ok(one.pem()));
    keys.says("/broken.json", Says::ok("<!doctype html>"));
    let explained = |lines: &str, token_text: &str, status| {
        let issuer =
            format!("[issuers.staff]\nalgorithms = [\"ES256\"]\naudience = \"ianitor\"\n{lines}\n");
        let config = configuration_with(folder.path(), &issuer, "sub = \"somebody\"");
        said(
            &token(&config, &["inspect", "--policy", "ops", token_text]),
            status,
        )
    };
    let set = format!("jwks_url = \"{}\"", keys.url("/jwks.json"));
    let asap = format!("asap_url = \"{}\"", keys.url("/asap"));
    for lines in [&set, &asap] {
        let report = explained(lines, &one.token(), 0);
        assert!(
            report.contains("ok  keys from http") && report.contains("ok  signature\n"),
            "{report}"
        );
        assert!(report.ends_with("would pass\n"), "{report}");
        let report = explained(lines, &two.token(), 1);
        let why = "would be refused: token: no key of the issuer fits\n";
        assert!(report.ends_with(why), "{report}");
        let report = explained(lines, &two.token_as("one"), 1);
        assert!(report.ends_with("the signature is wrong\n"), "{report}");
    }
    // What is not known is not said to be wrong.
    let broken = format!("jwks_url = \"{}\"", keys.url("/broken.json"));
    for (lines, why) in [
        ("jwks_url = \"http://127.0.0.1:1/\"", "cannot be reached"),
        (&broken, "not a JSON object"),
    ] {
        let report = explained(lines, &one.token(), 1);
        assert!(
            report.contains("?   keys from http") && report.contains(why),
            "{report}"
        );
        assert!(report.contains("?   signature\n"), "{report}");
        let end = "cannot be decided without the issuer's keys\n";
        assert!(report.ends_with(end), "{report}");
    }
}

#[test]
fn a_wrong_name_or_key_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let ec = Keys::ec(256);
    let config = configuration(folder.path(), &issuer(folder.path(), &["ES256"], ec.pem()));
    let public = folder.path().join("staff.key");
    for (args, status, why) in [
        (
            &["mint", "--issuer", "staf"][..],
            64,
            "there is no issuer \"staf\"; there is: staff",
        ),
        (
            &["mint", "--issuer", "staff"],
            64,
            "name the issuer's private key with --key",
        ),
        (
            &[
                "mint",
                "--issuer",
                "staff",
                "--key",
                public.to_str().unwrap(),
            ],
            1,
            "is no private key (PEM)",
        ),
        (
            &["inspect", "--policy", "op", "x"],
            64,
            "there is no policy \"op\"; there is: ops",
        ),
    ] {
        let text = said(&token(&config, args), status);
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn an_ec_key_of_the_older_form_signs_and_a_key_of_another_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("private.pem");
    let path = private.to_str().unwrap();
    for bits in [256, 384] {
        let (own, other) = (Keys::ec(bits), Keys::ec(bits));
        let algorithm = format!("ES{bits}");
        let config = configuration(
            folder.path(),
            &issuer(folder.path(), &[&algorithm], own.pem()),
        );
        std::fs::write(folder.path().join("staff.key"), own.pem()).unwrap();
        for (key, is_own) in [(&own, true), (&other, false)] {
            std::fs::write(&private, key.sec1_pem(bits)).unwrap();
            let minted = token(&config, &["mint", "--issuer", "staff", "--key", path]);
            let warning = String::from_utf8(minted.stderr).unwrap();
            assert_eq!(minted.status.code(), Some(0), "{warning}");
            assert_eq!(warning.is_empty(), is_own, "{warning}");
            let text = "private.pem is not the key of issuers.staff";
            assert_eq!(warning.contains(text), !is_own, "{warning}");
        }
    }
}
