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
    let is_admin = presets.iter().any(|name| name.starts_with("janus-admin"));
    let protocol = match is_admin {
        true => Protocol::JanusAdmin,
        false => Protocol::Janus,
    };
    let answer = asked.explain(protocol, message).unwrap();
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
            .explain(Protocol::Janus, &message)
            .map(|answer| answer.text);
        assert_eq!(unclear, Err(Unclear::NoPlugin));
    }
}
