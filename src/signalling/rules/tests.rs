//! Rules by themselves; whole messages are in `janus/tests`.

mod parameters;

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
