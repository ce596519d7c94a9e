//! Files and inner hosts in all their spellings, in all places of a message: a Kurento behind the
//! gateway opens none of them.

use serde_json::{Value, json};

use crate::support::kurento_roles::KurentoRoles;
use crate::support::rpc::Rpc;
use crate::support::{Folder, Kurento};

/// As they stand in JSON, with their quotes: those that the unit tests have.
fn unlisted() -> Vec<&'static str> {
    let lines = include_str!("../../src/signalling/kurento/tests/uris.txt").lines();
    lines.filter(|line| line.starts_with('"')).collect()
}

const LISTED: &str = r#""https://media.example.com/pub/a.webm""#;

/// Parameters with a place for a URI.
const CREATES: [&str; 7] = [
    r#"{"type":"RecorderEndpoint","constructorParams":{"mediaPipeline":"$P","uri":$U}}"#,
    r#"{"type":"PlayerEndpoint","constructorParams":{"mediaPipeline":"$P","uri":$U}}"#,
    r#"{"type":"kurento.PlayerEndpoint","constructorParams":{"uri":$U,"mediaPipeline":"$P"}}"#,
    r#"{"type":"PlayerEndpoint","constructorParams":{"mediaPipeline":"$P","uri":[$U]}}"#,
    r#"{"type":"PlayerEndpoint","constructorParams":{"mediaPipeline":"$P","uri":{"uri":$U}}}"#,
    r#"{"type":"WebRtcEndpoint","constructorParams":{"mediaPipeline":"$P"},
        "properties":{"URI":$U}}"#,
    r#"{"type":"PlayerEndpoint","constructorParams":{"mediaPipeline":"$P",
        "uri":"https://media.example.com/pub/a","ur\u0069":$U}}"#,
];
const INVOKES: [&str; 3] = [
    r#"{"object":"$F","operation":"addImage",
        "operationParams":{"id":"a","uri":$U,"keepAspectRatio":true}}"#,
    r#"{"object":"$F","operation":"setOverlayedImage","operationParams":{"x":[{"uri":$U}]}}"#,
    r#"{"object":"$F","operation":"setName","operationParams":{"name":"a"},
        "properties":{"uri":$U}}"#,
];

