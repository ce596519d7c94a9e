//! Rules by themselves; whole messages are in `janus/tests`.

use super::*;
use crate::signalling::document::{Object, split};
use crate::token::claims::Wanted;

fn object(text: &str) -> Object<'_> {
    split(text).unwrap().next().unwrap().object().unwrap()
}

/// Facts about `{"verb":…,"plugin":…,"request":…,"room":…,…}`; `new…` is unknown.
fn facts(text: &str) -> Facts<'_> {
    let parameters = object(text);
    let word = |name: &str| {
        let text = parameters.get(name)?.text()?;
        Some(Word::folded(text, !text.unescaped().starts_with("new")))
    };
    let room = parameters.get("room");
    let number = room.and_then(|room| room.integer()).map(Room::Number);
    Facts {
        plugin: word("plugin"),
        request: word("request"),
        ptype: word("ptype"),
        room: number.or_else(|| room?.text().map(Room::Text)),
        is_about_room: parameters.get("about").is_some(),
        is_foreign: parameters.get("foreign").is_some(),
        parameters: Some(parameters),
        ..Facts::new(word("verb").unwrap())
    }
}

/// The same, of a message to a server that opens URIs.
fn facts_with_uris(text: &str) -> Facts<'_> {
    Facts {
        terms: Terms::Kurento,
        ..facts(text)
    }
}

fn claims(text: &str) -> Claims {
    Claims::parse(text.as_bytes()).unwrap()
}

fn allow(name: &str) -> Rule {
    Rule::new(name, Effect::Allow)
}

