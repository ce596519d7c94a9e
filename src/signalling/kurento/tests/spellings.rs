//! Files and inner hosts in all their spellings, in all places.

use super::*;

/// As they stand between the quotes of a JSON string.
const FILES: [&str; 42] = [
    "file:///etc/x",
    "FILE:///etc/x",
    "File:///etc/x",
    "fIlE:///etc/x",
    "file:/etc/x",
    "file:etc/x",
    "file://etc/x",
    "file://localhost/etc/x",
    "file://LOCALHOST/etc/x",
    "file://127.0.0.1/etc/x",
    "file:////etc/x",
    "file://///etc/x",
    "file:///etc/../etc/x",
    "file:///./etc/x",
    "file:///%65tc/x",
    "file:///etc%2fx",
    "file:///%2e%2e/etc/x",
    "\\u0066ile:///etc/x",
    "file\\u003a///etc/x",
    "file:\\/\\/\\/etc\\/x",
    "\\u0066\\u0069\\u006c\\u0065:///etc/x",
    " file:///etc/x",
    "\\tfile:///etc/x",
    "\\nfile:///etc/x",
    "file:///etc/x ",
    "file:\\\\\\\\etc\\\\x",
    "file:\\\\etc\\\\x",
    "/etc/x",
    "//etc/x",
    "../../etc/x",
    "etc/x",
    "./etc/x",
    "~/x",
    "",
    "https://media.example.com/pub/../../etc/x",
    "https://media.example.com/pub/%2e%2e/%2e%2e/etc/x",
    "file+http://media.example.com/pub/x",
    "filesrc://etc/x",
    "data:text/plain,x",
    "pipe:0",
    "newref:0",
    "resource:///etc/x",
];

const METADATA: [&str; 42] = [
    "http://169.254.169.254/",
    "HTTP://169.254.169.254/",
    "hTTp://169.254.169.254:80/",
    "http://169.254.169.254",
    "http://169.254.169.254./",
    "http://169.254.43518/",
    "http://169.16689662/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xA9FEA9FE/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://0xa9.254.169.254/",
    "http://169.254.169.0xfe/",
    "http://0251.0376.0251.0376/",
    "http://0251.254.169.254/",
    "http://025177524776/",
    "http://169.254.169.0376/",
    "http://00000251.0376.169.254/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "http://[::a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://user@169.254.169.254/",
    "http://media.example.com@169.254.169.254/",
    "http://media.example.com:443@169.254.169.254/",
    "http://169.254.169.254#@media.example.com/",
    "http://169.254.169.254\\\\@media.example.com/",
    "http://169%2e254%2e169%2e254/",
    "http://%31%36%39.254.169.254/",
    "http:\\/\\/169.254.169.254\\/",
    "\\u0068ttp://169.254.169.254/",
    "http://169.254.169\\u002e254/",
    "http://\\u2460\\u2465\\u2468.254.169.254/",
    "http://169\\u3002254\\u3002169\\u3002254/",
    "http:/169.254.169.254/",
    "http:169.254.169.254/",
    "//169.254.169.254/",
    "http:///169.254.169.254/",
    "http://metadata.google.internal/",
    "http://169.254.169.254.nip.io/",
];

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
        for uri in FILES.iter().chain(&METADATA) {
            for params in ELEMENTS {
                for form in forms(params, uri) {
                    let message = table::filled(&form);
                    for verdict in connection.sends(&message) {
                        let is_answer = matches!(verdict, Verdict::Answer { .. });
                        let is_path_only = prefixes.len() == 2
                            && uri.starts_with("https://media.example.com/pub/");
                        assert!(is_answer || is_path_only, "{prefixes:?} {message}");
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
