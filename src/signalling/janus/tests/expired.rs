//! Messages of a client whose token has expired, until its connection is closed.

use super::*;

const EXPIRED: &str = r#""error":{"code":403,"reason":"The token has expired"}}"#;

/// What becomes of a message of a client in the grace period: `+` if it passes.
fn outcome(client: &Client, gateway: &mut Gateway<impl Inspector>, message: &str) -> String {
    let context = Context {
        is_in_grace: true,
        ..client.context(&gateway.backend)
    };
    let inspector = &mut gateway.inspector;
    let verdicts: Vec<_> = judge(inspector, Direction::ToServer, message, &context).collect();
    match &verdicts[..] {
        [Verdict::Forward(_)] => "+".to_owned(),
        [Verdict::Answer { text, .. }] => text.clone(),
        other => panic!("{message}: {other:?}"),
    }
}

#[test]
fn after_expiry_a_client_may_end_its_call_and_nothing_else() {
    let client = Client::caller("alice");
    let mut api = api(two_sessions(&client), Credentials::default());
    let handle = r#""session_id":1,"handle_id":11"#;
    let keep = r#""session_id":1"#;
    let body = |body: &str| format!(r#""janus":"message",{handle},"body":{body}"#);
    for (members, passes) in [
        (format!(r#""janus":"keepalive",{keep}"#), true),
        (format!(r#""janus":"KeepAlive",{keep}"#), true),
        (format!(r#""janus":"hangup",{handle}"#), true),
        (body(r#"{"request":"leave"}"#), true),
        (body(r#"{"request":"LE\u0041VE"}"#), true),
        (format!(r#""janus":"detach",{handle}"#), true),
        (format!(r#""janus":"destroy",{keep}"#), true),
        (r#""janus":"ping""#.to_owned(), false),
        (r#""janus":"info""#.to_owned(), false),
        (r#""janus":"create""#.to_owned(), false),
        (format!(r#""janus":"claim",{keep}"#), false),
        (
            format!(r#""janus":"attach",{keep},"plugin":"janus.plugin.echotest""#),
            false,
        ),
        (
            format!(r#""janus":"trickle",{handle},"candidate":{{"completed":true}}"#),
            false,
        ),
        (body(r#"{"request":"unpublish"}"#), false),
        (
            body(r#"{"request":"join","room":1234,"ptype":"publisher"}"#),
            false,
        ),
    ] {
        let message = format!(r#"{{"transaction":"t",{members}}}"#);
        let outcome = outcome(&client, &mut api, &message);
        assert!(
            if passes {
                outcome == "+"
            } else {
                outcome.ends_with(EXPIRED)
            },
            "{message}: {outcome}"
        );
        assert!(
            passes || outcome.contains(r#""transaction":"t""#),
            "{outcome}"
        );
    }
    // What another client has still belongs to that client alone.
    let foreign = r#"{"janus":"destroy","transaction":"t","session_id":2}"#;
    assert!(outcome(&client, &mut api, foreign).contains("458"));
}

#[test]
fn after_expiry_the_rules_still_decide() {
    let client = Client::new("alice", MessageRules::new([]), None);
    let mut api = api(two_sessions(&client), Credentials::default());
    let destroy = r#"{"janus":"destroy","transaction":"t","session_id":1}"#;
    assert!(outcome(&client, &mut api, destroy).contains("Not allowed"));
}

#[test]
fn after_expiry_an_administrator_may_ping() {
    let client = Client::new("root", preset_rules(&["janus-admin-observe"]), None);
    let mut api = admin_api(None);
    let ping = outcome(&client, &mut api, r#"{"janus":"ping","transaction":"t"}"#);
    assert_eq!(ping, "+");
    for verb in ["info", "list_sessions", "destroy", "leave", "detach_handle"] {
        let message = format!(r#"{{"janus":"{verb}","transaction":"t"}}"#);
        let outcome = outcome(&client, &mut api, &message);
        assert!(outcome.ends_with(EXPIRED), "{verb}: {outcome}");
    }
}
