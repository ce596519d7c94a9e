//! Several messages in order: what is remembered and what is forgotten.

use super::*;

fn pair() -> (Connection, Connection) {
    let owners = Owners::new(Limits::default());
    (
        Connection::new(&owners, "alice", Some(app_rules())),
        Connection::new(&owners, "bob", Some(app_rules())),
    )
}

/// The id in a message.
fn id_of(message: &str) -> String {
    let message: serde_json::Value = serde_json::from_str(message).unwrap();
    message["id"].to_string()
}

/// KMS' answer with a value, to a request as KMS got it.
fn answer_to(forwarded: &str, value: &str, session: &str) -> String {
    let id = id_of(forwarded);
    format!(r#"{{"id":{id},"jsonrpc":"2.0","result":{{"value":{value},"sessionId":"{session}"}}}}"#)
}

fn error_to(forwarded: &str, code: u32) -> String {
    let id = id_of(forwarded);
    format!(r#"{{"id":{id},"jsonrpc":"2.0","error":{{"code":{code},"message":"x"}}}}"#)
}

const CREATE: &str =
    r#"{"jsonrpc":"2.0","id":"a\u0062","method":"create","params":{"type":"MediaPipeline"}}"#;

/// Creates a pipeline in a session.
fn create(connection: &mut Connection, pipeline: &str, session: &str) {
    let forwarded = connection.forwards(CREATE);
    connection.gets(&answer_to(&forwarded, &format!("\"{pipeline}\""), session));
}

fn release(pipeline: &str) -> String {
    request("release", &format!(r#"{{"object":"{pipeline}"}}"#))
}

const NOT_FOUND: &str = concat!(
    r#"{"id":1,"jsonrpc":"2.0","error":{"code":40101,"message":"Object not found","#,
    r#""data":{"type":"MEDIA_OBJECT_NOT_FOUND"}}}"#
);
const NO_SESSION: &str = concat!(
    r#"{"id":1,"jsonrpc":"2.0","error":{"code":40007,"message":"Invalid session","#,
    r#""data":{"type":"INVALID_SESSION"}}}"#
);

#[test]
fn an_object_belongs_to_the_client_that_created_it_until_it_is_released() {
    let (mut alice, mut bob) = pair();
    let forwarded = alice.forwards(CREATE);
    assert!(forwarded.contains(r#""id":"ianitor-"#), "{forwarded}");
    let value = format!("\"{}\"", oracle::PIPELINE);
    let answer = answer_to(&forwarded, &value, oracle::SESSION);
    let got = alice.gets(&answer);
    assert!(
        got.starts_with(r#"{"id":"a\u0062","jsonrpc":"2.0","result":"#),
        "{got}"
    );
    for message in [
        release(oracle::PIPELINE),
        table::filled(&request("describe", r#"{"object":"$E"}"#)),
        table::filled(&request(
            "invoke",
            r#"{"object":"$P","operation":"getName"}"#,
        )),
        table::filled(&request(
            "create",
            r#"{"type":"WebRtcEndpoint","constructorParams":{"mediaPipeline":"$P"}}"#,
        )),
    ] {
        assert_eq!(bob.answer(&message), NOT_FOUND);
        alice.forwards(&message);
    }
    let forwarded = alice.forwards(&release(oracle::PIPELINE));
    alice.gets(&error_to(&forwarded, 40_001));
    let forwarded = alice.forwards(&release(oracle::PIPELINE));
    alice.gets(&answer_to(&forwarded, "null", oracle::SESSION));
    assert_eq!(alice.answer(&release(oracle::PIPELINE)), NOT_FOUND);
    // The place of the endpoint, whose answer has not come.
    assert_eq!(alice.backend.owners.handles(), 1);
}

#[test]
fn a_session_belongs_to_the_client_on_whatever_connection_it_comes_back() {
    let (mut alice, mut bob) = pair();
    create(&mut alice, oracle::PIPELINE, oracle::SESSION);
    let owners = Arc::clone(&alice.backend.owners);
    drop(alice);
    let connect = table::filled(&request("connect", r#"{"sessionId":"$S"}"#));
    assert_eq!(bob.answer(&connect), NO_SESSION);
    let mut again = Connection::new(&owners, "alice", Some(app_rules()));
    let forwarded = again.forwards(&connect);
    again.gets(&answer_to(&forwarded, "null", oracle::SESSION));
    let forwarded = again.forwards(&release(oracle::PIPELINE));
    // After the session is gone, nothing in it is the client's.
    again.gets(&answer_to(&forwarded, "null", oracle::SESSION));
    create(&mut again, oracle::PIPELINE, oracle::SESSION);
    let forwarded = again.forwards(&connect);
    again.gets(&error_to(&forwarded, 40_007));
    assert_eq!(again.answer(&connect), NO_SESSION);
    assert_eq!(again.answer(&release(oracle::PIPELINE)), NOT_FOUND);
    assert_eq!((owners.sessions(), owners.handles()), (0, 0));
}

#[test]
fn a_session_that_is_closed_is_forgotten_with_its_objects() {
    for params in ["{}", r#"{"sessionId":"$S","release":false}"#] {
        let (mut alice, _) = pair();
        create(&mut alice, oracle::PIPELINE, oracle::SESSION);
        let forwarded = alice.forwards(&table::filled(&request("closeSession", params)));
        let id = id_of(&forwarded);
        alice.gets(&format!(r#"{{"id":{id},"jsonrpc":"2.0","result":null}}"#));
        assert_eq!(alice.answer(&release(oracle::PIPELINE)), NOT_FOUND);
        let message = table::filled(&request("keepAlive", r#"{"sessionId":"$S"}"#));
        assert_eq!(alice.answer(&message), NO_SESSION);
        // A place is kept for the session that the connection opens next.
        assert!(alice.backend.owners.sessions() <= 1);
        assert_eq!(alice.backend.owners.handles(), 0);
    }
}

#[test]
fn an_object_in_a_session_that_another_connection_has_closed_is_the_client_s() {
    let (mut first, mut bob) = pair();
    create(&mut first, oracle::PIPELINE, oracle::SESSION);
    let owners = Arc::clone(&first.backend.owners);
    let mut second = Connection::new(&owners, "alice", Some(app_rules()));
    let close = table::filled(&request("closeSession", r#"{"sessionId":"$S"}"#));
    for is_created_before in [false, true] {
        let forwarded = second.forwards(&close);
        // KMS opens the session again, whether the request comes before or after the answer.
        let before = is_created_before.then(|| first.forwards(CREATE));
        second.gets(&answer_to(&forwarded, "null", oracle::SESSION));
        assert_eq!(owners.handles(), usize::from(is_created_before));
        let forwarded = before.unwrap_or_else(|| first.forwards(CREATE));
        let value = format!("\"{}\"", oracle::FOREIGN_PIPELINE);
        first.gets(&answer_to(&forwarded, &value, oracle::SESSION));
        assert_eq!((owners.sessions(), owners.handles()), (1, 1));
        assert_eq!(bob.answer(&release(oracle::FOREIGN_PIPELINE)), NOT_FOUND);
        first.forwards(&release(oracle::FOREIGN_PIPELINE));
        let ping = request("ping", r#"{"sessionId":"$S"}"#);
        first.forwards(&table::filled(&ping));
    }
    drop((first, second));
    let later = Instant::now() + std::time::Duration::from_secs(601);
    (0..1024).for_each(|number| owners.sweep(number, later));
    assert_eq!(owners.handles(), 0);
}

#[test]
fn an_object_that_a_transaction_creates_after_it_has_closed_the_session_is_the_client_s() {
    let (mut alice, _) = pair();
    create(&mut alice, oracle::PIPELINE, oracle::SESSION);
    let operations = r#"{"operations":[
        {"jsonrpc":"2.0","id":0,"method":"closeSession","params":{}},
        {"jsonrpc":"2.0","id":1,"method":"create","params":{"type":"MediaPipeline"}}]}"#;
    let forwarded = alice.forwards(&request("transaction", operations));
    let (session, created) = (oracle::SESSION, oracle::FOREIGN_PIPELINE);
    let result = format!(r#""jsonrpc":"2.0","result":{{"sessionId":"{session}""#);
    let values = format!(r#"[{{"id":0,{result}}}}},{{"id":1,{result},"value":"{created}"}}}}]"#);
    alice.gets(&answer_to(&forwarded, &values, session));
    assert_eq!(alice.answer(&release(oracle::PIPELINE)), NOT_FOUND);
    alice.forwards(&release(created));
    // The connection uses it: it is not forgotten.
    let owners = Arc::clone(&alice.backend.owners);
    let later = Instant::now() + std::time::Duration::from_secs(601);
    (0..1024).for_each(|number| owners.sweep(number, later));
    assert_eq!((owners.sessions(), owners.handles()), (1, 1));
}

#[test]
fn an_answer_from_the_cache_of_kms_gives_nobody_an_object() {
    let (_, mut bob) = pair();
    // The value of a tag is whatever the client has stored.
    create(&mut bob, oracle::PIPELINE, oracle::FOREIGN_SESSION);
    let tag = r#"{"object":"$P","operation":"getTag","operationParams":{"key":"a"}}"#;
    let forwarded = bob.forwards(&table::filled(&request("invoke", tag)));
    assert_eq!(id_of(&forwarded), "1", "goes on as it is");
    let value = format!("\"{}\"", oracle::FOREIGN_PIPELINE);
    let answer = answer_to(&forwarded, &value, oracle::FOREIGN_SESSION);
    assert_eq!(bob.gets(&answer), answer);
    // A request with the same id goes on with another, so that this is no answer to it.
    let create = request("create", r#"{"type":"MediaPipeline"}"#);
    let forwarded = bob.forwards(&create);
    assert_ne!(id_of(&forwarded), "1");
    bob.gets(&answer);
    assert_eq!(bob.answer(&release(oracle::FOREIGN_PIPELINE)), NOT_FOUND);
    // Nor can the client name the id.
    let id = id_of(&forwarded);
    let imitation = table::filled(&request("invoke", tag)).replace(r#""id":1"#, r#""id":"x""#);
    bob.forwards(&imitation);
    bob.gets(&answer.replace(
        r#""id":1"#,
        &format!(r#""id":{}"#, id.replace("07-", "08-")),
    ));
    assert_eq!(bob.answer(&release(oracle::FOREIGN_PIPELINE)), NOT_FOUND);
}

#[test]
fn the_objects_of_a_transaction_are_the_client_s() {
    let (mut alice, _) = pair();
    let operations = r#"{"operations":[
        {"jsonrpc":"2.0","id":0,"method":"create","params":{"type":"MediaPipeline"}},
        {"jsonrpc":"2.0","id":1,"method":"invoke",
         "params":{"object":"newref:0","operation":"getName"}},
        {"jsonrpc":"2.0","id":2,"method":"transaction","params":{"operations":[
         {"jsonrpc":"2.0","id":0,"method":"create","params":{"type":"MediaPipeline"}}]}}]}"#;
    let forwarded = alice.forwards(&request("transaction", operations));
    let (first, second) = (oracle::PIPELINE, oracle::FOREIGN_PIPELINE);
    let never = "99999999-9999-4999-8999-999999999999_kurento.MediaPipeline";
    let session = oracle::SESSION;
    let result = |at: usize, value: &str| {
        format!(
            r#"{{"id":{at},"jsonrpc":"2.0","result":{{"value":{value},"sessionId":"{session}"}}}}"#
        )
    };
    let inner = format!("[{}]", result(0, &format!("\"{second}\"")));
    let values = [
        result(0, &format!("\"{first}\"")),
        result(1, &format!("\"{never}\"")),
        result(2, &inner),
    ];
    alice.gets(&answer_to(
        &forwarded,
        &format!("[{}]", values.join(",")),
        session,
    ));
    alice.forwards(&release(first));
    alice.forwards(&release(second));
    assert_eq!(alice.answer(&release(never)), NOT_FOUND);
    assert_eq!(alice.backend.owners.handles(), 2);
}

#[test]
fn an_operation_is_executed_in_the_session_of_its_transaction() {
    let (mut alice, _) = pair();
    let other = "77777777-7777-4777-8777-777777777777";
    create(&mut alice, oracle::PIPELINE, oracle::SESSION);
    create(&mut alice, oracle::FOREIGN_PIPELINE, other);
    let close = |outer: &str, inner: &str| {
        let params = format!(r#"{{"sessionId":"{inner}"}}"#);
        let close = request("closeSession", &params).replace(r#""id":1"#, r#""id":0"#);
        let operations = format!(r#"{{{outer}"operations":[{close}]}}"#);
        request("transaction", &operations)
    };
    let first = format!(r#""sessionId":"{}","#, oracle::SESSION);
    for (outer, inner) in [("", oracle::SESSION), (&*first, other)] {
        let answer = alice.answer(&close(outer, inner));
        assert!(answer.contains(r#""code":40008"#), "{answer}");
    }
    // That of the connection counts if the transaction names none.
    alice.forwards(&close("", other));
    alice.forwards(&close(&first, oracle::SESSION));
    // An operation that names none is in that of the transaction.
    let operations = r#""operations":[{"jsonrpc":"2.0","id":0,"method":"closeSession"}]"#;
    let forwarded = alice.forwards(&request("transaction", &format!("{{{first}{operations}}}")));
    let values = r#"[{"id":0,"jsonrpc":"2.0","result":{}}]"#;
    alice.gets(&answer_to(&forwarded, values, oracle::SESSION));
    assert_eq!(alice.answer(&release(oracle::PIPELINE)), NOT_FOUND);
    alice.forwards(&release(oracle::FOREIGN_PIPELINE));
}

#[test]
fn a_session_is_learned_from_the_first_answer_that_has_one() {
    let (mut alice, mut bob) = pair();
    let describe = request("describe", r#"{"object":"manager_ServerManager"}"#);
    let forwarded = alice.forwards(&describe);
    let answer = format!(
        r#"{{"id":{},"jsonrpc":"2.0","result":{{"hierarchy":[],"sessionId":"{}"}}}}"#,
        id_of(&forwarded),
        oracle::SESSION
    );
    assert_eq!(alice.gets(&answer), answer);
    let ping = table::filled(&request("ping", r#"{"sessionId":"$S"}"#));
    alice.forwards(&ping);
    assert_eq!(bob.answer(&ping), NO_SESSION);
    // Events have no answers and change nothing.
    let (foreign, method) = (oracle::FOREIGN_SESSION, r#""method":"onEvent","params":{}"#);
    let event = format!(r#"{{"jsonrpc":"2.0",{method},"result":{{"sessionId":"{foreign}"}}}}"#);
    assert_eq!(bob.gets(&event), event);
    let ping = table::filled(&request("ping", r#"{"sessionId":"$T"}"#));
    assert_eq!(bob.answer(&ping), NO_SESSION);
}

#[test]
fn an_operator_releases_the_objects_of_others_but_does_not_use_their_sessions() {
    let mut operator = Connection::with_objects(Some(preset_rules("kurento-operator", &[])));
    operator.forwards(&release(oracle::FOREIGN_PIPELINE));
    let in_session = r#"{"object":"$F","sessionId":"$T"}"#;
    let message = table::filled(&request("release", in_session));
    assert_eq!(operator.answer(&message), NO_SESSION);
}

#[test]
fn what_one_client_may_have_is_bounded() {
    let limits = Limits {
        sessions_per_owner: 1,
        handles_per_owner: 2,
        ..Limits::default()
    };
    let owners = Owners::new(limits);
    let mut alice = Connection::new(&owners, "alice", Some(app_rules()));
    create(&mut alice, oracle::PIPELINE, oracle::SESSION);
    alice.forwards(CREATE);
    assert!(
        alice
            .answer(CREATE)
            .contains(r#""code":40009,"message":"Too many objects""#)
    );
    let mut second = Connection::new(&owners, "alice", Some(app_rules()));
    let describe = request("describe", r#"{"object":"manager_ServerManager"}"#);
    second.forwards(&request("ping", "{}"));
    assert!(
        second
            .answer(&describe)
            .contains(r#""code":40009,"message":"Too many sessions""#)
    );
    drop(alice);
    assert_eq!(
        owners.handles(),
        1,
        "what waits for no answer any more has no place"
    );
    let mut busy = Connection::with_objects(None);
    let connect = request("connect", r#"{"sessionId":"$S"}"#);
    let connect = table::filled(&connect);
    (0..1024).for_each(|_| drop(busy.forwards(&connect)));
    let answer = busy.answer(&connect);
    assert!(
        answer.contains("Too many requests wait for an answer"),
        "{answer}"
    );
}

#[test]
fn transactions_have_bounds() {
    let nested = |depth: usize| {
        let inner = r#"{"jsonrpc":"2.0","id":0,"method":"ping","params":{}}"#.to_owned();
        (0..depth).fold(inner, |inner, _| {
            let params = format!(r#"{{"operations":[{inner}]}}"#);
            request("transaction", &params).replace(r#""id":1"#, r#""id":0"#)
        })
    };
    let many = |count: usize| {
        let ping = |at| format!(r#"{{"jsonrpc":"2.0","id":{at},"method":"ping"}}"#);
        let operations = (0..count).map(ping).collect::<Vec<_>>().join(",");
        request(
            "transaction",
            &format!(r#"{{"operations":[{operations}]}}"#),
        )
    };
    let mut connection = Connection::with_objects(Some(app_rules()));
    connection.forwards(&nested(4));
    assert!(connection.answer(&nested(5)).contains("nested too deep"));
    connection.forwards(&many(256));
    assert!(
        connection
            .answer(&many(257))
            .contains("too many operations")
    );
    assert!(connection.answer(&nested(20)).contains("nested too deep"));
    assert!(connection.answer(&nested(60)).contains("-32700"));
}

#[test]
fn ids_come_back_as_they_were_written() {
    let (mut alice, _) = pair();
    for id in [
        "1",
        "-7",
        "9007199254740993",
        "\"\"",
        "\"\\u0061\\/\"",
        "null",
    ] {
        let message = CREATE.replace(r#""a\u0062""#, id);
        let forwarded = alice.forwards(&message);
        let got = alice.gets(&error_to(&forwarded, 40_001));
        assert!(
            got.starts_with(&format!(r#"{{"id":{id},"jsonrpc""#)),
            "{got}"
        );
    }
    for id in ["1.5", "1e3", "true", "{}", "[1]"] {
        let got = alice.answer(&CREATE.replace(r#""a\u0062""#, id));
        assert!(
            got.starts_with(r#"{"id":null,"jsonrpc":"2.0","error":{"code":-32600"#),
            "{got}"
        );
    }
    let long = format!("\"{}\"", "x".repeat(300));
    assert!(
        alice
            .answer(&CREATE.replace(r#""a\u0062""#, &long))
            .contains("too long")
    );
}

#[test]
fn whatever_kms_says_passes() {
    let (mut alice, _) = pair();
    let forwarded = alice.forwards(CREATE);
    let id = id_of(&forwarded);
    for message in [
        "[]".to_owned(),
        "1".to_owned(),
        "not JSON".to_owned(),
        r#"{"id":7,"jsonrpc":"2.0","result":{"value":"pong"}}"#.to_owned(),
        r#"{"id":null,"jsonrpc":"2.0","error":{"code":-32000,"data":{"sessionId":"x"}}}"#
            .to_owned(),
        format!(r#"{{"method":"onEvent","id":{id},"params":{{}}}}"#),
    ] {
        assert_eq!(alice.gets(&message), message);
    }
    let odd = format!(r#"{{"id":{id},"result":{{"value":7,"sessionId":"s"}}}}"#);
    assert_eq!(alice.gets(&odd), odd.replace(&id, r#""a\u0062""#));
    assert_eq!(alice.backend.owners.handles(), 0);
}

#[test]
fn requests_without_an_answer_are_bounded_by_what_has_to_be_remembered() {
    let mut connection = Connection::with_objects(Some(app_rules()));
    let params = format!(r#"{{"object":"{}"}}"#, oracle::PIPELINE);
    let describe = request("describe", &params);
    let operation = |at| describe.replace(r#""id":1"#, &format!(r#""id":{at}"#));
    let operations = (0..256).map(operation).collect::<Vec<_>>().join(",");
    let many = request(
        "transaction",
        &format!(r#"{{"operations":[{operations}]}}"#),
    );
    let sent: Vec<String> = (0..8).map(|_| connection.forwards(&many)).collect();
    assert!(connection.answer(&describe).contains("40009"));
    connection.forwards(&request("ping", "{}"));
    connection.gets(&error_to(&sent[0], 40_008));
    connection.forwards(&many);
    assert!(connection.answer(&many).contains("40009"));
    let mut connection = Connection::with_objects(Some(app_rules()));
    let sent: Vec<String> = (0..1024).map(|_| connection.forwards(&describe)).collect();
    assert!(connection.answer(&describe).contains("40009"));
    sent.iter()
        .rev()
        .for_each(|sent| drop(connection.gets(&error_to(sent, 40_008))));
    assert!(!connection.api.is_waiting());
    connection.forwards(&describe);
}

#[test]
fn an_object_whose_id_is_too_long_to_be_remembered_is_not_waited_for() {
    let mut connection = Connection::with_objects(Some(preset_rules("kurento-operator", &[])));
    let id = format!("{}_kurento.MediaPipeline", "a".repeat(100_000));
    let describe = request("describe", &format!(r#"{{"object":"{id}"}}"#));
    assert_eq!(connection.forwards(&describe), describe);
    assert!(!connection.api.is_waiting());
}

#[test]
fn a_session_that_is_lost_is_not_opened_again_by_its_name() {
    const LOST: &str = "0b8f1c3e-5d0e-4c53-9a8e-1f6f2f3c4d5e";
    const OF_BOB: &str = "7a1d2c3b-1111-4c53-9a8e-1f6f2f3c4d5e";
    let (mut alice, mut bob) = pair();
    create(&mut bob, oracle::PIPELINE, OF_BOB);
    let create_in = |session: &str| {
        let params = format!(r#"{{"type":"MediaPipeline","sessionId":"{session}"}}"#);
        request("create", &params)
    };
    let about =
        |method: &str, session: &str| request(method, &format!(r#"{{"sessionId":"{session}"}}"#));
    // One that the client has not asked for.
    assert_eq!(alice.answer(&create_in(LOST)), NO_SESSION);
    assert_eq!(alice.answer(&about("connect", LOST)), NO_SESSION);
    let forwarded = alice.forwards(&create_in(LOST));
    assert!(!forwarded.contains("sessionId"), "{forwarded}");
    assert!(!forwarded.contains(LOST), "{forwarded}");
    // What is about that session stays refused, and one connection loses one session.
    assert_eq!(alice.answer(&about("connect", LOST)), NO_SESSION);
    assert_eq!(alice.answer(&about("closeSession", LOST)), NO_SESSION);
    let another = LOST.replace('0', "1");
    assert_eq!(alice.answer(&about("connect", &another)), NO_SESSION);
    assert_eq!(alice.answer(&create_in(&another)), NO_SESSION);
    // Neither a chosen one nor another client's is lost.
    for session in ["mychoice", OF_BOB] {
        let owners = Arc::clone(&alice.backend.owners);
        let mut again = Connection::new(&owners, "alice", Some(app_rules()));
        assert_eq!(again.answer(&about("connect", session)), NO_SESSION);
        assert_eq!(again.answer(&create_in(session)), NO_SESSION);
    }
    // KMS itself has lost it.
    create(&mut alice, "2_kurento.MediaPipeline", "of-alice");
    let forwarded = alice.forwards(&about("connect", "of-alice"));
    alice.gets(&error_to(&forwarded, 40_007));
    let forwarded = alice.forwards(&create_in("of-alice"));
    assert!(!forwarded.contains("of-alice"), "{forwarded}");
}
