//! Who Janus learns that a client is, and what clients learn of Janus.

use super::*;
use crate::signalling::InfoPolicy;

const SERVER_INFO: &str = include_str!("info.json");

fn identifying(client: &Client) -> Gateway<Api> {
    let mut api = api(two_sessions(client), Credentials::default());
    api.backend.identify = true;
    api
}

fn attached_as(client: &Client, api: &mut Gateway<Api>, more: &str) -> serde_json::Value {
    let attach = format!(
        r#"{{"janus":"attach","transaction":"t","session_id":1,
            "plugin":"janus.plugin.echotest"{more}}}"#
    );
    let sent = client.forwards(api, &attach);
    let mut sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
    sent["opaque_id"].take()
}

#[test]
fn janus_learns_the_subject_of_the_token_and_nothing_else() {
    let client = Client::caller("alice");
    let mut api = identifying(&client);
    for claimed in [
        "",
        r#","opaque_id":"bob""#,
        r#","op\u0061que_id":"bob""#,
        r#","opaque_id":7"#,
        r#","opaque_id":null"#,
    ] {
        assert_eq!(
            attached_as(&client, &mut api, claimed),
            "alice",
            "{claimed}"
        );
    }
    let quoted = Client::new(
        "alice",
        preset_rules(&["janus-caller"]),
        Some(r#"{"exp":1,"sub":"a\"\u0001b"}"#),
    );
    assert_eq!(attached_as(&quoted, &mut api, ""), "a\"\u{1}b");
}

#[test]
fn a_client_without_a_subject_cannot_say_who_it_is() {
    for claims in [None, Some(r#"{"exp":1,"room_ids":[1]}"#)] {
        let client = Client::new("alice", preset_rules(&["janus-caller"]), claims);
        let mut api = identifying(&client);
        let claimed = r#","opaque_id":"bob""#;
        assert_eq!(
            attached_as(&client, &mut api, claimed),
            serde_json::Value::Null
        );
    }
}

#[test]
fn without_identify_the_client_says_who_it_is() {
    let client = Client::caller("alice");
    let mut api = identifying(&client);
    api.backend.identify = false;
    let claimed = r#","opaque_id":"bob""#;
    assert_eq!(attached_as(&client, &mut api, claimed), "bob");
}

#[test]
fn a_trimmed_info_has_what_clients_need_and_nothing_that_they_do_not() {
    let client = Client::caller("alice");
    let mut api = api(two_sessions(&client), Credentials::default());
    assert_eq!(client.gets(&mut api, SERVER_INFO), SERVER_INFO.trim());
    api.backend.info = InfoPolicy::Trim;
    let wanted = concat!(
        r#"{"janus":"server_info","transaction":"woWX6F00gjC","name":"Janus WebRTC Server","#,
        r#""data_channels":true,"accepting-new-sessions":true,"session-timeout":60,"#,
        r#""reclaim-session-timeout":0,"candidates-timeout":45,"full-trickle":false,"plugins":{"#,
        r#""janus.plugin.streaming":{"name":"JANUS Streaming plugin"},"#,
        r#""janus.plugin.videoroom":{"name":"JANUS VideoRoom plugin"},"#,
        r#""janus.plugin.audiobridge":{"name":"JANUS AudioBridge plugin"},"#,
        r#""janus.plugin.echotest":{"name":"JANUS EchoTest plugin"},"#,
        r#""janus.plugin.textroom":{"name":"JANUS TextRoom plugin"},"#,
        r#""janus.plugin.videocall":{"name":"JANUS VideoCall plugin"}}}"#
    );
    assert_eq!(client.gets(&mut api, SERVER_INFO), wanted);
    let mut admin = admin_api(None);
    assert_eq!(client.gets(&mut admin, SERVER_INFO), SERVER_INFO.trim());
    admin.backend.info = InfoPolicy::Trim;
    assert_eq!(client.gets(&mut admin, SERVER_INFO), wanted);
    // Whatever a plugin says stays as it is.
    let event = r#"{"janus":"event","session_id":1,"version":7,
        "plugindata":{"plugin":"p","data":{"janus":"server_info","version":1}}}"#;
    assert_eq!(client.gets(&mut api, event), event);
    let odd = r#"{"janus":"server_info","plugins":{"a\"b":{"name":7},"c":1},"version":2}"#;
    assert_eq!(
        client.gets(&mut api, odd),
        r#"{"janus":"server_info","plugins":{"a\"b":{},"c":{}}}"#
    );
}

#[test]
fn a_hidden_info_is_refused_whatever_the_rules_say() {
    let all = MessageRules::new([crate::signalling::rules::Rule::new(
        "all",
        crate::signalling::rules::Effect::Allow,
    )]);
    let client = Client::new("alice", all, None);
    let mut api = api(two_sessions(&client), Credentials::default());
    for info in [
        r#"{"janus":"info","transaction":"t"}"#,
        r#"{"janus":"INF\u004f","transaction":"t"}"#,
    ] {
        assert_eq!(client.forwards(&mut api, info), info);
        api.backend.info = InfoPolicy::Hide;
        assert_eq!(
            client.answer(&mut api, info),
            r#"{"janus":"error","transaction":"t","error":{"code":403,"reason":"Not allowed"}}"#
        );
        api.backend.info = InfoPolicy::Full;
    }
    api.backend.info = InfoPolicy::Hide;
    let ping = r#"{"janus":"ping","transaction":"t"}"#;
    assert_eq!(client.forwards(&mut api, ping), ping);
}
