//! Sessions over several messages.

use super::*;
use crate::signalling::{RejectedToken, RenewalFault};

const OURS: &str = "ianitor-0000000000000007-";

fn on(owners: &Arc<Owners>) -> Gateway<Api> {
    api(Arc::clone(owners), Credentials::default())
}

/// Creates a session and attaches a handle, as Janus answers.
fn call(client: &Client, api: &mut Gateway<Api>, session: i64, handle: i64, plugin: &str) {
    let sent = client.forwards(api, r#"{"janus":"create","transaction":"a"}"#);
    let number = transaction(&sent);
    client.gets(
        api,
        &format!(r#"{{"janus":"success","transaction":"{number}","data":{{"id":{session}}}}}"#),
    );
    attach(client, api, session, handle, plugin);
}

fn attach(client: &Client, api: &mut Gateway<Api>, session: i64, handle: i64, plugin: &str) {
    let attach = format!(
        r#"{{"janus":"attach","transaction":"b","session_id":{session},"plugin":"{plugin}"}}"#
    );
    let number = transaction(&client.forwards(api, &attach));
    client.gets(
        api,
        &format!(
            r#"{{"janus":"success","session_id":{session},"transaction":"{number}",
                "data":{{"id":{handle}}}}}"#
        ),
    );
}

fn transaction(message: &str) -> String {
    let message: serde_json::Value = serde_json::from_str(message).unwrap();
    message["transaction"].as_str().unwrap().to_owned()
}

fn keepalive(session: i64) -> String {
    format!(r#"{{"janus":"keepalive","transaction":"k","session_id":{session}}}"#)
}

#[test]
fn a_message_that_needs_no_change_goes_on_as_it_is() {
    let client = Client::caller("alice");
    let mut api = on(&two_sessions(&client));
    let message = r#" {"janus" : "message","transaction":"t","session_id":1,"handle_id":11,
        "body":{"request":"j\u006fin","room":1234,"ptype":"publisher"},
        "jsep":{"type":"offer","sdp":"v=0\r\no=- 9007199254740993 \u0041"}} "#;
    assert_eq!(client.forwards(&mut api, message), message.trim());
}

