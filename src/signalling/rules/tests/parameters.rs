//! Rules about parameters, URIs and whose objects they are: those of Kurento.

use super::*;

/// The same, of a message to a server that opens URIs.
fn facts_with_uris(text: &str) -> Facts<'_> {
    Facts {
        terms: Terms::Kurento,
        ..facts(text)
    }
}

#[test]
fn parameters_are_conditions_by_their_path_and_type() {
    let rule = |path: &str, wanted| ParameterRule {
        path: path.into(),
        one_of: [wanted].into(),
    };
    let rules = MessageRules::new([Rule {
        parameters: [
            rule("a.profile", Wanted::Text("WEBM".into())),
            rule("a.count", Wanted::Integer(2)),
            rule("on", Wanted::Bool(true)),
            rule("name", Wanted::Text("*".into())),
        ]
        .into(),
        ..allow("parameters")
    }]);
    let right = r#"{"verb":"a","a":{"profile":"WE\u0042M","count":2},"on":true,"name":7}"#;
    let decided = |text: &str| match rules.decide(&facts(text), None) {
        Decision::Unmatched(mismatch) => mismatch.unwrap().to_string(),
        _ => "allowed".into(),
    };
    assert_eq!(decided(right), "allowed");
    for (from, to, path) in [
        ("WE", "we", "a.profile"),
        (r#""WE\u0042M""#, "1", "a.profile"),
        ("2,", "2.0,", "a.count"),
        ("2}", r#""2"}"#, "a.count"),
        ("true", "false", "on"),
        ("true", r#""true""#, "on"),
        ("7", "null", "name"),
        (r#""a":{"#, r#""b":{"#, "a.profile"),
    ] {
        let want = format!("the parameter {path} is missing or another");
        let text = right.replace(from, to);
        if text != right {
            assert_eq!(decided(&text), want, "{text}");
        }
    }
}

#[test]
fn every_member_that_is_named_like_a_uri_is_checked() {
    let prefixes = ["https://media.example.com/".parse().unwrap()];
    let rule = Rule {
        uris: Uris::OfPolicy,
        ..allow("uris")
    };
    let rules = MessageRules::new([rule]).with_uris(&prefixes);
    let good = "https://media.example.com/a";
    for (members, why) in [
        (format!(r#""uri":"{good}""#), ""),
        (format!(r#""uri":"{}""#, good.replace('m', "\\u006d")), ""),
        (format!(r#""uris":["{good}","{good}"]"#), ""),
        (r#""name":"file:///etc/x""#.into(), ""),
        (
            r#""uri":"file:///etc/x""#.into(),
            "the member uri is a file of the media server",
        ),
        (
            r#""a":[{"imageUri":"x"}]"#.into(),
            "the member imageUri is not written as",
        ),
        (
            r#""TURNURL":"u:p@h:1""#.into(),
            "the member TURNURL is not written as",
        ),
        (
            r#""\u0075ri":"x""#.into(),
            "the member uri is not written as",
        ),
        (r#""uri":null"#.into(), "the member uri is no string"),
        (r#""uri":{}"#.into(), "the member uri is no string"),
        (
            format!(r#""uris":["{good}",1]"#),
            "the member uris is no string",
        ),
        (
            r#""uri":"https://example.com/""#.into(),
            "the member uri is not below",
        ),
    ] {
        let text = format!(r#"{{"verb":"a",{members}}}"#);
        let decision = rules.decide(&facts_with_uris(&text), None);
        let got = match decision {
            Decision::Unmatched(mismatch) => mismatch.unwrap().to_string(),
            _ => String::new(),
        };
        assert!(
            got.starts_with(why) && got.is_empty() == why.is_empty(),
            "{text}: {got}"
        );
    }
    // What the policy does not list is not allowed.
    let rules = MessageRules::new([Rule {
        uris: Uris::OfPolicy,
        ..allow("uris")
    }]);
    let text = format!(r#"{{"verb":"a","uri":"{good}"}}"#);
    assert!(matches!(
        rules.decide(&facts_with_uris(&text), None),
        Decision::Unmatched(_)
    ));
    // Janus has no such members, and plugins have others with these names.
    assert!(matches!(
        rules.decide(&facts(&text), None),
        Decision::Allowed(_)
    ));
}

#[test]
fn in_no_order_of_rules_does_a_uri_pass_that_has_no_one_reading() {
    let below = |text: &str| Uris::Below([text.parse().unwrap()].into());
    let secret = Rule {
        uris: below("https://media.example.com/vod/secret/"),
        ..deny("secret")
    };
    let host = Rule {
        uris: below("https://media.example.com/"),
        ..allow("host")
    };
    let all = Rule {
        uris: below("https://*/"),
        ..allow("all")
    };
    let files = Rule {
        uris: below("file:///"),
        ..allow("files")
    };
    let rules = [secret, host, all, files];
    for uri in [
        "https://media.example.com/vod//secret/a",
        "https://media.example.com/vod/./secret/a",
        "https://media.example.com/vod/x/%2e%2E/secret/a",
        "https://media.example.com/vod%2Fsecret/a",
        "https://media.example.com/vod/secret%",
        "https://media.example.com./vod/secret/a",
        "https://media.example.com/vod/secret/a#",
        "file:///vod//secret",
        "x",
    ] {
        let text = format!(r#"{{"verb":"a","uri":"{uri}"}}"#);
        for first in 0..rules.len() {
            let mut rules = rules.to_vec();
            rules.rotate_left(first);
            let rules = MessageRules::new(rules);
            let decision = rules.decide(&facts_with_uris(&text), None);
            assert!(matches!(decision, Decision::Unmatched(_)), "{uri}");
        }
    }
}

#[test]
fn a_deny_for_uris_matches_if_one_of_them_is_below() {
    let prefixes = ["https://secret.example.com/".parse().unwrap()];
    let secret = Rule {
        uris: Uris::Below(prefixes.into()),
        ..deny("secret")
    };
    let rules = MessageRules::new([secret, allow("others")]);
    let decided = |text: &str| match rules.decide(&facts_with_uris(text), None) {
        Decision::Allowed(rule) | Decision::Denied(rule) => rule.name.to_string(),
        Decision::Unmatched(_) => panic!("{text}"),
    };
    for (text, want) in [
        (r#"{"verb":"a"}"#, "others"),
        (
            r#"{"verb":"a","uri":"https://media.example.com/"}"#,
            "others",
        ),
        (
            r#"{"verb":"a","uri":["x","https://secret.example.com/a"]}"#,
            "secret",
        ),
    ] {
        assert_eq!(decided(text), want, "{text}");
    }
    let facts = facts_with_uris(r#"{"verb":"a"}"#);
    let steps = rules.explain(&facts, None).map(|step| step.to_string());
    assert_eq!(
        steps.collect::<Vec<_>>(),
        [
            "secret: no match, no URI is below one of the rule's",
            "others: allowed",
        ]
    );
}

#[test]
fn objects_of_others_need_a_rule_that_is_about_all() {
    let foreign = facts(r#"{"verb":"a","foreign":1}"#);
    let any = Rule {
        objects: Objects::Any,
        ..allow("any")
    };
    let decided = |rules: &[Rule]| match MessageRules::new(rules.to_vec()).decide(&foreign, None) {
        Decision::Allowed(rule) | Decision::Denied(rule) => rule.name.to_string(),
        Decision::Unmatched(mismatch) => mismatch.unwrap().to_string(),
    };
    assert_eq!(decided(&[allow("own")]), "the object is another client's");
    assert_eq!(decided(&[allow("own"), any.clone()]), "any");
    assert_eq!(decided(&[deny("all"), any]), "all");
}
