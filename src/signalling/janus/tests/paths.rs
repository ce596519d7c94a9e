//! Ids in the path of a request over HTTP count as those of its message.

use super::*;
use crate::signalling::document::split;

fn judged<'m>(
    inspector: &mut impl Inspector,
    message: &'m str,
    context: &Context<'_>,
) -> Verdict<'m> {
    let document = split(message).unwrap().next().unwrap();
    inspector.inspect(Direction::ToServer, document, context)
}

/// What Janus gets of a message, or the code and the reason.
fn result(ids: (i64, i64), message: &str) -> String {
    let client = Client::caller("alice");
    let mut api = api(two_sessions(&client), Credentials::default());
    let context = Context {
        ids: path(ids),
        ..client.context(&api.backend)
    };
    match judged(&mut api.inspector, message, &context) {
        Verdict::Forward(text) => text.into(),
        Verdict::Answer { text, .. } => {
            let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
            let error = &answer["error"];
            format!("{} {}", error["code"], error["reason"].as_str().unwrap())
        }
        other => panic!("{other:?}"),
    }
}

/// A path, where 0 is no id.
fn path((session, handle): (i64, i64)) -> Ids {
    let id = |id| (id != 0).then_some(id);
    Ids {
        session: id(session),
        handle: id(handle),
    }
}

#[test]
fn ids_of_the_path_are_written_into_the_message() {
    for (ids, message, want) in [
        (
            (1, 0),
            r#"{"janus":"keepalive","transaction":"t"}"#,
            r#"{"janus":"keepalive","transaction":"t","session_id":1}"#,
        ),
        (
            (1, 11),
            r#"{"janus":"hangup","transaction":"t"}"#,
            r#"{"janus":"hangup","transaction":"t","session_id":1,"handle_id":11}"#,
        ),
        // One in the path, the other in the message.
        (
            (1, 0),
            r#"{"janus":"hangup","transaction":"t","handle_id":11}"#,
            r#"{"janus":"hangup","transaction":"t","handle_id":11,"session_id":1}"#,
        ),
        (
            (1, 11),
            r#"{"janus":"hangup","session_id":1,"handle_id":11,"transaction":"t"}"#,
            r#"{"janus":"hangup","session_id":1,"handle_id":11,"transaction":"t"}"#,
        ),
        // To Janus, null is no id.
        (
            (1, 0),
            r#"{"janus":"keepalive","session_id":null,"transaction":"t"}"#,
            r#"{"janus":"keepalive","session_id":1,"transaction":"t"}"#,
        ),
    ] {
        assert_eq!(result(ids, message), want);
    }
}

#[test]
fn a_path_and_a_message_do_not_contradict_each_other() {
    let conflict = "Conflicting session ID (payload and path)";
    for (ids, message, want) in [
        ((1, 0), r#"{"janus":"keepalive","session_id":2"#, conflict),
        ((2, 0), r#"{"janus":"keepalive","session_id":1"#, conflict),
        ((1, 0), r#"{"janus":"claim","session_id":2"#, conflict),
        (
            (1, 11),
            r#"{"janus":"hangup","handle_id":12"#,
            "Conflicting handle ID (payload and path)",
        ),
    ] {
        let message = format!(r#"{message},"transaction":"t"}}"#);
        assert_eq!(result(ids, &message), format!("457 {want}"), "{message}");
    }
    for (ids, message, want) in [
        ((1, 0), r#""keepalive","session_id":"1""#, "467"),
        ((1, 0), r#""keepalive","session_id":1.0"#, "467"),
        ((1, 0), r#""keepalive","session_id":0"#, "467"),
        ((2, 0), r#""keepalive""#, "458 No such session 2"),
        ((2, 21), r#""hangup""#, "458 No such session 2"),
        ((1, 21), r#""hangup""#, "459 No such handle 21"),
        ((1, 0), r#""create""#, "457 Unhandled request"),
        (
            (1, 11),
            r#""attach","plugin":"janus.plugin.echotest""#,
            "457",
        ),
        ((1, 0), r#""hangup""#, "457"),
    ] {
        let message = format!(r#"{{"janus":{message},"transaction":"t"}}"#);
        let got = result(ids, &message);
        assert!(got.starts_with(want), "{message}: {got}");
    }
}

#[test]
fn an_answer_of_the_gateway_names_the_session_of_the_path() {
    let client = Client::caller("alice");
    let mut api = api(two_sessions(&client), Credentials::default());
    let context = Context {
        ids: path((2, 0)),
        ..client.context(&api.backend)
    };
    for message in ["[]", "{}", r#"{"janus":"keepalive","transaction":"t"}"#] {
        let Verdict::Answer { text, .. } = judged(&mut api.inspector, message, &context) else {
            panic!("{message}");
        };
        assert!(text.contains(r#""session_id":2"#), "{text}");
    }
}

#[test]
fn the_admin_api_reads_paths_likewise() {
    let rules = preset_rules(&["janus-admin-observe", "janus-admin-debug"]);
    let client = Client::new("alice", rules, None);
    let mut api = admin_api(Some("s3cret"));
    let context = Context {
        ids: path((5, 7)),
        ..client.context(&api.backend)
    };
    let message = r#"{"janus":"handle_info","transaction":"t"}"#;
    let forwarded = judged(&mut api.inspector, message, &context);
    let ids = r#""session_id":5,"handle_id":7"#;
    let want =
        format!(r#"{{"janus":"handle_info","transaction":"t",{ids},"admin_secret":"s3cret"}}"#);
    assert_eq!(forwarded, Verdict::Forward(want.into()));
    let message = r#"{"janus":"handle_info","transaction":"t","session_id":6}"#;
    let refused = judged(&mut api.inspector, message, &context);
    assert!(
        matches!(&refused, Verdict::Answer { text, .. } if text.contains("457")),
        "{refused:?}"
    );
}