#[test]
fn several_documents_are_judged_one_by_one_and_go_on_one_by_one() {
    let client = Client::caller("alice");
    let mut api = on(&two_sessions(&client));
    let kick = r#"{"janus":"message","transaction":"x","session_id":1,"handle_id":11,
        "body":{"request":"kick","room":1234,"id":7}}"#;
    let message = format!("{}{kick}[1] {}", keepalive(1), keepalive(1));
    let verdicts = client.sends(&mut api, &message);
    assert!(matches!(&verdicts[0], Verdict::Forward(text) if **text == *keepalive(1)));
    assert!(
        matches!(&verdicts[1], Verdict::Answer { text, .. } if text ==
        concat!(r#"{"janus":"error","session_id":1,"transaction":"x","#,
            r#""error":{"code":403,"reason":"Not allowed"}}"#))
    );
    assert!(
        matches!(&verdicts[2], Verdict::Answer { text, .. } if text ==
        r#"{"janus":"error","error":{"code":455,"reason":"JSON error: not an object"}}"#)
    );
    assert!(matches!(&verdicts[3], Verdict::Forward(text) if **text == *keepalive(1)));
    // Fifty of them, and nothing at all of a message that does not end as it should.
    assert_eq!(client.sends(&mut api, &keepalive(1).repeat(50)).len(), 50);
    let broken = format!("{}{{", keepalive(1).repeat(50));
    assert!(client.answer(&mut api, &broken).contains(r#""code":454"#));
}

#[test]
fn refusals_are_the_words_of_janus() {
    let client = Client::caller("alice");
    let mut api = on(&two_sessions(&client));
    for (message, want) in [
        (
            r#"{"janus":"claim","session_id":999,"transaction":"t\u0034\""}"#,
            concat!(
                r#"{"janus":"error","session_id":999,"transaction":"t\u0034\"","#,
                r#""error":{"code":458,"reason":"No such session 999"}}"#
            ),
        ),
        (
            r#"{"janus":"detach","session_id":1,"handle_id":5,"transaction":""}"#,
            concat!(
                r#"{"janus":"error","session_id":1,"transaction":"","#,
                r#""error":{"code":459,"reason":"No such handle 5 in session 1"}}"#
            ),
        ),
        (
            r#"{"janus":"cl\"aim","transaction":7}"#,
            concat!(
                r#"{"janus":"error","error":{"code":467,"#,
                r#""reason":"Invalid element type (transaction should be a string)"}}"#
            ),
        ),
        (
            r#"{"janus":"ping","session_id":1,"transaction":"t"}"#,
            concat!(
                r#"{"janus":"error","session_id":1,"transaction":"t","#,
                r#""error":{"code":457,"reason":"Unhandled request 'ping' at this path"}}"#
            ),
        ),
        (
            "{\"janus\":",
            concat!(
                r#"{"janus":"error","error":{"code":454,"#,
                r#""reason":"Invalid JSON: unexpected end at byte 9"}}"#
            ),
        ),
    ] {
        assert_eq!(client.answer(&mut api, message), want);
    }
}

#[test]
fn a_session_belongs_to_its_subject_on_every_connection() {
    let owners = Owners::new(Limits::default());
    let (alice, bob) = (Client::caller("alice"), Client::caller("bob"));
    let (mut one, mut two, mut other) = (on(&owners), on(&owners), on(&owners));
    call(&alice, &mut one, 5678, 90, "janus.plugin.videoroom");
    // Alice again, after her socket was lost.
    let claim = r#"{"janus":"claim","transaction":"c","session_id":5678}"#;
    assert_eq!(alice.forwards(&mut two, claim), claim);
    for message in [
        claim.to_owned(),
        keepalive(5678),
        r#"{"janus":"destroy","transaction":"c","session_id":5678}"#.into(),
        r#"{"janus":"detach","transaction":"c","session_id":5678,"handle_id":90}"#.into(),
        r#"{"janus":"attach","transaction":"c","session_id":5678,
            "plugin":"janus.plugin.echotest"}"#
            .into(),
    ] {
        let answer = bob.answer(&mut other, &message);
        assert!(answer.contains("No such session 5678"), "{answer}");
        // The same as for one that does not exist.
        let made_up = message.replace("5678", "8765");
        assert_eq!(
            answer.replace("5678", "8765"),
            bob.answer(&mut other, &made_up)
        );
    }
}

#[test]
fn the_client_sees_its_own_transactions_only() {
    let owners = Owners::new(Limits::default());
    let client = Client::caller("alice");
    let mut api = on(&owners);
    let sent = client.forwards(&mut api, r#"{"transaction":"t\u0031","janus":"create"}"#);
    assert_eq!(
        sent,
        format!(r#"{{"transaction":"{OURS}1","janus":"create"}}"#)
    );
    let answer = format!(r#"{{"janus":"success","transaction":"{OURS}1","data":{{"id":5678}}}}"#);
    assert_eq!(
        client.gets(&mut api, &answer),
        r#"{"janus":"success","transaction":"t\u0031","data":{"id":5678}}"#
    );
    // A second answer passes as it is, and an error comes back with the client's transaction too.
    assert_eq!(client.gets(&mut api, &answer), answer);
    client.forwards(&mut api, r#"{"janus":"create","transaction":"t2"}"#);
    assert_eq!(
        client.gets(
            &mut api,
            &format!(r#"{{"janus":"error","transaction":"{OURS}2","error":{{"code":472}}}}"#)
        ),
        r#"{"janus":"error","transaction":"t2","error":{"code":472}}"#
    );
    assert_eq!(
        owners.sessions(),
        1,
        "the place of the second is free again"
    );
}

#[test]
fn a_handle_has_the_plugin_that_it_was_attached_to_in_whatever_order_answers_come() {
    let owners = Owners::new(Limits::default());
    let client = Client::caller("alice");
    let mut api = on(&owners);
    call(&client, &mut api, 1, 10, "janus.plugin.echotest");
    let attach = |plugin: &str| {
        format!(r#"{{"janus":"attach","transaction":"same","session_id":1,"plugin":"{plugin}"}}"#)
    };
    let first = transaction(&client.forwards(&mut api, &attach("janus.plugin.videoroom")));
    let second = transaction(&client.forwards(&mut api, &attach("janus.plugin.echotest")));
    // An error for something else with the client's transaction changes nothing.
    client.gets(
        &mut api,
        r#"{"janus":"error","session_id":1,"transaction":"same","error":{"code":460}}"#,
    );
    for (transaction, handle) in [(second, 12), (first, 11)] {
        client.gets(
            &mut api,
            &format!(
                r#"{{"janus":"success","session_id":1,"transaction":"{transaction}",
                    "data":{{"id":{handle}}}}}"#
            ),
        );
    }
    let message = |handle: i64| {
        format!(
            r#"{{"janus":"message","transaction":"m","session_id":1,"handle_id":{handle},
                "body":{{"request":"kick","room":1234}}}}"#
        )
    };
    let reason =
        |api: &mut Gateway<Api>, handle| match client.sends(api, &message(handle)).remove(0) {
            Verdict::Answer { reason, .. } => reason,
            other => panic!("{other:?}"),
        };
    assert_eq!(
        &*reason(&mut api, 11),
        "No rule matches: the request is another"
    );
    assert_eq!(
        &*reason(&mut api, 12),
        "No rule matches: the request is unknown, and has to be named in a rule"
    );
    assert!(
        owners
            .find(client.owner, 1, Some(11), client.now)
            .unwrap()
            .handle
            .unwrap()
            .plugin
            .contains("videoroom")
    );
    assert!(
        owners
            .find(client.owner, 1, Some(12), client.now)
            .unwrap()
            .handle
            .unwrap()
            .plugin
            .contains("echotest")
    );
}

#[test]
fn a_session_is_forgotten_when_janus_says_that_it_is_over() {
    for over in [
        r#"{"janus":"timeout","session_id":1}"#,
        r#"[{"janus":"event","session_id":1},{"janus":"timeout","session_id":1}]"#,
        r#"{"janus":"error","session_id":1,"transaction":"k",
            "error":{"code":458,"reason":"No such session 1"}}"#,
    ] {
        let owners = Owners::new(Limits::default());
        let client = Client::caller("alice");
        let mut api = on(&owners);
        call(&client, &mut api, 1, 10, "janus.plugin.echotest");
        assert_eq!(
            client.gets(&mut api, r#"{"janus":"keepalive"}"#),
            r#"{"janus":"keepalive"}"#
        );
        assert_eq!(client.forwards(&mut api, &keepalive(1)), keepalive(1));
        assert_eq!(client.gets(&mut api, over), over);
        assert!(
            client
                .answer(&mut api, &keepalive(1))
                .contains("No such session 1"),
            "{over}"
        );
        assert!(owners.sessions() == 0);
    }
}

#[test]
fn destroy_and_detach_count_when_janus_has_done_them() {
    let owners = Owners::new(Limits::default());
    let client = Client::caller("alice");
    let mut api = on(&owners);
    call(&client, &mut api, 1, 10, "janus.plugin.echotest");
    attach(&client, &mut api, 1, 11, "janus.plugin.echotest");
    attach(&client, &mut api, 1, 12, "janus.plugin.echotest");
    let done = |number: &str, kind: &str| {
        format!(r#"{{"janus":"{kind}","session_id":1,"transaction":"{number}"}}"#)
    };
    let has = |handle| {
        owners
            .find(client.owner, 1, Some(handle), client.now)
            .is_ok()
    };
    let detach = r#"{"janus":"detach","transaction":"d","session_id":1,"handle_id":10}"#;
    let number = transaction(&client.forwards(&mut api, detach));
    assert!(has(10));
    client.gets(&mut api, &done(&number, "success"));
    assert!(!has(10) && has(11));
    client.gets(
        &mut api,
        r#"{"janus":"detached","session_id":1,"sender":11}"#,
    );
    assert!(!has(11) && has(12));
    let destroy = r#"{"janus":"destroy","transaction":"d","session_id":1}"#;
    let number = transaction(&client.forwards(&mut api, destroy));
    client.gets(&mut api, &done(&number, "error"));
    assert!(has(12), "it failed");
    let number = transaction(&client.forwards(&mut api, destroy));
    client.gets(&mut api, &done(&number, "success"));
    assert!(!has(12) && owners.sessions() == 0);
}

#[test]
fn nothing_grows_without_bound() {
    let owners = Owners::new(Limits {
        sessions_per_owner: 100,
        ..Limits::default()
    });
    let client = Client::caller("alice");
    let create = r#"{"janus":"create","transaction":"t"}"#;
    let mut first = on(&owners);
    let passed =
        (0..200).filter(|_| matches!(client.sends(&mut first, create)[..], [Verdict::Forward(_)]));
    assert_eq!(passed.count(), 64, "unanswered on one connection");
    let mut second = on(&owners);
    let passed =
        (0..200).filter(|_| matches!(client.sends(&mut second, create)[..], [Verdict::Forward(_)]));
    assert_eq!(passed.count(), 36, "of one client");
    assert!(client.answer(&mut second, create).contains(r#""code":472"#));
    // A connection that ends takes what it waited for with it.
    drop((first, second));
    assert!(owners.sessions() == 0);
}

#[test]
fn secrets_are_put_into_each_message_and_the_clients_are_dropped() {
    let client = Client::caller("alice");
    let signer = TokenSigner::new(&Secret::new("tokensecret".into()));
    let credentials = Credentials {
        secret: Some(Secret::new("s3cret".into())),
        signer: Some(signer),
    };
    let mut api = super::api(two_sessions(&client), credentials);
    let message = r#"{"janus":"hangup","token":"mine","apisecret":"guess","session_id":1,
        "transaction":"t","handle_id":11}"#;
    let sent: serde_json::Value =
        serde_json::from_str(&client.forwards(&mut api, message)).unwrap();
    assert_eq!(sent["apisecret"], "s3cret");
    let token = sent["token"].as_str().unwrap();
    assert!(token.starts_with("1795283569,janus:"), "{token}");
    assert_eq!(sent["transaction"], "t");
    // The token of an attach is good for its plugin and for no other.
    let message = r#"{"janus":"attach","session_id":1,"transaction":"t",
        "plugin":"janus.plugin.echotest"}"#;
    let sent: serde_json::Value =
        serde_json::from_str(&client.forwards(&mut api, message)).unwrap();
    let token = sent["token"].as_str().unwrap();
    let start = "1795283569,janus,janus.plugin.echotest:";
    assert!(token.starts_with(start), "{token}");
    // Of the admin API the tokens are what the verbs are about.
    let admin = Client::new("alice", preset_rules(&["janus-admin-secrets"]), None);
    let mut api = admin_api(Some("s3cret"));
    assert_eq!(
        admin.forwards(
            &mut api,
            r#"{"janus":"add_token","token":"abc","admin_secret":"guess","transaction":"t"}"#
        ),
        r#"{"janus":"add_token","token":"abc","admin_secret":"s3cret","transaction":"t"}"#
    );
}

#[test]
fn a_token_for_the_gateway_never_reaches_janus_and_one_of_janus_does() {
    let client = Client::caller("alice");
    let mut api = on(&two_sessions(&client));
    let token = r#"{"janus":"keepalive","transaction":"t","session_id":1,"token":"stored"}"#;
    let with = |token, api: &mut Gateway<Api>, message: &str| {
        let context = Context {
            token,
            ..client.context(&api.backend)
        };
        let mut verdicts = judge(&mut api.inspector, Direction::ToServer, message, &context);
        match verdicts.next().unwrap() {
            Verdict::Forward(text) => text.into_owned(),
            Verdict::Answer { text, reason, .. } => format!("{text} {reason}"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with(MessageToken::Absent, &mut api, token), token);
    assert_eq!(
        with(MessageToken::Accepted, &mut api, token),
        keepalive_of("t")
    );
    // The reason is for the log.
    let older = RejectedToken {
        fault: RenewalFault::NotLater,
        detail: "it is older".into(),
    };
    assert_eq!(
        with(MessageToken::Rejected(&older), &mut api, token),
        concat!(
            r#"{"janus":"error","session_id":1,"transaction":"t","#,
            r#""error":{"code":403,"reason":"The token is not accepted"}} "#,
            "The token is not accepted: it is older"
        )
    );
}

fn keepalive_of(transaction: &str) -> String {
    format!(r#"{{"janus":"keepalive","transaction":"{transaction}","session_id":1}}"#)
}

#[test]
fn what_janus_says_reaches_the_client_even_if_it_cannot_be_read() {
    let client = Client::caller("alice");
    let mut api = on(&Owners::new(Limits::default()));
    for message in [
        "{\"janus\":\"event\",\"a\":1,\"a\":2}",
        "not JSON",
        "[]",
        "1",
    ] {
        assert_eq!(client.gets(&mut api, message), message);
    }
}

#[test]
fn an_id_of_another_clients_session_cannot_be_proposed() {
    let client = Client::caller("alice");
    let mut api = api(two_sessions(&client), Credentials::default());
    let create = |id: &str| format!(r#"{{"janus":"create","transaction":"t","id":{id}}}"#);
    let answer = client.answer(&mut api, &create("2"));
    assert!(
        answer.contains(r#"{"code":468,"reason":"Session ID 2 already in use"}"#),
        "{answer}"
    );
    let message = create("2");
    let verdicts = client.sends(&mut api, &message);
    let Verdict::Answer { reason, .. } = &verdicts[0] else {
        panic!("{verdicts:?}")
    };
    assert_eq!(&**reason, "Session ID already in use", "no log has the id");
    for id in ["1", "3"] {
        client.forwards(&mut api, &create(id));
    }
    // Janus would answer these without the transaction, and nothing would end the wait for it.
    for id in ["-5", "\"2\"", "1.5", "{}", "9007199254740993"] {
        let answer = client.answer(&mut api, &create(id));
        assert!(answer.contains(r#"{"code":467,"#), "{answer}");
    }
    // What another server of the upstream says about its own session 2 is nothing to Bob.
    client.gets(&mut api, r#"{"janus":"timeout","session_id":2}"#);
    let bob = Owner::of_subject("test", "other");
    let owners = &api.backend.owners;
    assert!(owners.find(bob, 2, Some(21), client.now).is_ok());
}

#[test]
fn a_call_without_an_answer_counts_for_a_minute() {
    let mut client = Client::caller("alice");
    let mut api = api(two_sessions(&client), Credentials::default());
    let create = r#"{"janus":"create","transaction":"t"}"#;
    for _ in 0..64 {
        client.forwards(&mut api, create);
    }
    assert!(
        client
            .answer(&mut api, create)
            .contains("wait for an answer")
    );
    client.now += std::time::Duration::from_secs(60);
    client.forwards(&mut api, create);
    assert_eq!(api.backend.owners.sessions(), 2 + 1);
}

#[test]
fn what_is_kept_for_an_answer_is_short() {
    let client = Client::caller("alice");
    let mut api = api(two_sessions(&client), Credentials::default());
    let long = "t".repeat(1023);
    let create = format!(r#"{{"janus":"create","transaction":"{long}"}}"#);
    assert!(client.answer(&mut api, &create).contains(r#"{"code":467,"#));
    let plugin = "p".repeat(257);
    let attach =
        format!(r#"{{"janus":"attach","transaction":"t","session_id":1,"plugin":"{plugin}"}}"#);
    assert!(without_rules(&mut api, &attach).contains(r#"{"code":467,"#));
}

/// The answer to a message of a client without rules.
fn without_rules(api: &mut Gateway<Api>, message: &str) -> String {
    let client = Client::caller("alice");
    let context = Context {
        rules: None,
        ..client.context(&api.backend)
    };
    let mut verdicts = judge(&mut api.inspector, Direction::ToServer, message, &context);
    match verdicts.next() {
        Some(Verdict::Answer { text, .. }) => text,
        other => panic!("{other:?}"),
    }
}
