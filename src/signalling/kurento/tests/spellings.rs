//! Files and inner hosts in all their spellings, in all places.

use super::*;

/// URIs of files, of inner hosts, and of others that no policy here lists; as they stand between
/// the quotes of a JSON string. `tests/real` has the same ones executed by nothing.
fn unlisted() -> impl Iterator<Item = &'static str> {
    let lines = include_str!("uris.txt").lines();
    lines.filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'))
}

/// Elements that open URIs, with a place for one.
const ELEMENTS: [&str; 3] = [
    r#"{"type":"RecorderEndpoint","constructorParams":{"mediaPipeline":"$P","uri":"URI"}}"#,
    r#"{"type":"kurento.PlayerEndpoint","constructorParams":{"uri":"URI","mediaPipeline":"$P"}}"#,
    r#"{"type":"HttpPostEndpoint","properties":{"x":[{"URI":"URI"}]}}"#,
];

/// The request in every form that it can have.
fn forms(params: &str, uri: &str) -> Vec<String> {
    let with = |uri: &str| params.replace(r#":"URI""#, &format!(r#":"{uri}""#));
    let operation = |id: u8, method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
    };
    let transaction = |operation: &str| format!(r#"{{"operations":[{operation}]}}"#);
    let (bad, good) = (with(uri), with("https://media.example.com/pub/a"));
    let create = operation(0, "create", &bad);
    let once = operation(0, "transaction", &transaction(&create));
    let twice = operation(0, "transaction", &transaction(&once));
    let pipeline = operation(0, "create", r#"{"type":"MediaPipeline"}"#);
    let second = format!("{pipeline},{}", operation(1, "create", &bad));
    let twice_named = |first: &str, last: &str| {
        let both = format!(r#""uri":"{first}","uri":"{last}""#);
        operation(0, "create", &params.replace(r#""uri":"URI""#, &both))
    };
    let mut forms = vec![
        create.clone(),
        format!("[{create}]"),
        format!("[{pipeline},{create}]"),
        once,
        twice,
        operation(0, "transaction", &transaction(&second)),
        format!(r#"{{"jsonrpc":"2.0","method":"create","params":{bad}}}"#),
        create.replacen(r#""params""#, &format!(r#""params":{good},"params""#), 1),
        create.replacen(
            r#""params""#,
            &format!(r#""params":{good},"p\u0061rams""#),
            1,
        ),
    ];
    if params.contains(r#""uri":"URI""#) {
        forms.push(twice_named("https://media.example.com/pub/a", uri));
        forms.push(twice_named(uri, "https://media.example.com/pub/a"));
    }
    forms.push(operation(
        0,
        "invoke",
        &format!(r#"{{"object":"$P","operation":"addImage","operationParams":{{"uri":"{uri}"}}}}"#),
    ));
    forms
}

#[test]
fn no_spelling_of_a_file_or_an_inner_host_passes_in_any_place() {
    let policies: [&[&str]; 3] = [&[oracle::PREFIX], &["http://*/", "https://*/"], &[]];
    for prefixes in policies {
        let mut connection = Connection::with_objects(Some(preset_rules("kurento-app", prefixes)));
        for uri in unlisted() {
            for params in ELEMENTS {
                for form in forms(params, uri) {
                    let message = table::filled(&form);
                    for verdict in connection.sends(&message) {
                        let is_answer = matches!(verdict, Verdict::Answer { .. });
                        // The prefixes are for all public hosts.
                        let is_public =
                            prefixes.len() == 2 && uri.starts_with("https://media.example.com/");
                        assert!(is_answer || is_public, "{prefixes:?} {message}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_same_requests_pass_with_a_uri_that_the_policy_lists() {
    let mut connection = Connection::with_objects(Some(app_rules()));
    let mut passed = 0;
    for params in ELEMENTS {
        for form in forms(params, "https://media.example.com/pub/a") {
            let message = table::filled(&form);
            let verdicts = connection.sends(&message).into_iter();
            passed += verdicts
                .filter(|it| matches!(it, Verdict::Forward(_)))
                .count();
        }
    }
    // Alone, in three transactions, and as an operation.
    assert_eq!(passed, 5 * ELEMENTS.len());
}
