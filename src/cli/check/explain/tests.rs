use ianitor::signalling::janus::Unclear;
use ianitor::signalling::presets;

use super::*;

fn rules(names: &[&str]) -> MessageRules {
    let presets = names.iter().map(|name| presets::find(name).unwrap());
    MessageRules::new(presets.flat_map(presets::Preset::rules))
}

fn explained(presets: &[&str], plugin: Option<&str>, message: &str) -> (String, bool) {
    let claims = Claims::parse(br#"{"exp":1,"room_ids":[1234]}"#).unwrap();
    let asked = Asked {
        rules: &rules(presets),
        claims: Some(&claims),
        plugin: plugin.map(|name| full_name(name).unwrap()),
    };
    let protocols = presets
        .iter()
        .map(|name| presets::find(name).unwrap().protocol);
    let protocols: Vec<Protocol> = protocols.collect();
    let answer = asked.explain(&protocols, message).unwrap();
    (answer.text, answer.passes)
}

#[test]
fn each_rule_has_a_line_up_to_the_one_that_decides() {
    let message = r#"{"janus":"message","transaction":"t","body":{"request":"KICK","room":1234}}"#;
    let (text, passes) = explained(&["janus-moderator"], Some("audiobridge"), message);
    assert!(passes);
    assert_eq!(
        text,
        "a message to Janus\n\
         \x20 verb message\n\
         \x20 plugin janus.plugin.audiobridge\n\
         \x20 request kick\n\
         \x20 room 1234\n\
         \x20 janus-moderator.1: no match, the plugin is another\n\
         \x20 janus-moderator.2: allowed\n\
         would pass, by janus-moderator.2\n"
    );
}

#[test]
fn of_several_messages_each_is_explained_and_the_closest_rule_is_named() {
    let messages = r#"{"janus":"create","transaction":"1"}
        {"janus":"message","transaction":"2","body":{"request":"join","room":"1234"}}
        {"janus":"message","transaction":"3","body":{"request":"join"}}
        {"janus":"message","transaction":"4","body":{"request":"dance","room":1234}}
        []"#;
    let (text, passes) = explained(&["janus-caller"], Some("janus.plugin.videoroom"), messages);
    assert!(!passes);
    let ends: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("would"))
        .collect();
    assert_eq!(
        ends,
        [
            "would pass, by janus-caller.1",
            "would be refused: no rule matches; janus-caller.3 comes closest: room_ids has the \
             number 1234, and the message the text \"1234\"",
            "would be refused: The request does not name its room",
            "would be refused: no rule matches; janus-caller.3 comes closest: the request is \
             another",
            "would be refused: JSON error: not an object",
        ]
    );
    assert!(text.contains("  room \"1234\"\n") && text.contains("  request dance (unknown)\n"));
}

#[test]
fn the_admin_api_has_no_handles_and_what_cannot_be_read_is_refused() {
    let list = r#"{"janus":"list_sessions","transaction":"t"}"#;
    let (text, passes) = explained(&["janus-admin-observe"], None, list);
    assert!(
        passes && text.starts_with("a message to Janus' admin API\n"),
        "{text}"
    );
    let (text, passes) = explained(&["janus-admin-observe"], None, "{\"janus\":");
    assert!(
        !passes && text.starts_with("would be refused: Invalid JSON: "),
        "{text}"
    );
}

#[test]
fn a_message_for_a_handle_needs_its_plugin() {
    let asked = Asked {
        rules: &rules(&["janus-caller"]),
        claims: None,
        plugin: None,
    };
    for verb in ["message", "trickle", "HANGUP", "detach"] {
        let message = format!(r#"{{"janus":"{verb}","transaction":"t"}}"#);
        let unclear = asked
            .explain(&[Protocol::Janus], &message)
            .map(|answer| answer.text);
        assert_eq!(unclear, Err(Unclear::NoPlugin));
    }
}

#[test]
fn a_request_to_kurento_is_explained_operation_by_operation() {
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"transaction","params":{"operations":[
        {"jsonrpc":"2.0","id":0,"method":"create","params":{"type":"MediaPipeline"}},
        {"jsonrpc":"2.0","id":1,"method":"create","params":{"type":"PlayerEndpoint",
            "constructorParams":{"mediaPipeline":"newref:0","uri":"file:///etc/passwd"}}},
        {"jsonrpc":"2.0","id":2,"method":"invoke","params":
            {"object":"newref:1","operation":"play"}}]}}"#;
    let (text, passes) = explained(&["kurento-app"], None, message);
    assert!(!passes);
    let start = "\
a request to Kurento
  method transaction
  kurento-app.1: allowed
would pass, by kurento-app.1
an operation in its transaction (depth 1)
  method create
  type MediaPipeline
  kurento-app.1: no match, the method is another
  kurento-app.2: allowed
would pass, by kurento-app.2
an operation in its transaction (depth 1)
  method create
  type PlayerEndpoint
  uri \"file:///etc/passwd\"
  kurento-app.1: no match, the method is another
  kurento-app.2: no match, the member uri is not allowed, for the policy has no uris
";
    assert!(text.starts_with(start), "{text}");
    assert!(text.ends_with("would pass, by kurento-app.5\n"), "{text}");
}

#[test]
fn of_a_policy_for_both_servers_each_message_is_explained_for_its_own() {
    let messages = r#"{"janus":"create","transaction":"1"}
        {"jsonrpc":"2.0","id":1,"method":"ping"}
        {"jsonrpc":"2.0","id":1,"method":"pong"}"#;
    let (text, passes) = explained(&["janus-caller", "kurento-app"], None, messages);
    assert!(!passes);
    let lines = text.lines().filter(|line| !line.starts_with(' '));
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [
            "a message to Janus",
            "would pass, by janus-caller.1",
            "a request to Kurento",
            "would pass, by kurento-app.1",
            "a request to Kurento",
            "would be refused: Method not found",
        ]
    );
}

#[test]
fn a_renewal_is_answered_by_the_gateway_where_the_policy_has_it() {
    let answer = |renew_in_band: bool, params: &str| {
        let asked = Asked {
            rules: &rules(&["kurento-app"]).with_renewal_in_band(renew_in_band),
            claims: None,
            plugin: None,
        };
        let message =
            format!(r#"{{"jsonrpc":"2.0","id":5,"method":"ianitor.renew","params":{params}}}"#);
        let answer = asked.explain(&[Protocol::Kurento], &message).unwrap();
        let start = "a request to Kurento\n  method ianitor.renew\n";
        let text = answer.text.strip_prefix(start).unwrap().to_owned();
        (text, answer.passes)
    };
    let token = r#"{"token":"a.b.c"}"#;
    let answered = "would be answered by the gateway, which judges the new token\n";
    assert_eq!(answer(true, token), (answered.to_owned(), true));
    let (text, passes) = answer(true, "{}");
    assert!(!passes && text.contains("token"), "{text}");
    let refused = "would be refused: Method not found; the gateway answers it if the policy has \
                   renew_in_band = true\n";
    assert_eq!(answer(false, token), (refused.to_owned(), false));
}
