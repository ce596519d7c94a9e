//! The method of the gateway's own that renews a token.

use super::*;
use crate::signalling::RenewalFault;

const RENEW: &str =
    r#"{"jsonrpc":"2.0","id":5,"method":"ianitor.renew","params":{"token":"a.b.c"}}"#;

fn client(renew_in_band: bool) -> Connection {
    let rules = app_rules().with_renewal_in_band(renew_in_band);
    let mut client = Connection::with_objects(Some(rules));
    client.claims = Some(Claims::parse(br#"{"exp":1795283600}"#).unwrap());
    client
}

fn rejected(fault: RenewalFault) -> Option<Result<(), RejectedToken>> {
    let detail = "for the log".into();
    Some(Err(RejectedToken { fault, detail }))
}

/// What the gateway answers.
fn reply(client: &mut Connection, message: &str) -> String {
    match &client.sends(message)[..] {
        [Verdict::Reply(text)] => text.clone(),
        other => panic!("{message}: {other:?}"),
    }
}

/// The token that the gateway finds in a message.
fn found(client: &Connection, message: &str) -> Option<String> {
    let document = crate::signalling::document::split(message).unwrap().next();
    let token = client
        .backend
        .message_token(document.unwrap(), client.rules.as_ref());
    token.map(Into::into)
}

#[test]
fn a_renewed_token_is_answered_with_its_end_and_a_rejected_one_with_the_reason() {
    let mut client = client(true);
    client.token = Some(Ok(()));
    let renewed = r#"{"id":5,"jsonrpc":"2.0","result":{"expires":1795283600}}"#;
    assert_eq!(reply(&mut client, RENEW), renewed);
    client.is_in_grace = true;
    assert_eq!(reply(&mut client, RENEW), renewed);
    for (fault, message) in [
        (RenewalFault::Subject, "The token has another subject"),
        (RenewalFault::Issuer, "The token is from another issuer"),
        (RenewalFault::NotLater, "The token does not expire later"),
        (RenewalFault::Expired, "The token has expired"),
        (RenewalFault::NotAccepted, "The token is not accepted"),
        (RenewalFault::TooMany, "Too many bad tokens"),
    ] {
        client.token = rejected(fault);
        let [Verdict::Answer { text, reason, .. }] = &client.sends(RENEW)[..] else {
            panic!("{message}")
        };
        let expected =
            format!(r#"{{"id":5,"jsonrpc":"2.0","error":{{"code":-32000,"message":"{message}","#)
                + r#""data":{"type":"NOT_RENEWED"}}}"#;
        assert_eq!(*text, expected);
        assert_eq!(&**reason, "The token is not accepted: for the log");
    }
}

#[test]
fn a_client_that_no_token_admits_needs_no_renewal() {
    let mut client = client(true);
    (client.claims, client.token) = (None, Some(Ok(())));
    let expected = r#"{"id":5,"jsonrpc":"2.0","result":{"expires":null}}"#;
    assert_eq!(reply(&mut client, RENEW), expected);
}

#[test]
fn the_answer_names_the_session_that_the_request_names() {
    let mut client = client(true);
    client.token = Some(Ok(()));
    let message = RENEW.replace(r#"{"token""#, r#"{"sessionId":"a\"b","token""#);
    let expected = concat!(
        r#"{"id":5,"jsonrpc":"2.0","#,
        r#""result":{"expires":1795283600,"sessionId":"a\"b"}}"#
    );
    assert_eq!(reply(&mut client, &message), expected);
}

#[test]
fn a_notification_renews_without_an_answer() {
    let mut client = client(true);
    let message = RENEW.replace(r#""id":5,"#, "");
    assert_eq!(found(&client, &message).as_deref(), Some("a.b.c"));
    client.token = Some(Ok(()));
    assert_eq!(reply(&mut client, &message), "");
    client.token = rejected(RenewalFault::NotLater);
    assert_eq!(client.answer(&message), "");
}

#[test]
fn without_the_key_the_method_is_unknown_and_its_token_is_not_looked_at() {
    let mut client = client(false);
    assert_eq!(found(&client, RENEW), None);
    let expected = concat!(
        r#"{"id":5,"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found","#,
        r#""data":{"type":"METHOD_NOT_FOUND"}}}"#
    );
    assert_eq!(client.answer(RENEW), expected);
}

#[test]
fn only_a_request_by_itself_renews() {
    let mut client = client(true);
    for (what, message, expected) in [
        ("batch", format!("[{RENEW}]"), "INVALID_REQUEST"),
        (
            "transaction",
            request(
                "transaction",
                &format!(r#"{{"operations":[{}]}}"#, RENEW.replace('5', "0")),
            ),
            "METHOD_NOT_FOUND",
        ),
        ("version", RENEW.replace("2.0", "1.0"), "INVALID_REQUEST"),
        ("id", RENEW.replace('5', "[5]"), "INVALID_REQUEST"),
        ("case", RENEW.replace("renew", "Renew"), "METHOD_NOT_FOUND"),
        (
            "params",
            RENEW.replace(r#"{"token":"a.b.c"}"#, "[]"),
            "INVALID_PARAMS",
        ),
        (
            "no params",
            RENEW.replace(r#","params":{"token":"a.b.c"}"#, ""),
            "INVALID_PARAMS",
        ),
        (
            "no token",
            RENEW.replace(r#""token""#, r#""jwt""#),
            "INVALID_PARAMS",
        ),
        (
            "a number",
            RENEW.replace(r#""a.b.c""#, "1"),
            "INVALID_PARAMS",
        ),
    ] {
        assert_eq!(found(&client, &message), None, "{what}");
        let answer = client.answer(&message);
        assert!(answer.contains(expected), "{what}: {answer}");
    }
}

#[test]
fn the_token_is_found_however_the_request_is_written() {
    let client = client(true);
    for message in [
        RENEW.replace('.', "\\u002e").replace("2\\u002e0", "2.0"),
        RENEW.replace("token", "tok\\u0065n"),
        RENEW.replace("method", "m\\u0065thod"),
        RENEW.replace("a.b.c", " a.b.c\\n"),
        RENEW.replace("a.b.c", "\\ta.b\\u002ec "),
        RENEW.replace("\"id\":5", "\"id\":null"),
    ] {
        assert_eq!(
            found(&client, &message).as_deref(),
            Some("a.b.c"),
            "{message}"
        );
    }
}
