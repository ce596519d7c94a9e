//! One message a line, and what becomes of it.

use super::*;
use crate::signalling::rules::{Effect, Names, Objects, ParameterRule, Rule, Uris};
use crate::token::claims::Wanted;

/// A row of the table.
pub(super) struct Row<'t> {
    pub(super) policy: &'t str,
    method: &'t str,
    params: String,
    want: &'t str,
}

impl Row<'_> {
    /// The message, with id 1 if it is written as method and parameters.
    pub(super) fn message(&self) -> String {
        match (self.method, &*self.params) {
            ("=", text) => text.to_owned(),
            (method, "-") => format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#),
            (method, params) => request(method, params),
        }
    }
}

/// A text with the ids that `$P` and the like are for.
pub(super) fn filled(text: &str) -> String {
    let endpoint =
        |root: &str| format!("{root}/22222222-2222-4222-8222-222222222222_kurento.WebRtcEndpoint");
    let recorder = format!(
        "{}/44444444-4444-4444-8444-444444444444_kurento.RecorderEndpoint",
        oracle::PIPELINE
    );
    let uri = format!("{}a.webm", oracle::PREFIX);
    text.replace("$P", oracle::PIPELINE)
        .replace("$E", &endpoint(oracle::PIPELINE))
        .replace("$R", &recorder)
        .replace("$F", oracle::FOREIGN_PIPELINE)
        .replace("$G", &endpoint(oracle::FOREIGN_PIPELINE))
        .replace("$S", oracle::SESSION)
        .replace("$T", oracle::FOREIGN_SESSION)
        .replace("$M", "manager_ServerManager")
        .replace("$U", &uri)
}

pub(super) fn rows() -> impl Iterator<Item = Row<'static>> {
    let rows = include_str!("table.txt").lines();
    let rows = rows.filter(|row| !row.is_empty() && !row.starts_with('#'));
    rows.map(|row| {
        let (message, want) = row.rsplit_once(" => ").unwrap();
        let mut words = message.splitn(3, ' ');
        Row {
            policy: words.next().unwrap(),
            method: words.next().unwrap(),
            params: filled(words.next().unwrap()),
            want,
        }
    })
}

