//! One message a line, and what becomes of it.

use super::*;
use crate::signalling::rules::{Effect, Names, RoomId, Rooms, Rule};
use crate::token::claims::{ClaimRule, Wanted};

#[test]
fn every_row_of_the_table_has_the_verdict_that_it_names() {
    let rows = include_str!("table.txt").lines();
    let rows: Vec<&str> = rows
        .filter(|row| !row.is_empty() && !row.starts_with('#'))
        .collect();
    assert!(rows.len() >= 550, "{} rows", rows.len());
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let (message, want) = row.rsplit_once(" => ").unwrap();
            let got = verdict(message);
            let is_right = match want.split_once(' ') {
                Some((code, reason)) => got.starts_with(code) && got.contains(reason),
                None => got == want,
            };
            (!is_right).then(|| format!("{row}\n    is {got}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// `forward`, or the code and the reason.
fn verdict(row: &str) -> String {
    let mut words = row.splitn(3, ' ');
    let (policy, handle) = (words.next().unwrap(), words.next().unwrap());
    let body = words.next().unwrap();
    let message = match handle {
        "=" => body.to_owned(),
        "-" => with_transaction(body),
        plugin => {
            let is_it = |(_, name): &&(i64, &str)| name.ends_with(&format!(".{plugin}"));
            let (id, _) = oracle::HANDLES.iter().find(is_it).unwrap();
            with_transaction(&format!(
                r#"{{"janus":"message","session_id":1,"handle_id":{id},"body":{body}}}"#
            ))
        }
    };
    let client = client(policy);
    let verdicts = if policy.starts_with("admin-") {
        let mut api = admin_api(Some("s3cret"));
        client.sends(&mut api, &message)
    } else {
        let mut api = api(two_sessions(&client), credentials(Some("s3cret")));
        client.sends(&mut api, &message)
    };
    match &verdicts[..] {
        [Verdict::Forward(text)] => {
            assert!(text.contains("s3cret"), "{text}");
            "forward".into()
        }
        [Verdict::Answer { text, reason, .. }] => {
            let answer: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(answer["janus"], "error");
            let code = &answer["error"]["code"];
            if *code == 403 && reason.starts_with("No rule") {
                assert_eq!(answer["error"]["reason"], "Not allowed", "{row}");
            }
            format!("{code} {reason}")
        }
        other => panic!("{row}: {other:?}"),
    }
}

fn with_transaction(message: &str) -> String {
    let comma = if message == "{}" { "" } else { "," };
    format!(r#"{{"transaction":"t"{comma}{}"#, &message[1..])
}

fn client(policy: &str) -> Client {
    let rooms = Some(oracle::CLAIMS);
    let (presets, claims): (&[&str], _) = match policy {
        "caller" => (&["janus-caller"], rooms),
        "notoken" => (&["janus-caller"], None),
        "everywhere" => (&["janus-caller"], Some(r#"{"exp":1,"room":"*"}"#)),
        "moderator" => (&["janus-caller", "janus-moderator"], rooms),
        "roomadmin" => (
            &["janus-caller", "janus-room-admin"],
            Some(r#"{"exp":1,"room_ids":1234,"rtp_forward_hosts":["10.0.0.5"]}"#),
        ),
        "sfu" => (
            &["janus-plugin-sfu"],
            Some(r#"{"exp":1,"join_hub":true,"room_ids":["alpha"]}"#),
        ),
        "sfukick" => (
            &["janus-plugin-sfu"],
            Some(r#"{"exp":1,"join_hub":false,"kick_users":true,"room_ids":["alpha"]}"#),
        ),
        "sfuall" => (&["janus-plugin-sfu"], Some(r#"{"exp":1,"join_hub":true}"#)),
        "admin-observe" => (&["janus-admin-observe"], None),
        "admin-operate" => (&["janus-admin-operate"], None),
        "admin-debug" => (&["janus-admin-debug"], None),
        "admin-secrets" => (&["janus-admin-secrets"], None),
        "admin-plugin" => (&["janus-admin-message-plugin"], None),
        "everyroom" => (&["janus-caller"], Some(r#"{"exp":1,"room_ids":["*"]}"#)),
        "strict" => return Client::new("alice", strict_rules(), rooms),
        "dotted" => {
            let claims = r#"{"exp":1,"app":{"rooms":[5,"x"]}}"#;
            return Client::new("alice", rules_of_claim("app.rooms"), Some(claims));
        }
        "own" => return Client::new("alice", own_rules(), rooms),
        "admin-own" => return Client::new("alice", own_admin_rules(), rooms),
        "empty" => return Client::new("alice", MessageRules::default(), rooms),
        other => panic!("policy {other}"),
    };
    Client::new("alice", preset_rules(presets), claims)
}

/// Denials of a room and of a plugin, before the preset.
fn strict_rules() -> MessageRules {
    let closed = Rule {
        rooms: Rooms::OneOf([RoomId::Number(77)].into()),
        ..Rule::new("closed", Effect::Deny)
    };
    let no_texts = Rule {
        plugins: Names::one_of(["janus.plugin.textroom"]),
        ..Rule::new("no texts", Effect::Deny)
    };
    let caller = presets::find("janus-caller").unwrap();
    MessageRules::new([closed, no_texts].into_iter().chain(caller.rules()))
}

/// Joining the rooms of a claim.
fn rules_of_claim(path: &str) -> MessageRules {
    MessageRules::new([Rule {
        requests: Names::one_of(["join"]),
        rooms: Rooms::InClaims([path.into()].into()),
        ..Rule::new("join", Effect::Allow)
    }])
}

fn own_rules() -> MessageRules {
    let allow = |name: &str, plugin: &str, request: &str| Rule {
        verbs: Names::one_of(["message"]),
        plugins: Names::one_of([plugin]),
        requests: Names::one_of([request]),
        ..Rule::new(name, Effect::Allow)
    };
    MessageRules::new([
        Rule {
            requests: Names::one_of(["list"]),
            ..Rule::new("no lists", Effect::Deny)
        },
        allow("shows", "janus.plugin.lua", "start_show"),
        Rule {
            ptypes: Names::one_of(["subscriber"]),
            rooms: Rooms::OneOf([RoomId::Number(1234)].into()),
            ..allow("watch", "janus.plugin.videoroom", "join")
        },
        allow("exists", "janus.plugin.videoroom", "exists"),
        Rule {
            claims: [ClaimRule {
                path: "level".into(),
                one_of: [Wanted::Integer(3)].into(),
            }]
            .into(),
            ..allow("level 3", "janus.plugin.videoroom", "listparticipants")
        },
    ])
}

fn own_admin_rules() -> MessageRules {
    MessageRules::new([Rule {
        verbs: Names::one_of(["message_plugin"]),
        plugins: Names::one_of(["janus.plugin.videoroom"]),
        requests: Names::one_of(["exists"]),
        rooms: Rooms::OneOf([RoomId::Number(1234)].into()),
        ..Rule::new("exists", Effect::Allow)
    }])
}

#[test]
fn every_admin_verb_needs_the_preset_of_its_class() {
    let presets = [
        ("janus-admin-observe", Class::Observe),
        ("janus-admin-operate", Class::Operate),
        ("janus-admin-debug", Class::Debug),
        ("janus-admin-secrets", Class::Secrets),
        ("janus-admin-message-plugin", Class::MessagePlugin),
    ];
    for (preset, granted) in presets {
        let client = Client::new("alice", preset_rules(&[preset]), None);
        for (verb, class) in ADMIN_VERBS {
            let inside = match class {
                Class::MessagePlugin => {
                    r#","plugin":"janus.plugin.videoroom","request":{"request":"list"}"#
                }
                _ => "",
            };
            let message = format!(r#"{{"janus":"{verb}","transaction":"t"{inside}}}"#);
            let mut api = admin_api(None);
            match &client.sends(&mut api, &message)[..] {
                [Verdict::Forward(text)] => {
                    assert!(granted == *class && **text == *message, "{preset}: {verb}");
                }
                _ => assert_ne!(granted, *class, "{preset}: {verb}"),
            }
        }
    }
}
