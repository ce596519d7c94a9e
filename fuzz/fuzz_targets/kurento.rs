//! What KMS does with what the gateway sends (the first document, the last of two members, numbers
//! as texts, references of transactions replaced) is what the rules of an app allow; and nothing
//! that KMS could say makes the gateway fail.
//!
//! Input: the client's message; after a line feed, what KMS answers.
#![no_main]

#[path = "../../src/signalling/kurento/tests/oracle.rs"]
mod oracle;

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use ianitor::clock::UnixTime;
use ianitor::signalling::kurento::Api;
use ianitor::signalling::owners::{InUse, Limits, Owner, Owners};
use ianitor::signalling::rules::MessageRules;
use ianitor::signalling::{
    Backend, Context, Direction, Ids, MessageToken, Protocol, Verdict, judge, presets,
};
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<MessageRules> = LazyLock::new(|| {
    let rules = presets::find("kurento-app").expect("a preset").rules();
    MessageRules::new(rules).with_uris(&[oracle::PREFIX.parse().expect("a prefix")])
});

fuzz_target!(|text: &str| {
    let (sent, answered) = text.split_once('\n').unwrap_or((text, ""));
    let [alice, bob] = ["alice", "bob"].map(|subject| Owner::of_subject("fuzz", subject));
    let owners = Owners::new(Limits::default());
    let _sessions = [
        session(&owners, alice, oracle::SESSION, oracle::PIPELINE),
        session(
            &owners,
            bob,
            oracle::FOREIGN_SESSION,
            oracle::FOREIGN_PIPELINE,
        ),
    ];
    let backend = Backend::new(Protocol::Kurento, Arc::clone(&owners));
    let context = Context {
        backend: &backend,
        ids: Ids::default(),
        rules: Some(&RULES),
        claims: None,
        owner: alice,
        time: UnixTime(1),
        now: Instant::now(),
        is_in_grace: false,
        token: MessageToken::Absent,
        observer: &(),
    };
    let mut api = Api::new(7);

    for verdict in judge(&mut api, Direction::ToServer, sent, &context) {
        match verdict {
            Verdict::Forward(text) => oracle::check(&text).expect("an app's message"),
            Verdict::Answer { text, .. } if text.is_empty() => {}
            Verdict::Answer { text, .. } => {
                let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                assert!(answer["jsonrpc"] == "2.0" && answer["error"]["code"].is_i64());
            }
            Verdict::Reply(_) | Verdict::Close(_) => {}
        }
    }
    let mut verdicts = judge(&mut api, Direction::ToClient, answered, &context);
    assert!(verdicts.all(|verdict| matches!(verdict, Verdict::Forward(_))));
    // Whatever KMS says, another's pipeline stays the other's.
    assert!(
        owners
            .objects()
            .has_object(bob, None, oracle::FOREIGN_PIPELINE)
    );
});

/// A session with a pipeline.
fn session(owners: &Owners, owner: Owner, session: &str, pipeline: &str) -> Option<InUse> {
    let objects = owners.objects();
    let place = owners.reserve_session(owner).expect("room");
    let in_use = objects.session_created(place, session, Instant::now());
    let place = owners.reserve_handle(owner).expect("room");
    objects.object_created(place, session, pipeline);
    in_use
}