#[test]
fn every_row_of_the_table_has_the_verdict_that_it_names() {
    let mut count = 0;
    let wrong: Vec<String> = rows()
        .filter_map(|row| {
            count += 1;
            let message = row.message();
            let got = verdict(&mut connection(row.policy), &message);
            let is_right = match row.want.split_once(' ') {
                Some((code, reason)) => got.split(' ').next() == Some(code) && got.contains(reason),
                None => got == row.want,
            };
            let Row { policy, want, .. } = row;
            (!is_right).then(|| format!("{policy} {message} => {want}\n    is {got}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(count >= 250, "{count} rows");
}

/// `forward`, or the code and the reason; `nothing` and the reason for a notification.
fn verdict(connection: &mut Connection, message: &str) -> String {
    match &connection.sends(message)[..] {
        [Verdict::Forward(text)] => {
            let forwarded: serde_json::Value = serde_json::from_str(text).unwrap();
            let mut sent: serde_json::Value = serde_json::from_str(message).unwrap();
            if forwarded["id"] != sent["id"] {
                let id = forwarded["id"].as_str().unwrap();
                assert!(id.starts_with("ianitor-0000000000000007-"), "{text}");
                sent["id"] = id.into();
            }
            assert_eq!(forwarded, sent);
            "forward".into()
        }
        [Verdict::Answer { text, reason, .. }] if text.is_empty() => format!("nothing {reason}"),
        [Verdict::Answer { text, reason, .. }] => {
            let answer: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(answer["jsonrpc"], "2.0");
            assert!(answer["error"]["data"]["type"].is_string());
            let is_single = serde_json::from_str::<serde_json::Value>(message)
                .is_ok_and(|sent| sent["id"] == 1 && sent.is_object());
            if is_single && answer["error"]["code"] != -32_700 {
                assert_eq!(answer["id"], 1, "{message}");
            } else {
                assert!(answer["id"].is_null(), "{message}");
            }
            let code = &answer["error"]["code"];
            if reason.starts_with("No rule") || reason.starts_with("Denied") {
                assert_eq!(answer["error"]["message"], "Not allowed");
            }
            format!("{code} {reason}")
        }
        other => panic!("{message}: {other:?}"),
    }
}

fn connection(policy: &str) -> Connection {
    let rules = match policy {
        "app" | "rtp" | "grace" => Some(app_rules()),
        "nouris" => Some(preset_rules("kurento-app", &[])),
        "anyhost" => Some(preset_rules("kurento-app", &["http://*/", "rtsp://*/"])),
        "operator" => Some(preset_rules("kurento-operator", &[])),
        "observe" => Some(preset_rules("kurento-observe", &[])),
        "own" => Some(own_rules()),
        "empty" => Some(MessageRules::default()),
        "norules" => None,
        other => panic!("policy {other}"),
    };
    let mut connection = Connection::with_objects(rules);
    connection.is_in_grace = policy == "grace";
    if policy == "rtp" {
        let claims = r#"{"exp":1,"rtp_endpoint":true}"#;
        connection.claims = Some(Claims::parse(claims.as_bytes()).unwrap());
    }
    connection
}

/// Rules of a policy's own.
fn own_rules() -> MessageRules {
    let allow = |name: &str, method: &str, kind: &str| Rule {
        verbs: Names::one_of([method]),
        plugins: Names::one_of([kind]),
        ..Rule::new(name, Effect::Allow)
    };
    MessageRules::new([
        Rule {
            verbs: Names::one_of(["release"]),
            plugins: Names::one_of(["MediaPipeline"]),
            ..Rule::new("pipelines stay", Effect::Deny)
        },
        allow("chroma", "create", "ChromaFilter"),
        Rule {
            requests: Names::one_of(["setBackground"]),
            uris: Uris::Below([oracle::PREFIX.parse().unwrap()].into()),
            ..allow("background", "invoke", "ChromaFilter")
        },
        Rule {
            parameters: [ParameterRule {
                path: "constructorParams.mediaProfile".into(),
                one_of: [Wanted::Text("WEBM".into()), Wanted::Text("MP4".into())].into(),
            }]
            .into(),
            ..allow("recorders", "create", "RecorderEndpoint")
        },
        Rule {
            requests: Names::one_of(["getStats"]),
            objects: Objects::Any,
            ..allow("statistics", "invoke", "WebRtcEndpoint")
        },
        Rule {
            verbs: Names::one_of(["closeSession"]),
            parameters: [ParameterRule {
                path: "release".into(),
                one_of: [Wanted::Bool(true)].into(),
            }]
            .into(),
            objects: Objects::Any,
            ..Rule::new("close", Effect::Allow)
        },
        Rule {
            verbs: Names::one_of(["describe", "transaction"]),
            ..Rule::new("describe", Effect::Allow)
        },
    ])
}

#[test]
fn an_operation_that_a_transaction_may_not_have_is_not_executed_alone_either() {
    for row in rows().filter(|row| row.method != "=" && row.params != "-") {
        let alone = verdict(&mut connection(row.policy), &row.message());
        let operation = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"{}","params":{}}}"#,
            row.method, row.params
        );
        let once = request("transaction", &format!(r#"{{"operations":[{operation}]}}"#));
        let inner = once.replacen(r#""id":1"#, r#""id":0"#, 1);
        let twice = request("transaction", &format!(r#"{{"operations":[{inner}]}}"#));
        if row.method == "transaction" || alone == "forward" {
            continue;
        }
        for message in [once, twice] {
            let got = verdict(&mut connection(row.policy), &message);
            assert_ne!(got, "forward", "{} {message}: {alone}", row.policy);
        }
    }
}