/// Requests that want a URI: alone, in transactions, in batches, twice, and without an answer.
fn forms(uri: &str, [pipeline, filter]: [&str; 2], id: &str) -> Vec<String> {
    let fill = |params: &str| {
        let params = params.replace("$P", pipeline).replace("$F", filter);
        params.replace("$U", uri)
    };
    let request = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"{method}","params":{params}}}"#)
    };
    let transaction = |operations: &[&str]| {
        let own = format!(r#""id":"{id}""#);
        let operations = operations.iter().enumerate();
        let numbered =
            operations.map(|(at, text)| text.replacen(&own, &format!(r#""id":{at}"#), 1));
        let operations = numbered.collect::<Vec<_>>().join(",");
        request(
            "transaction",
            &format!(r#"{{"operations":[{operations}]}}"#),
        )
    };
    let harmless = request("create", r#"{"type":"MediaPipeline"}"#);
    let creates = CREATES
        .iter()
        .map(|params| request("create", &fill(params)));
    let invokes = INVOKES
        .iter()
        .map(|params| request("invoke", &fill(params)));
    let mut forms = Vec::new();
    for alone in creates.chain(invokes) {
        let once = transaction(&[&alone]);
        forms.extend([
            transaction(&[&once]),
            transaction(&[&harmless, &transaction(&[&harmless, &alone])]),
            format!("[{alone}]"),
            format!("[{harmless},{alone}]"),
            alone.replacen(r#""params""#, r#""params":{},"params""#, 1),
            alone.replacen(r#""method""#, r#""method":"ping","m\u0065thod""#, 1),
            format!("{alone}{alone}"),
            format!("/**/{alone}"),
            once,
            alone,
        ]);
    }
    // The element is made of one that does not exist yet.
    let new = fill(CREATES[0]).replace(pipeline, "newref:0");
    forms.push(transaction(&[&harmless, &request("create", &new)]));
    forms
}

#[test]
fn no_spelling_of_a_file_or_an_inner_host_is_opened_from_any_place_of_a_message() {
    let roles = KurentoRoles::start("uris");
    // Without a list in the policy not even the listed one is opened.
    let uris = unlisted().into_iter().chain([LISTED]).collect();
    opens_nothing(&roles, "app", uris);
    opens_nothing(&roles, "media", unlisted());
    roles.kurento.collects_everything();
}

fn opens_nothing(roles: &KurentoRoles, role: &str, uris: Vec<&str>) {
    let mut ada = roles.client(role, "ada");
    let pipeline = ada.create("MediaPipeline", &json!({}));
    let filter = ada.create("ImageOverlayFilter", &json!({"mediaPipeline": pipeline}));
    let children = children_of(&mut ada, &pipeline);
    let before = roles.kurento.state();
    let mut asked = 0;
    for uri in &uris {
        for form in forms(uri, [&pipeline, &filter], &format!("f{asked}")) {
            ada.say(&form);
            asked += 1;
            // Those that cannot be read have no id. `next` fails where the socket is closed.
            let answer = ada.next().unwrap();
            assert!(answer["error"]["code"].is_i64(), "{form}: {answer}");
            assert!(answer["result"].is_null(), "{form}: {answer}");
        }
    }
    assert!(asked > 15_000, "{asked}");
    // Notifications have no answer.
    for uri in &uris {
        let params = CREATES[0].replace("$P", &pipeline).replace("$U", uri);
        ada.say(&format!(
            r#"{{"jsonrpc":"2.0","method":"create","params":{params}}}"#
        ));
    }
    // A real server says by its list that none was executed, a stand-in by its record as well.
    assert_eq!(children_of(&mut ada, &pipeline), children);
    ada.is_alive();
    if let (Some(before), Some(after)) = (before, roles.kurento.state()) {
        assert_eq!(after["opened"], json!([]));
        assert_eq!(after["sessions"], before["sessions"], "none is leaked");
        let executed = |state: &Value| state["executed"].as_array().unwrap().len();
        assert_eq!(executed(&after), executed(&before) + 1, "the list alone");
    }
}

#[test]
fn what_the_policy_lists_is_opened_and_nothing_else() {
    let roles = KurentoRoles::start("uris-listed");
    let mut ada = roles.client("media", "ada");
    let pipeline = ada.create("MediaPipeline", &json!({}));
    let filter = ada.create("ImageOverlayFilter", &json!({"mediaPipeline": pipeline}));
    for (at, form) in forms(LISTED, [&pipeline, &filter], "$N").iter().enumerate() {
        ada.say(&form.replace("$N", &format!("f{at}")));
        ada.next().unwrap();
    }
    let constructor = json!({"mediaPipeline": pipeline, "uri": "https://media.example.com/pub/a"});
    let player = ada.create("PlayerEndpoint", &constructor);
    let children = children_of(&mut ada, &pipeline);
    assert!(children.to_string().contains(&player), "{children}");
    if let Some(state) = roles.kurento.state() {
        let opened = state["opened"].as_array().unwrap();
        // Alone and in transactions, of each element that has one URI in one place.
        assert!(opened.len() > 20, "{}", opened.len());
        for one in opened {
            let uri = one["uri"].as_str().unwrap();
            assert!(uri.starts_with("https://media.example.com/pub/a"), "{one}");
        }
    }
}

fn children_of(client: &mut Rpc, pipeline: &str) -> Value {
    let params = json!({"object": pipeline, "operation": "getChildren"});
    client.gets("invoke", &params)
}

/// Otherwise the test above would prove nothing.
#[test]
fn a_kurento_that_is_reached_directly_opens_what_it_is_asked_to() {
    let folder = Folder::new("uris-direct");
    let kurento = Kurento::stand_in(&folder);
    let mut client = kurento.client("/kurento");
    let pipeline = client.create("MediaPipeline", &json!({}));
    // A reference is nothing that can be opened.
    let uris: Vec<Value> = unlisted()
        .into_iter()
        .filter(|uri| !uri.contains("newref"))
        .map(|uri| serde_json::from_str(uri).unwrap())
        .collect();
    for uri in &uris {
        let constructor = json!({"mediaPipeline": pipeline, "uri": uri});
        let create = json!({"type": "RecorderEndpoint", "constructorParams": constructor});
        let operation = |method: &str, params: &Value| -> Value {
            json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params})
        };
        let once = json!({"operations": [operation("create", &create)]});
        let twice = json!({"operations": [operation("transaction", &once)]});
        client.gets("create", &create);
        client.gets("transaction", &twice);
    }
    let state = kurento.state().unwrap();
    let opened = state["opened"].as_array().unwrap().iter();
    let opened: Vec<Value> = opened.map(|one| one["uri"].clone()).collect();
    let twice: Vec<Value> = uris
        .iter()
        .flat_map(|uri| [uri.clone(), uri.clone()])
        .collect();
    assert_eq!(opened, twice);
}