fn deny(name: &str) -> Rule {
    Rule::new(name, Effect::Deny)
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = MessageRules::new([
        Rule {
            requests: Names::one_of(["kick"]),
            ..deny("no kicks")
        },
        Rule {
            requests: Names::one_of(["join", "KICK"]),
            ..allow("joins")
        },
        deny("nothing else"),
        allow("never reached"),
    ]);
    let decided = |text| match rules.decide(&facts(text), None) {
        Decision::Allowed(rule) | Decision::Denied(rule) => rule.name.to_string(),
        Decision::Unmatched(_) => "none".into(),
    };
    assert_eq!(decided(r#"{"verb":"message","request":"Join"}"#), "joins");
    assert_eq!(
        decided(r#"{"verb":"message","request":"k\u0069ck"}"#),
        "no kicks"
    );
    assert_eq!(
        decided(r#"{"verb":"message","request":"new"}"#),
        "nothing else"
    );
}

#[test]
fn what_is_unknown_needs_an_allow_that_names_it_and_is_denied_without() {
    let (known, unknown) = (
        r#"{"verb":"a","plugin":"p","request":"r"}"#,
        [
            r#"{"verb":"new","plugin":"p","request":"r"}"#,
            r#"{"verb":"a","plugin":"new","request":"r"}"#,
            r#"{"verb":"a","plugin":"p","request":"new"}"#,
        ],
    );
    let all = MessageRules::new([allow("all")]);
    assert!(matches!(
        all.decide(&facts(known), None),
        Decision::Allowed(_)
    ));
    let none = MessageRules::new([deny("none"), allow("all")]);
    for text in unknown {
        assert!(
            matches!(all.decide(&facts(text), None), Decision::Unmatched(_)),
            "{text}"
        );
        assert!(
            matches!(none.decide(&facts(text), None), Decision::Denied(_)),
            "{text}"
        );
    }
    let named = MessageRules::new([Rule {
        requests: Names::one_of(["new"]),
        ..allow("named")
    }]);
    assert!(matches!(
        named.decide(&facts(unknown[2]), None),
        Decision::Allowed(_)
    ));
}

#[test]
fn rooms_are_typed_and_come_from_rules_or_claims() {
    let list = Rooms::OneOf([RoomId::Number(1), RoomId::Text("a".into())].into());
    let claim = Rooms::InClaims(["room_ids".into(), "context.rooms".into()].into());
    let or_any = Rooms::InClaimIfPresent("room_ids".into());
    let (one, deep) = (
        r#"{"exp":1,"room_ids":[1,"a"]}"#,
        r#"{"exp":1,"context":{"rooms":"b"}}"#,
    );
    let star = r#"{"exp":1,"room_ids":["*"]}"#;
    for (rooms, token, room, is_in) in [
        (&list, one, "1", true),
        (&list, one, "\"1\"", false),
        (&list, one, "\"a\"", true),
        (&list, one, "2", false),
        (&claim, one, "1", true),
        (&claim, one, "\"1\"", false),
        (&claim, one, "\"a\"", true),
        (&claim, one, "\"b\"", false),
        (&claim, deep, "\"b\"", true),
        (&claim, deep, "1", false),
        (&claim, star, "1", true),
        (&claim, star, "\"b\"", true),
        (&claim, r#"{"exp":1,"room_ids":null}"#, "1", false),
        (&claim, r#"{"exp":1,"room_ids":{"1":true}}"#, "1", false),
        (&claim, r#"{"exp":1,"room_ids":1.0}"#, "1", false),
        (&claim, r#"{"exp":1}"#, "1", false),
        (&or_any, r#"{"exp":1}"#, "1", true),
        (&or_any, one, "2", false),
    ] {
        let text = format!(r#"{{"verb":"a","about":1,"room":{room}}}"#);
        let rules = MessageRules::new([Rule {
            rooms: rooms.clone(),
            ..allow("rooms")
        }]);
        let decision = rules.decide(&facts(&text), Some(&claims(token)));
        assert_eq!(
            matches!(decision, Decision::Allowed(_)),
            is_in,
            "{rooms:?} {token} {room}"
        );
    }
    // Without a token no room is the token's, and a request without a room is about none.
    for (rooms, is_allowed) in [(claim, false), (or_any, false), (Rooms::Any, true)] {
        let rules = MessageRules::new([Rule {
            rooms,
            ..allow("rooms")
        }]);
        let about = r#"{"verb":"a","about":1,"room":1}"#;
        let decision = rules.decide(&facts(about), None);
        assert_eq!(matches!(decision, Decision::Allowed(_)), is_allowed);
        let decision = rules.decide(&facts(r#"{"verb":"a"}"#), None);
        assert!(matches!(decision, Decision::Allowed(_)));
    }
    let rules = MessageRules::new([Rule {
        rooms: list,
        ..deny("rooms")
    }]);
    let decision = rules.decide(&facts(r#"{"verb":"a"}"#), None);
    assert_eq!(decision, Decision::Unmatched(None));
}

#[test]
fn a_mismatch_says_what_the_token_has_instead() {
    let claim = Rooms::InClaims(["room_ids".into(), "room".into()].into());
    let list = Rooms::OneOf([RoomId::Number(1), RoomId::Text("a".into())].into());
    let long = format!(r#"{{"exp":1,"room":"{}"}}"#, "é".repeat(100));
    let cut = format!(
        "the room is another, and the token's room is \"{}…\"",
        "é".repeat(32)
    );
    let missing = "the token has no claim room_ids or room";
    for (rooms, token, room, want) in [
        (&claim, r#"{"exp":1}"#, "1", missing),
        (
            &claim,
            r#"{"exp":1,"room_ids":["2","1"]}"#,
            "1",
            "room_ids has the text \"1\", and the message the number 1",
        ),
        (
            &claim,
            r#"{"exp":1,"room":1}"#,
            r#""1""#,
            "room has the number 1, and the message the text \"1\"",
        ),
        (
            &claim,
            r#"{"exp":1,"room_ids":[2,3],"room":"a\n"}"#,
            "1",
            "the room is another, and the token's room_ids is [2,3] and room is \"a\\u000a\"",
        ),
        (&claim, &long, "1", &cut),
        (&list, r#"{"exp":1}"#, "2", "the room is another"),
        (
            &list,
            r#"{"exp":1}"#,
            r#""1""#,
            "the rule has the number 1, and the message the text \"1\"",
        ),
        (&list, r#"{"exp":1}"#, "null", "the message names no room"),
    ] {
        let text = format!(r#"{{"verb":"a","about":1,"room":{room}}}"#);
        let rooms = rooms.clone();
        let rules = MessageRules::new([Rule {
            rooms,
            ..allow("rooms")
        }]);
        let Decision::Unmatched(Some(mismatch)) = rules.decide(&facts(&text), Some(&claims(token)))
        else {
            panic!("{text}");
        };
        assert_eq!(mismatch.to_string(), want);
    }
    // A request for no room is refused by no rule about rooms, and what is unknown has to be named.
    let steps = [
        Rule {
            rooms: list,
            ..deny("no room")
        },
        Rule {
            hosts: Hosts::InClaim("hosts".into()),
            ..allow("hosts")
        },
        Rule {
            verbs: Names::one_of(["a"]),
            ..allow("unknown")
        },
    ];
    let rules = MessageRules::new(steps);
    let facts = facts(r#"{"verb":"a","plugin":"p","request":"new"}"#);
    let steps = rules.explain(&facts, None).map(|step| step.to_string());
    assert_eq!(
        steps.collect::<Vec<_>>(),
        [
            "no room: no match, the message names no room",
            "hosts: no match, the request is unknown, and has to be named in a rule",
            "unknown: no match, the request is unknown, and has to be named in a rule",
        ]
    );
}

#[test]
fn claims_are_conditions_all_of_them() {
    let claim = |path: &str, wanted| ClaimRule {
        path: path.into(),
        one_of: [wanted].into(),
    };
    let text = |text: &str| Wanted::Text(text.into());
    let rule = Rule {
        claims: [
            claim("role", text("ops")),
            claim("context.user.moderator", Wanted::Bool(true)),
            claim("name", text("*")),
        ]
        .into(),
        ..allow("moderators")
    };
    let rules = MessageRules::new([rule]);
    let mismatch = |token: Option<&str>| {
        let token = token.map(claims);
        match rules.decide(&facts(r#"{"verb":"a"}"#), token.as_ref()) {
            Decision::Unmatched(mismatch) => mismatch.unwrap().to_string(),
            _ => "allowed".into(),
        }
    };
    let moderator = r#""context":{"user":{"moderator":true}}"#;
    let all = format!(r#"{{"exp":1,"role":["ops"],"name":"x",{moderator}}}"#);
    assert_eq!(mismatch(Some(&all)), "allowed");
    let other = format!(r#"{{"exp":1,"role":"op","name":"x",{moderator}}}"#);
    assert_eq!(mismatch(Some(&other)), "the token's role is \"op\"");
    assert_eq!(
        mismatch(Some(
            r#"{"exp":1,"role":"ops","name":"x","context":{"user":{"moderator":"true"}}}"#
        )),
        "the token's context.user.moderator is \"true\""
    );
    assert_eq!(mismatch(None), "the client has no token with a claim role");
    assert_eq!(
        mismatch(Some(r#"{"exp":1}"#)),
        "the token has no claim role"
    );
}

#[test]
fn an_explanation_goes_rule_by_rule_to_the_one_that_decides() {
    let rules = MessageRules::new([
        Rule {
            verbs: Names::one_of(["b"]),
            ..deny("first")
        },
        Rule {
            without: ["x".into()].into(),
            ..allow("second")
        },
        Rule {
            hosts: Hosts::OneOf(["10.0.0.1".into()].into()),
            ..allow("third")
        },
        allow("fourth"),
        allow("fifth"),
    ]);
    let text = r#"{"verb":"a","deep":[{"x":1}],"host":"10.0.0.2"}"#;
    let facts = facts(text);
    let steps: Vec<String> = rules
        .explain(&facts, None)
        .map(|step| step.to_string())
        .collect();
    assert_eq!(
        steps,
        [
            "first: no match, the verb is another",
            "second: no match, the message has the member x",
            "third: no match, the host is another",
            "fourth: allowed",
        ]
    );
    assert!(
        matches!(rules.decide(&facts, None), Decision::Allowed(rule) if &*rule.name == "fourth")
    );
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
